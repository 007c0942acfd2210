"""Scores of edges are what their definitions say, on every backend."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.compile import BACKENDS
from edge2torch.interpret import METHODS
from edge2torch.simulate import evaluate
from tests.interpret.settings import PLAIN, SETTINGS, SKIPS, Setting, build, customize, double
from tests.interpret.test_path import CASES, customized

NAMES = [name for name, row in METHODS.items() if row.target == "edges"]
MANY = {"n_steps": 300}


def incoming(table: pd.DataFrame) -> pd.Series:
    return table.groupby("target")["attribution"].sum()


def outgoing(table: pd.DataFrame) -> pd.Series:
    return table.groupby("source")["attribution"].sum()


def smooth(backend: str, options: dict[str, Any]) -> Setting:
    setting = build(SKIPS, "deep", backend=backend, **options)
    return double(customize(setting, node_activation="tanh"))


# ------------------------------------------------------------------------------ conductance


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_scores_every_edge(name: str, case: tuple[str, dict[str, Any]]) -> None:
    setting = customized(*case)
    table = setting.ask("edges", name)
    assert table.columns.tolist() == ["source", "target", "attribution"]
    pd.testing.assert_frame_equal(table[["source", "target"]], SKIPS)
    assert np.isfinite(table["attribution"]).all()
    assert (table["attribution"] != 0).sum() > 4
    each = setting.ask("edges", name, level="samples")
    pd.testing.assert_index_equal(each.index, setting.data.index)
    assert each.columns.names == ["source", "target"]
    mean = table["attribution"]
    np.testing.assert_allclose(each.mean(), mean, atol=1e-5 * mean.abs().max())


def test_edges_into_a_node_sum_to_the_node() -> None:
    setting = smooth("feedforward", {})
    table = setting.ask("edges", attribute_kwargs=MANY)
    nodes = setting.ask("nodes", level="summary", nodes="all", attribute_kwargs=MANY).mean()
    into, out = incoming(table), outgoing(table)
    np.testing.assert_allclose(into, nodes[into.index], atol=2e-3)  # in the limit of many steps
    hidden = out.index.difference(setting.artifact.output_names)
    np.testing.assert_allclose(out[hidden], nodes[hidden], atol=1e-12)  # exactly
    x = torch.zeros(1, 3).double()
    difference = (setting.explained() - setting.explained(x)).mean()
    assert into["deep"] == pytest.approx(difference, abs=2e-3)
    assert out[["a", "b", "c"]].sum() == pytest.approx(difference, abs=2e-3)


def test_edges_out_of_a_node_sum_to_the_node_over_all_steps() -> None:
    setting = smooth("recurrent", {"steps": 4})
    out = outgoing(setting.ask("edges", attribute_kwargs=MANY))
    steps = setting.ask("nodes", nodes="all", attribute_kwargs=MANY)
    into = incoming(setting.ask("edges", attribute_kwargs=MANY))
    nodes = ["p", "q", "r", "deep"]
    sums = sum(steps[f"step_{k}"][nodes].mean() for k in range(1, 5))
    np.testing.assert_allclose(into[nodes], sums, atol=2e-3)
    np.testing.assert_allclose(out[["p", "q", "r"]], sums[["p", "q", "r"]], atol=1e-12)


def test_edges_of_a_gnn_sum_to_its_nodes_layer_by_layer() -> None:
    setting = smooth("gnn", {"steps": 3})
    into = incoming(setting.ask("edges", attribute_kwargs=MANY))
    layers = setting.ask("nodes", attribute_kwargs=MANY)
    nodes = sum(table.mean() for table in layers.values())
    np.testing.assert_allclose(into[nodes.index], nodes, atol=2e-3)
    difference = setting.explained() - setting.explained(torch.zeros(1, 3).double())
    assert into["deep"] == pytest.approx(difference.mean(), abs=2e-3)
    assert into[["early", "late"]].abs().max() == 0


def test_a_steady_state_agrees_with_layers_where_there_is_no_cycle() -> None:
    steady = smooth("recurrent", {"steps": "converge", "tolerance": 1e-9})
    long = smooth("recurrent", {"steps": 4})
    long.model.load_state_dict(
        {**steady.model.state_dict(), "base_model.fingerprint": long.model.base_model.fingerprint}
    )
    for name in NAMES:
        np.testing.assert_allclose(
            steady.ask("edges", name)["attribution"],
            long.ask("edges", name)["attribution"],
            atol=1e-6,
        )


def test_one_point_of_the_path() -> None:
    """Weight × value of the source × gradient by the target's input, by hand."""
    setting = smooth("feedforward", {})
    table = setting.ask("edges", "EdgeGradientXActivation", level="samples")
    here = setting.ask_at(setting.x, setting.artifact.output_names.index("deep"))
    weights = e2t.edge_weights(setting.model, setting.artifact)
    for source, target, weight in weights.itertuples(index=False):
        value, _ = here[source]
        after, slope = here[target]
        if target in ("p", "q", "r"):
            slope = slope * (1 - after**2)  # through tanh
        np.testing.assert_allclose(table[source, target], weight * value * slope, atol=1e-12)


# ------------------------------------------------------------------------------ taking edges away


def oracle(setting: Setting, without: int | None = None) -> np.ndarray:
    weights = e2t.edge_weights(setting.model, setting.artifact)["weight"].to_numpy(copy=True)
    if without is not None:
        weights[without] = 0
    fed = {name: column.to_numpy() for name, column in setting.data.items()}
    return evaluate(
        setting.artifact.graph.edges[["source", "target"]],
        fed,
        weights,
        e2t.node_biases(setting.model, setting.artifact).to_dict(),
        activation=np.tanh,
        outputs=setting.artifact.output_names,
    )["deep"]


def test_occlusion_equals_the_oracle_without_the_edge() -> None:
    setting = smooth("feedforward", {})
    table = setting.ask("edges", "EdgeOcclusion", level="samples")
    whole = oracle(setting)
    for row in range(len(SKIPS)):
        np.testing.assert_allclose(table.iloc[:, row], whole - oracle(setting, row), atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_occlusion_takes_away_all_of_an_edge(case: tuple[str, dict[str, Any]]) -> None:
    """An edge alone into a node carries all that the node says."""
    backend, options = case
    edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "y", "y"]})
    setting = double(build(edges, backend=backend, **options))
    setting = Setting(setting.model, setting.artifact, setting.data[["a", "b"]], None)
    table = setting.ask("edges", "EdgeOcclusion", level="samples")
    still = Setting(setting.model, setting.artifact, setting.data.assign(b=0.0)[["a", "b"]], None)
    if backend != "gnn":  # where a direct edge has a bias of its own
        np.testing.assert_allclose(
            table["b", "y"], setting.explained() - still.explained(), atol=1e-7
        )
    knocked = setting.ask("nodes", "NodeKnockout", level="summary", nodes=["h"])
    if backend == "feedforward":
        np.testing.assert_allclose(table["h", "y"], knocked["h"], atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mask_gradients_are_complete(case: tuple[str, dict[str, Any]]) -> None:
    setting = smooth(*case)
    each = setting.ask("edges", "EdgeIntegratedGradients", level="samples")
    base = setting.model.base_model
    whole = setting.explained()
    with torch.no_grad():
        reads = [*base.edge_to_node] if case[0] == "gnn" else base.edge_layers()
        for layer in reads:
            layer.weight.zero_()
        if case[0] == "gnn":  # what the readout adds up, it reads along edges too
            base.readout.scale = 0.0
    difference = whole - setting.explained()
    error = np.abs(each.sum(axis=1) - difference).max() / np.abs(difference).max()
    assert error < 0.01


def test_edges_that_are_not_computed_have_no_score() -> None:
    with pytest.warns(e2t.Edge2TorchWarning, match="reach no output"):
        setting = build(PLAIN, outputs=["r"], unused="prune")
    for name in NAMES:
        scores = setting.ask("edges", name)["attribution"]
        assert scores.isna().tolist() == [t in ("s", "out") for t in PLAIN["target"]]


def test_every_backend_is_in_these_tests() -> None:
    assert {name for name, _ in CASES} == {backend.name for backend in BACKENDS}


def test_levels_and_options_of_edges() -> None:
    setting = SETTINGS["skips"]()
    with pytest.raises(e2t.Edge2TorchError, match="level must be one of 'summary', 'samples'"):
        setting.ask("edges", level="sites")
    with pytest.raises(e2t.Edge2TorchError, match="It takes 'internal_batch_size', 'method', 'n_s"):
        setting.ask("edges", attribute_kwargs={"steps": 3})
    with pytest.raises(e2t.Edge2TorchError, match="EdgeConductance has none"):
        setting.ask("edges", return_convergence_delta=True)
    with pytest.raises(e2t.Edge2TorchError, match=r"n_steps.*whole number >= 1"):
        setting.ask("edges", attribute_kwargs={"n_steps": 0})
    with pytest.raises(e2t.Edge2TorchError, match=r"method.*'gausslegendre'"):
        setting.ask("edges", attribute_kwargs={"method": "simpson"})


def test_scores_of_edges_load_no_compiler():
    code = (
        "import sys, pandas as pd, torch, edge2torch as e2t\n"
        "edges = pd.DataFrame({'source': ['a', 'h'], 'target': ['h', 'y']})\n"
        "model, artifact = e2t.compile_graph(edges, quiet=True)\n"
        "e2t.interpret_model(model, artifact, torch.ones(3, 1), target='edges', output='y', quiet=True)\n"
        "assert 'sympy' not in sys.modules, 'the shapes of gradients are compared by the compiler'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
