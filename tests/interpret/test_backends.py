"""Every method where it is defined on the other backends: steps, steady states and channels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.interpret import METHODS
from tests.interpret.settings import SKIPS, Setting, build, by_layers, customize, double

BACKENDS = {
    "recurrent": {"backend": "recurrent", "steps": 4},
    "steady": {"backend": "recurrent", "steps": "converge"},
    "gnn": {"backend": "gnn", "steps": 3},
}


def setting_of(kind: str, activation: str | None = "tanh") -> Setting:
    setting = build(SKIPS, "deep", **BACKENDS[kind])
    return double(customize(setting, node_activation=activation) if activation else setting)


@pytest.mark.filterwarnings("ignore:.* scores what is read from the steady state")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", BACKENDS)
def test_every_method_runs_or_says_why_not(kind: str, name: str) -> None:
    setting, method = setting_of(kind), METHODS[name]
    if kind == "steady" and "DeepLift" in name:
        with pytest.raises(e2t.Edge2TorchError, match="every use of an activation"):
            setting.ask(method.target, name)
        return
    if kind == "gnn" and "LRP" in name:
        with pytest.raises(e2t.Edge2TorchError, match="no rule for 'NodeLayerNorm'"):
            setting.ask(method.target, name)
        return
    level = {"level": "samples"} if method.target == "edges" else {}
    result = setting.ask(method.target, name, **level)
    if method.target == "edges":
        result = {"edges": result}
    elif method.target == "features":
        result = {"layer_0": result}
    else:
        fed = set(setting.artifact.feature_names)
        expected = {
            site: [node for node in nodes if node not in fed]
            for site, nodes in setting.artifact.node_names_by_site.items()
        }
        assert {site: table.columns.tolist() for site, table in result.items()} == expected
    for table in result.values():
        pd.testing.assert_index_equal(table.index, setting.data.index)
        assert np.isfinite(table.to_numpy()).all()
    assert any(table.abs().to_numpy().max() > 1e-6 for table in result.values())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("recurrent", name) for name in ("IntegratedGradients", "DeepLift", "LRP")),
        *(("steady", name) for name in ("IntegratedGradients", "LRP", "FeatureAblation")),
    ],
)
def test_enough_steps_on_a_graph_without_cycles_score_as_layers_do(kind: str, name: str) -> None:
    stepwise = setting_of(kind)
    layered = by_layers(stepwise)
    np.testing.assert_allclose(stepwise.explained(), layered.explained(), atol=1e-5)
    np.testing.assert_allclose(
        stepwise.ask("features", name), layered.ask("features", name), atol=1e-5
    )


def test_a_summary_of_steps() -> None:
    setting = setting_of("recurrent")
    steps = setting.ask("nodes")
    stack = np.stack([table.to_numpy() for table in steps.values()])
    for how, expected in {
        "max_abs": np.take_along_axis(stack, np.abs(stack).argmax(0)[None], 0)[0],
        "mean_abs": np.abs(stack).mean(0),
        "last": stack[-1],
    }.items():
        summary = setting.ask("nodes", level="summary", site_aggregation=how)
        np.testing.assert_allclose(summary, expected)
        assert summary.columns.tolist() == steps["step_1"].columns.tolist()
    hidden = setting.ask("nodes", level="summary", nodes="hidden")
    assert hidden.columns.tolist() == ["p", "q", "r"]
    whole = setting.ask("nodes", nodes="all")
    assert list(whole) == ["layer_0", "step_1", "step_2", "step_3", "step_4"]
    assert whole["step_2"].columns.tolist() == setting.artifact.node_names_by_site["step_2"]


def test_nodes_that_are_missing_at_some_sites() -> None:
    setting = setting_of("recurrent")
    sites = setting.ask("nodes", nodes="all")
    for how in ("max_abs", "mean_abs", "last"):
        summary = setting.ask("nodes", nodes="all", level="summary", site_aggregation=how)
        assert sorted(summary.columns) == sorted({n for t in sites.values() for n in t})
        assert not summary.isna().any(axis=None)


def test_a_node_is_scored_with_all_its_channels() -> None:
    setting = setting_of("gnn")
    base = setting.model.base_model
    site = base.sites()["layer_2"]
    seen: list[torch.Tensor] = []
    handle = site.register_forward_hook(lambda _m, _i, output: seen.append(output))
    whole = setting.explained()
    handle.remove()
    values = setting.ask("nodes", "LayerActivation")["layer_2"]
    np.testing.assert_allclose(values, seen[0].mean(2))
    ablated = setting.ask("nodes", "LayerFeatureAblation")["layer_2"]
    for k, node in enumerate(ablated):
        mask = torch.ones(1, seen[0].shape[1], 1).double()
        mask[:, k] = 0
        handle = site.register_forward_hook(lambda _m, _i, output, keep=mask: output * keep)
        np.testing.assert_allclose(ablated[node], whole - setting.explained(), atol=1e-9)
        handle.remove()
    products = setting.ask("nodes", "LayerGradientXActivation")["layer_2"]
    assert products.shape == ablated.shape


def test_gates_have_no_relevance_rule() -> None:
    setting = build(SKIPS, "deep", backend="recurrent", steps=3, cell="gated")
    with pytest.raises(e2t.Edge2TorchError, match="model has gates"):
        setting.ask("features", "LRP")
    setting.ask("nodes")
