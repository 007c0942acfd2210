"""A model carries the names of its tensors; a pair may be given, and has to match."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.compile import find_artifact
from edge2torch.interpret import ReplicateStack, convergence, cycles
from edge2torch.regularize import CrossPathwayLasso, PathwayLatentRegularizer

EDGES = pd.DataFrame({"source": ["a", "b", "h", "h", "a"], "target": ["h", "h", "k", "y", "y"]})
LOOP = pd.DataFrame({"source": ["a", "h", "k", "k"], "target": ["h", "k", "h", "y"]})
DATA = pd.DataFrame({"a": [1.0, -1.0, 0.5], "b": [0.2, 0.3, 2.0]})
BACKENDS = ["feedforward", "recurrent", "gnn"]


def compiled(backend: str = "feedforward", **options):
    edges = EDGES if backend == "feedforward" else LOOP
    outputs = ["k", "y"] if backend == "feedforward" else ["y"]
    return e2t.compile_graph(edges, backend, outputs=outputs, seed=1, quiet=True, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_form_of_a_model_carries_its_artifact(backend, tmp_path):
    model, artifact = compiled(backend)
    customized = e2t.customize_model(
        model, node_activation="tanh", head=nn.Linear(model.out_features, 2)
    )
    for form in (
        model,
        customized,
        copy.deepcopy(customized),
        nn.Sequential(customized, nn.Tanh()),
    ):
        assert find_artifact(form) is artifact
    assert customized.artifact is artifact
    assert model.with_stages({}).artifact is artifact
    assert not [name for name in model.state_dict() if "artifact" in name]
    again = pickle.loads(pickle.dumps(customized))  # noqa: S301 - our own
    assert again.artifact.fingerprint == artifact.fingerprint
    loaded, its_artifact = e2t.load_compiled(e2t.save_compiled(tmp_path / "model", customized))
    assert loaded.artifact is its_artifact
    pd.testing.assert_frame_equal(e2t.edge_weights(loaded), e2t.edge_weights(model, artifact))


def test_stacked_replicates_carry_the_artifact_of_the_stack_and_of_each():
    models, artifacts = zip(*[compiled() for _ in range(2)], strict=True)
    stack = ReplicateStack(models, artifacts[0])
    assert stack.base.artifact is stack.artifact
    for model in stack.unstack():
        assert model.artifact.fingerprint == artifacts[0].fingerprint


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_a_pair_take_the_model_alone(backend):
    model, artifact = compiled(backend)
    data = DATA[artifact.feature_names]
    x = e2t.align_features_to_input_nodes(data, model)
    assert torch.equal(x, e2t.align_features_to_input_nodes(data, artifact))
    pd.testing.assert_frame_equal(e2t.edge_weights(model), e2t.edge_weights(model, artifact))
    pd.testing.assert_series_equal(e2t.node_biases(model), e2t.node_biases(model, artifact))
    with torch.no_grad():
        alone, pair = (
            e2t.get_node_activations(model, x),
            e2t.get_node_activations(model, artifact, x),
        )
    assert alone.keys() == pair.keys()
    assert all(torch.equal(alone[name], pair[name]) for name in alone)
    frame = e2t.activations(model, data)
    pd.testing.assert_frame_equal(frame, e2t.activations(model, artifact, data))
    held = e2t.knock_out(model, data=data, nodes=["h"], quiet=True)
    pd.testing.assert_frame_equal(held, e2t.knock_out(model, artifact, data, ["h"], quiet=True))
    ask = {"output": "y", "target": "nodes", "level": "summary", "quiet": True}
    pd.testing.assert_frame_equal(
        e2t.interpret_model(model, data, **ask), e2t.interpret_model(model, artifact, data, **ask)
    )
    lasso = CrossPathwayLasso(model, {"p": ["a"], "q": ["k"]})
    assert torch.equal(
        lasso(), CrossPathwayLasso(model, {"p": ["a"], "q": ["k"]}, artifact=artifact)()
    )


def test_recurrent_questions_take_the_model_alone():
    model, artifact = compiled("recurrent")
    pd.testing.assert_frame_equal(cycles(model), cycles(model, artifact))
    x = torch.ones(2, 1)
    pd.testing.assert_frame_equal(convergence(model, x), convergence(model, artifact, x))


def test_regularizer_of_values_takes_the_model_alone():
    model, artifact = compiled("gnn")
    members = {"p": ["h"], "q": ["k", "h"]}
    found, expected = (
        PathwayLatentRegularizer(model, members, **pair).membership
        for pair in ({}, {"artifact": artifact})
    )
    pd.testing.assert_frame_equal(found, expected)


def test_a_pair_that_does_not_match_is_refused():
    model, _ = compiled()
    _, other = compiled("gnn")
    for ask in (
        lambda: e2t.edge_weights(model, other),
        lambda: e2t.knock_out(model, other, DATA),
        lambda: e2t.attribute(model, DATA, artifact=other),
        lambda: e2t.save_compiled("nowhere", model, other),
        lambda: other.bind(model),
        lambda: e2t.customize_model(model, artifact=other),
    ):
        with pytest.raises(e2t.Edge2TorchError, match="describes another graph"):
            ask()
    with pytest.raises(e2t.Edge2TorchError, match=r"found DataFrame.*given by name"):
        e2t.knock_out(model, DATA, ["h"])
    with pytest.raises(e2t.Edge2TorchError, match="data is missing"):
        e2t.interpret_model(model)


def test_of_several_graphs_the_one_that_the_artifact_describes():
    first, second = compiled(), compiled("gnn")
    both = nn.ModuleList([first[0], second[0]])
    for model, artifact in (first, second):
        pd.testing.assert_frame_equal(e2t.edge_weights(both, artifact), e2t.edge_weights(model))
    with pytest.raises(e2t.Edge2TorchError, match="holds 2 compiled graphs"):
        e2t.edge_weights(both)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bound_tensors_belong_to_the_rows_they_are_said_to(backend):
    model, artifact = compiled(backend)
    weights = e2t.edge_weights(model)["weight"].to_numpy()
    bound = artifact.bind(model)
    for rows, values in bound.edge_values():
        np.testing.assert_allclose(values.detach().numpy(), weights[rows])
    if backend == "gnn":  # several numbers per edge
        with pytest.raises(e2t.Edge2TorchError, match="one weight per edge"):
            bound.edge_layers()
        return
    for rows, layer in bound.edge_layers():
        np.testing.assert_allclose(layer.edge_weights().detach().numpy(), weights[rows])
    names = [name for nodes, _ in bound.biases() for name in artifact.graph.names(nodes)]
    assert names == e2t.node_biases(model).index.tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_seed_fixes_the_start_and_leaves_the_global_generator_alone(backend):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = (
        e2t.compile_graph(LOOP if backend != "feedforward" else EDGES, backend,
                          outputs=["y"] if backend != "feedforward" else None,
                          seed=seed, quiet=True)[0].state_dict()
        for seed in (3, 3, 4)
    )  # fmt: skip
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    torch.manual_seed(3)
    global_start = compiled(backend)[0]
    assert global_start is not None
    with pytest.raises(e2t.Edge2TorchError, match="seed must be a whole number"):
        e2t.compile_graph(EDGES, seed=0.5, quiet=True)


def test_options_as_objects_are_the_options_as_words():
    pairs = [
        (e2t.Feedforward(), "feedforward", {}),
        (e2t.Recurrent(steps=4, leak=0.5), "recurrent", {"steps": 4, "leak": 0.5}),
        (e2t.Recurrent(steps="converge"), "recurrent", {"steps": "converge"}),
        (e2t.GNN(steps=2, channels=3), "gnn", {"steps": 2, "channels": 3}),
    ]
    for options, backend, words in pairs:
        edges = EDGES if backend == "feedforward" else LOOP
        outputs = ["k", "y"] if backend == "feedforward" else ["y"]
        model, artifact = e2t.compile_graph(edges, options, outputs=outputs, seed=1, quiet=True)
        same, its_artifact = compiled(backend, **words)
        assert artifact.fingerprint == its_artifact.fingerprint
        assert all(
            torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True)
        )
    with pytest.raises(e2t.Edge2TorchError, match=r"'channels'.*inside backend=GNN\(\.\.\.\)"):
        e2t.compile_graph(LOOP, e2t.GNN(), channels=3, outputs=["y"], quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match=r"'steps'.*inside backend=Recurrent"):
        e2t.compile_graph(LOOP, e2t.Recurrent(), steps=3, outputs=["y"], quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="steps of backend='gnn' must be"):
        e2t.GNN(steps=0)


def test_steps_say_how_many():
    assert compiled("recurrent", steps=4)[0].steps == 4
    assert compiled("recurrent", steps="converge")[0].steps == "converge"
    assert compiled("gnn", steps=2)[0].steps == 2


def test_states_saved_under_the_former_name_of_the_steps_still_load(tmp_path, monkeypatch):
    model, _ = compiled("recurrent")
    custom = e2t.customize_model(model, node_normalization="batch")
    custom(torch.randn(6, 1))
    state = {name.replace("step_blocks.", "steps."): v for name, v in custom.state_dict().items()}
    assert any("steps." in name for name in state)
    fresh = e2t.customize_model(compiled("recurrent")[0], node_normalization="batch")
    fresh.load_state_dict(state)
    x = torch.randn(4, 1)
    assert torch.equal(fresh.eval()(x), custom.eval()(x))
    monkeypatch.setattr(type(custom), "state_dict", lambda self, *a, **k: state)
    folder = e2t.save_compiled(tmp_path / "old", custom)
    monkeypatch.undo()
    assert torch.equal(e2t.load_compiled(folder)[0].eval()(x), custom.eval()(x))


@pytest.mark.parametrize(
    ("backend", "own"),
    [
        ("feedforward", {}),
        ("recurrent", {"cell": "gated"}),
        *(
            ("gnn", {"norm": norm, "node_mlp": 3})
            for norm in ("layer", "rms", "batch", "ema", "softmax", "none")
        ),
    ],
)
def test_without_bias_no_parameter_is_added(backend, own):
    model, _ = compiled(backend, bias=False, **own)
    assert [name for name, _ in model.named_parameters() if "bias" in name] == []
    if own.get("norm") != "softmax":  # shares of nothing are alike, not zero
        y = model.eval()(torch.zeros(3, model.in_features))
        assert torch.equal(y, torch.zeros_like(y))
