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


class Doubled(nn.Module):
    """A class that edge2torch does not know."""

    def __init__(self, times=2.0):
        super().__init__()
        self.times, self.seen = times, 0

    def forward(self, x):
        self.seen += 1
        return self.times * x


def with_doubled(model, times=2.0):
    return e2t.customize_model(
        model, node_normalization="batch", head=nn.Sequential(nn.Linear(1, 3), Doubled(times))
    )


def test_a_model_with_classes_of_ones_own_needs_the_function_that_customizes(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    customized = with_doubled(model).double()
    customized(torch.randn(4, 2, dtype=torch.float64))
    path = e2t.save_compiled(tmp_path, customized, artifact)
    again, _ = e2t.load_compiled(path, customize=with_doubled)
    x = torch.randn(3, 2, dtype=torch.float64)
    assert torch.equal(again.eval()(x), customized.eval()(x))
    with pytest.raises(e2t.Edge2TorchError, match=r"Doubled.*customize="):
        e2t.load_compiled(path)
    with pytest.raises(e2t.Edge2TorchError, match=r"head.1: saved Doubled\(times=2.0\), found"):
        e2t.load_compiled(path, customize=lambda m: with_doubled(m, 3.0))
    with pytest.raises(e2t.Edge2TorchError, match=r"head: saved Sequential.*, found Linear"):
        e2t.load_compiled(path, customize=lambda m: e2t.customize_model(m, head=nn.Linear(1, 4)))


DEEP = pd.DataFrame(
    {"source": ["g1", "g2", "a", "b", "b", "g1"], "target": ["a", "b", "c", "c", "a", "c"]}
)
MODULES = {
    "tanh": {"node_activation": "tanh"},
    "another leak": {"node_activation": nn.LeakyReLU(0.3)},
    "by layer": {"node_activation": {"layer_1": "tanh"}},
    "by node": {"node_activation": {"b": "sigmoid"}},
    "norm": {"node_normalization": "batch"},
    "dropout": {"node_dropout": 0.3},
    "edge dropout": {"edge_dropout": 0.2},
    "activation": {"activation": nn.Tanh()},
    "head": {"head": nn.Sequential(nn.Linear(1, 4), nn.LayerNorm(4), nn.Softplus(2.0))},
}


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "gnn"])
@pytest.mark.parametrize("name", MODULES)
def test_modules_come_back_and_others_are_refused(tmp_path, backend, name):
    own = {} if backend == "feedforward" else {"steps": 3}
    model, artifact = e2t.compile_graph(DEEP, backend=backend, quiet=True, **own)
    given = dict(MODULES[name])
    if name == "by layer" and backend == "recurrent":
        pytest.skip("has one slot for all steps")
    if name == "norm" and backend == "gnn":
        given = {"node_normalization": nn.BatchNorm1d(len(model.node_slots()[0].hidden))}
    trained = e2t.customize_model(model, **given, artifact=artifact)
    for module in trained.modules():  # as if trained, in running statistics too
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.1)
    path = e2t.save_compiled(tmp_path, trained, artifact)
    again, _ = e2t.load_compiled(path)
    x = torch.randn(4, 2)
    torch.manual_seed(0)
    wanted = trained(x)
    torch.manual_seed(0)
    assert torch.equal(again(x), wanted)
    assert torch.equal(again.eval()(x), trained.eval()(x))
    assert not any(tensor.is_meta for tensor in again.state_dict().values())
    with pytest.raises(e2t.Edge2TorchError, match="saved with other modules"):
        e2t.load_compiled(path, customize=lambda m: e2t.customize_model(m, node_activation="silu"))


def test_modules_of_a_base_without_its_wrapper_come_back(tmp_path):
    model, artifact = e2t.compile_graph(DEEP, quiet=True)
    inner = e2t.customize_model(model, node_activation="tanh").base_model
    again, _ = e2t.load_compiled(e2t.save_compiled(tmp_path, inner, artifact))
    x = torch.randn(4, 2)
    assert torch.equal(again(x), inner(x))
    assert not torch.equal(again(x), model(x))


def test_relu_is_not_taken_for_tanh(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    path = e2t.save_compiled(tmp_path, e2t.customize_model(model, node_activation="tanh"), artifact)
    with pytest.raises(
        e2t.Edge2TorchError, match=r"layer_1.activation: saved Tanh\(\), found ReLU\(\)"
    ):
        e2t.load_compiled(path, customize=lambda m: e2t.customize_model(m, node_activation="relu"))


def test_a_save_without_descriptions_is_read_with_a_warning(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    trained = e2t.customize_model(model, head=nn.Linear(1, 2))
    path = e2t.save_compiled(tmp_path, trained, artifact)
    index = json.loads((path / "artifact.json").read_text())
    del index["modules"]
    (path / "artifact.json").write_text(json.dumps(index))
    with pytest.raises(e2t.Edge2TorchError, match="customize="):
        e2t.load_compiled(path)
    with pytest.warns(e2t.Edge2TorchWarning, match="before modules were described"):
        again, _ = e2t.load_compiled(
            path, customize=lambda m: e2t.customize_model(m, head=nn.Linear(1, 2))
        )
    assert torch.equal(again.head.weight, trained.head.weight)


def test_layers_that_a_file_only_claims_take_no_memory(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    trained = e2t.customize_model(model, head=nn.Linear(1, 2))
    path = e2t.save_compiled(tmp_path, trained, artifact)
    index = json.loads((path / "artifact.json").read_text())
    index["modules"]["around"]["parts"]["head"]["settings"]["out_features"] = 10**9
    (path / "artifact.json").write_text(json.dumps(index))
    with pytest.raises(e2t.Edge2TorchError, match=r"damaged.* of 2,000,000,000 values"):
        e2t.load_compiled(path)


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


# ------------------------------------------------------------------ wrapped by torch


def in_place(model):
    model.base_model = torch.compile(model.base_model, backend="eager")
    return model


WRAPPERS = {
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "parallel": nn.DataParallel,
    "both": lambda model: torch.compile(nn.DataParallel(model), backend="eager"),
    "inside": in_place,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_model_is_saved_as_what_is_wrapped(tmp_path, wrapper):
    base, _ = e2t.compile_graph(EDGES, quiet=True)
    model = e2t.customize_model(base, node_activation="tanh", head=nn.Linear(1, 2))
    path = e2t.save_compiled(tmp_path, WRAPPERS[wrapper](model))
    again, artifact = e2t.load_compiled(path)
    assert type(again) is type(model)
    x = torch.randn(5, 2)
    # what is compiled inside adds up layer by layer, the bare model in one pass: another last digit
    torch.testing.assert_close(again(x), model(x))
    assert torch.equal(again.head.weight, model.head.weight)
    pd.testing.assert_frame_equal(e2t.edge_weights(again, artifact), e2t.edge_weights(base))


def test_a_bare_wrapped_model_comes_back_bare(tmp_path):
    model, _ = e2t.compile_graph(EDGES, quiet=True)
    again, _ = e2t.load_compiled(e2t.save_compiled(tmp_path, torch.compile(model, backend="eager")))
    assert type(again) is type(model)
    x = torch.randn(5, 2)
    assert torch.equal(again(x), model(x))


def test_what_customizes_may_wrap(tmp_path):
    torch.manual_seed(0)
    model, _ = e2t.compile_graph(EDGES, quiet=True)
    model = e2t.customize_model(model, head=nn.Linear(1, 2))

    def customize(base):
        head = nn.Linear(1, 2)
        return torch.compile(e2t.customize_model(base, head=head), backend="eager")

    again, _ = e2t.load_compiled(e2t.save_compiled(tmp_path, model), customize=customize)
    x = torch.randn(5, 2)
    assert torch.equal(again(x), model(x))


def test_a_folder_in_which_names_of_torch_compile_were_written_opens(tmp_path):
    """As save_compiled wrote it before: no code of ours writes it so any more."""
    model, _ = e2t.compile_graph(EDGES, quiet=True)
    model = e2t.customize_model(model, head=nn.Linear(1, 2))
    path = e2t.save_compiled(tmp_path, model)
    index = json.loads((path / "artifact.json").read_text(encoding="utf-8"))
    kept = {key: index[key] for key in (*_save._FOLDER.needed, "modules")}
    around = {
        "class": "torch._dynamo.eval_frame.OptimizedModule",
        "settings": {},
        "parts": {"_orig_mod": kept["modules"]["around"]},
    }
    kept |= {"model_class": "OptimizedModule", "modules": {**kept["modules"], "around": around}}
    state = {f"_orig_mod.{name}": value for name, value in model.state_dict().items()}
    again, _ = e2t.load_compiled(_save._FOLDER.write(path, state, kept))
    x = torch.randn(5, 2)
    assert torch.equal(again(x), model(x))
