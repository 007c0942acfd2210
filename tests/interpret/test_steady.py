"""What passes through the nodes of a steady state, against the same by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.interpret import METHODS
from tests.interpret.settings import SKIPS, Setting, build, by_layers, customize, double

# a knot of two cycles, one node that feeds itself, and an output on a cycle
KNOT = pd.DataFrame(
    [
        ("a", "p"),
        ("b", "q"),
        ("p", "q"),
        ("q", "r"),
        ("r", "p"),
        ("r", "r"),
        ("r", "y"),
        ("y", "q"),
        ("p", "z"),
    ],
    columns=["source", "target"],
)
THROUGH = ["LayerConductance", "LayerGradientXActivation", "InternalInfluence"]
BLIND = ["LayerIntegratedGradients", "LayerGradientShap", "LayerFeatureAblation", "LayerLRP"]


def knot(**options: Any) -> Setting:
    torch.manual_seed(3)
    options = {"tolerance": 1e-13, "max_steps": 2000, **options}
    model, artifact = e2t.compile_graph(
        KNOT, backend="recurrent", steps="converge", outputs=["y", "z"], quiet=True, **options
    )
    model = e2t.customize_model(model, node_activation="tanh").double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("leak"):
                parameter.copy_(torch.randn(parameter.shape) * 0.6)
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 2)), columns=["a", "b"])
    return Setting(model, artifact, data, "y")


def by_hand(setting: Setting, name: str, n_steps: int) -> pd.DataFrame:
    """Solve for the state at each point of the path, and (I - J') l = g, with dense matrices."""
    names = setting.artifact.node_names_by_site["steady"]
    edges = e2t.edge_weights(setting.model, setting.artifact)
    w = pd.DataFrame(0.0, names, names)
    for source, target, weight in edges[["source", "target", "weight"]].itertuples(index=False):
        w.loc[target, source] = weight
    bias = e2t.node_biases(setting.model, setting.artifact).reindex(names).fillna(0.0).to_numpy()
    is_input = np.isin(names, ["a", "b"])
    bends = ~np.isin(names, ["a", "b", *setting.artifact.output_names])  # hidden: tanh
    g = (np.array(names) == setting.output).astype(float)

    def at(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h = np.zeros(len(names))
        for _ in range(400):
            z = w.to_numpy() @ h + bias
            h = np.where(is_input, 0.0, np.where(bends, np.tanh(z), z))
            h[is_input] = x
        slope = np.where(is_input, 0.0, np.where(bends, 1 - h**2, 1.0))
        return h, np.linalg.solve(np.eye(len(h)) - (slope[:, None] * w.to_numpy()).T, g)

    rows = []
    for x in setting.data[["a", "b"]].to_numpy():
        if name == "LayerGradientXActivation":
            h, reach = at(x)
            rows.append(h * reach)
            continue
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        states, reaches = map(np.array, zip(*(at(x * (1 + t) / 2) for t in nodes), strict=True))
        if name == "LayerConductance":
            rows.append((np.diff(states, axis=0) * reaches[:-1]).sum(0))
        else:
            rows.append(weights / 2 @ reaches)
    return pd.DataFrame(rows, setting.data.index, names)


@pytest.mark.parametrize("name", THROUGH)
@pytest.mark.parametrize(
    "options", [{}, {"leak": 0.4}, {"leak": "node"}, {"gradient": "unroll"}], ids=str
)
def test_every_node_has_what_passes_it(options: dict[str, Any], name: str) -> None:
    setting = knot(**options)
    steps = {} if name == "LayerGradientXActivation" else {"n_steps": 6}
    found = setting.ask("nodes", name, attribute_kwargs=steps)["steady"]
    expected = by_hand(setting, name, 7 if name == "LayerConductance" else 6)[found.columns]
    assert expected[["p", "q", "r", "y"]].abs().min(axis=None) > 1e-6
    assert not expected["z"].any()  # it leads nowhere near y
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).to_numpy().max())


def test_gates_only_let_in_what_the_update_brings() -> None:
    setting = knot(cell="gated")
    found = setting.ask("nodes", "InternalInfluence", attribute_kwargs={"n_steps": 1})["steady"]
    base = setting.model.base_model
    step = base.step_blocks[0]

    def bring(state: torch.Tensor) -> torch.Tensor:  # what the gates do not hold back
        drive, _ = base.cell(0)(state[None])
        return step(state[None], drive)[0]

    names = setting.artifact.node_names_by_site["steady"]
    for row, x in zip(found.to_numpy(), setting.x / 2, strict=True):
        state = torch.cat([x, torch.zeros(len(names) - 2).double()])
        for _ in range(400):
            state = bring(state)
        jacobian = torch.func.jacrev(bring)(state)[2:, 2:]  # type: ignore[no-untyped-call]
        g = torch.tensor([float(name == setting.output) for name in names[2:]]).double()
        reach = torch.linalg.solve((torch.eye(len(g)) - jacobian).T.double(), g)
        np.testing.assert_allclose(row, reach.detach(), atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"leak": 0.3}, {"cell": "gated"}], ids=str)
def test_a_push_to_what_an_update_brings_is_the_gradient(options: dict[str, Any]) -> None:
    setting = knot(**options)
    pushed = setting.ask("nodes", "NodeDifference", attribute_kwargs={"epsilon": 1e-4})["steady"]
    values = setting.ask("nodes", "LayerActivation")["steady"]
    expected = setting.ask("nodes", "LayerGradientXActivation")["steady"]
    np.testing.assert_allclose(pushed * values, expected, atol=1e-6 * expected.abs().max(axis=None))


@pytest.mark.parametrize("options", [{}, {"leak": 0.3}], ids=str)
def test_edges_of_a_node_sum_to_the_node(options: dict[str, Any]) -> None:
    setting = knot(**options)
    many = {"attribute_kwargs": {"n_steps": 400}}
    nodes = setting.ask("nodes", **many)["steady"].mean()[["p", "q", "r"]]
    edges = setting.ask("edges", **many)
    for end, close in {"source": 1e-7, "target": 1e-2}.items():  # exactly; in the limit of steps
        sums = edges.groupby(end)["attribution"].sum()[nodes.index]
        np.testing.assert_allclose(sums, nodes, atol=close * nodes.abs().max())


@pytest.mark.parametrize("name", THROUGH)
def test_a_graph_without_cycles_has_the_scores_of_its_layers(name: str) -> None:
    torch.manual_seed(0)
    options = {"backend": "recurrent", "steps": "converge", "tolerance": 1e-12}
    steady = double(customize(build(SKIPS, "deep", **options), node_activation="tanh"))
    layered = by_layers(steady)
    found = steady.ask("nodes", name)["steady"]
    for table in layered.ask("nodes", name).values():
        own = table[[node for node in table if node not in steady.artifact.feature_names]]
        np.testing.assert_allclose(found[own.columns], own, atol=1e-6)
    assert found[["p", "q", "r"]].abs().to_numpy().min() > 0


def test_what_the_outputs_read_is_a_complete_cut() -> None:
    setting = knot()
    scores, deltas = setting.ask(
        "nodes", nodes="all", return_convergence_delta=True, attribute_kwargs={"n_steps": 500}
    )
    assert list(deltas) == ["layer_0", "steady"]
    assert deltas.abs().max(axis=None) < 5e-3
    difference = setting.explained() - setting.explained(torch.zeros(1, 2).double())
    np.testing.assert_allclose(scores["layer_0"].sum(axis=1), difference, atol=5e-3)


@pytest.mark.parametrize("name", BLIND)
def test_methods_that_see_only_what_is_read_say_so(name: str) -> None:
    setting = knot()
    with pytest.warns(e2t.Edge2TorchWarning, match=f"{name} scores what is read .*'p', 'q', 'r'"):
        table = setting.ask("nodes", name)["steady"]
    assert not table[["p", "q", "r"]].any(axis=None)


def test_others_have_nothing_to_say(recwarn: pytest.WarningsRecorder) -> None:
    setting = knot()
    for name, method in METHODS.items():
        if method.target == "nodes" and method.engine in {"path", "hold"}:
            setting.ask("nodes", name)
    assert not recwarn.list
