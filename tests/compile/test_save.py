"""Saving and loading, and what is left when files are damaged."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import edge2torch as e2t
from edge2torch.compile import _save

EDGES = pd.DataFrame(
    {
        "source": ["g1", "g2", "tf", "g1"],
        "target": ["tf", "tf", "out", "out"],
        "constraint": ["positive", None, "fixed", "negative"],
        "initial_weight": [0.1, np.nan, 2.5, None],
        "evidence": [3, 1, 2, 5],
        "comment": ["é", None, 'a "quote"', "🧬"],
        "kind": pd.Categorical(["x", "y", "x", None]),
    },
    index=[10, 3, 7, 1],
)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    return e2t.save_compiled(tmp_path / "model", model, artifact), model, artifact


def test_round_trip(saved):
    path, model, artifact = saved
    state = torch.get_rng_state()
    again, its = e2t.load_compiled(path)
    assert torch.equal(torch.get_rng_state(), state)
    x = torch.randn(5, 2)
    assert torch.equal(again(x), model(x))
    pd.testing.assert_frame_equal(its.graph.edges, artifact.graph.edges)
    assert its.node_names_by_layer == artifact.node_names_by_layer
    assert its.fingerprint == artifact.fingerprint
    assert dict(its.options) == dict(artifact.options)


def test_nothing_is_pickled(saved):
    path, _, _ = saved
    files = sorted(file.suffix for file in path.iterdir())
    assert files == [".json", ".safetensors"]


def test_ends_options_and_signs_come_back(tmp_path):
    signed = EDGES[["source", "target"]].assign(weight=[1, -1, 0, None])
    with pytest.warns(e2t.Edge2TorchWarning):
        model, artifact = e2t.compile_graph(
            signed, sign_column="weight", outputs=["tf"], bias=False, unused="prune", quiet=True
        )
    again, its = e2t.load_compiled(e2t.save_compiled(tmp_path, model, artifact))
    assert its.output_names == ["tf"]
    x = torch.randn(3, 2)
    assert torch.equal(again(x), model(x))


def test_a_customized_model_needs_the_function_that_customizes(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)

    def customize(model):
        return e2t.customize_model(model, node_normalization="batch", head=nn.Linear(1, 3))

    customized = customize(model).double()
    customized(torch.randn(4, 2, dtype=torch.float64))
    path = e2t.save_compiled(tmp_path, customized, artifact)
    again, _ = e2t.load_compiled(path, customize=customize)
    x = torch.randn(3, 2, dtype=torch.float64)
    assert torch.equal(again.eval()(x), customized.eval()(x))
    with pytest.raises(e2t.Edge2TorchError, match="customize="):
        e2t.load_compiled(path)
    with pytest.raises(e2t.Edge2TorchError, match="tensors that differ"):
        e2t.load_compiled(path, customize=lambda m: e2t.customize_model(m, head=nn.Linear(1, 4)))


def test_saving_again_replaces_the_whole(saved):
    path, model, artifact = saved
    with torch.no_grad():
        model.block(0).linear.weight.fill_(7)
    e2t.save_compiled(path, model, artifact)
    assert len(list(path.iterdir())) == 2
    again, _ = e2t.load_compiled(path)
    assert (again.block(0).linear.weight == 7).all()


def test_a_save_that_fails_leaves_the_earlier_one(saved, monkeypatch):
    path, model, artifact = saved
    before = model.block(0).linear.weight.clone()
    with torch.no_grad():
        model.block(0).linear.weight.fill_(7)
    elsewhere = replace(_save._FOLDER, index="no/such/folder.json")
    monkeypatch.setattr(_save, "_FOLDER", elsewhere)  # the weights are written, the index is not
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
        e2t.save_compiled(path, model, artifact)
    monkeypatch.undo()
    again, _ = e2t.load_compiled(path)
    assert torch.equal(again.block(0).linear.weight, before)


def weights_file(path):
    return next(path.glob("*.safetensors"))


def edit(path, **changes):
    index = json.loads((path / "artifact.json").read_text())
    (path / "artifact.json").write_text(json.dumps({**index, **changes}))


DAMAGE = {
    "no folder": (lambda path: (path / "artifact.json").unlink(), "has no artifact.json"),
    "truncated json": (
        lambda path: (path / "artifact.json").write_text(
            (path / "artifact.json").read_text()[:200]
        ),
        "artifact.json is damaged",
    ),
    "other json": (lambda path: (path / "artifact.json").write_text("{}"), "not written by"),
    "newer": (lambda path: edit(path, format_version=99), "format version 99"),
    "lacks a key": (lambda path: edit(path, format="edge2torch-compiled", edges=None), "damaged"),
    "truncated weights": (
        lambda path: weights_file(path).write_bytes(weights_file(path).read_bytes()[:-3]),
        "damaged or truncated",
    ),
    "no weights": (lambda path: weights_file(path).unlink(), "is missing"),
    "weights elsewhere": (lambda path: edit(path, weights="../model/x"), "is missing"),
    "other edges": (
        lambda path: edit(path, inputs=["g2", "g1"]),
        "its edge table or options are not those that were compiled",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files(saved, kind):
    path, _, _ = saved
    damage, message = DAMAGE[kind]
    damage(path)
    with pytest.raises(e2t.Edge2TorchError, match=message):
        e2t.load_compiled(path)


FRAGMENTS = [b"NaN", b"null", b"-1", b"1e400", b'"../../x"', b"{}", b"[]", b"9" * 17, b"true"]


@given(data=st.data())
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_mutated_files_give_one_of_our_errors_or_a_model(saved, data):
    path, _, _ = saved
    victim = data.draw(st.sampled_from(sorted(path.iterdir())))
    before = victim.read_bytes()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(before))] * 2)))
    filling = data.draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=20))
    victim.write_bytes(before[:start] + filling + before[end:])
    try:
        with contextlib.suppress(e2t.Edge2TorchError):  # every other error fails the test
            e2t.load_compiled(path)
    finally:
        victim.write_bytes(before)


def test_a_file_in_the_way(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(e2t.Edge2TorchError, match="is a file"):
        e2t.save_compiled(tmp_path / "taken", model, artifact)


def test_metadata_that_json_cannot_hold(tmp_path):
    edges = EDGES[["source", "target"]].assign(thing=[{1}, {2}, {3}, {4}])
    model, artifact = e2t.compile_graph(edges, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="'thing' cannot be saved"):
        e2t.save_compiled(tmp_path, model, artifact)


def test_the_weights_of_another_graph_are_refused():
    model, _ = e2t.compile_graph(EDGES, quiet=True)
    other, _ = e2t.compile_graph(EDGES.replace({"g2": "g3"}), quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="another graph"):
        other.load_state_dict(model.state_dict())
