"""Scores are what their definitions say, by ways that share no code with the package."""

from __future__ import annotations

from typing import Any

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.simulate import evaluate
from tests.interpret.settings import (
    PLAIN,
    SETTINGS,
    SKIPS,
    Setting,
    build,
    customize,
    double,
)


def skips(activation: str | None = "tanh", output: str = "deep", **options: Any) -> Setting:
    setting = build(SKIPS, output, **options)
    return double(customize(setting, node_activation=activation) if activation else setting)


def oracle(setting: Setting, replaced: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Every node's value, one node at a time; some held at a value."""
    fed = {name: column.to_numpy() for name, column in setting.data.items()}
    has_tanh = any(isinstance(m, nn.Tanh) for m in setting.model.modules())
    return evaluate(
        setting.artifact.graph.edges[["source", "target"]],
        {**fed, **(replaced or {})},
        e2t.edge_weights(setting.model, setting.artifact)["weight"].to_numpy(),
        e2t.node_biases(setting.model, setting.artifact).to_dict(),
        activation=np.tanh if has_tanh else None,
        outputs=setting.artifact.output_names,
    )


# ------------------------------------------------------------------------------ features

LINEAR = ["IntegratedGradients", "DeepLift", "DeepLiftShap", "GradientShap", "FeatureAblation"]
LINEAR += ["Occlusion", "ShapleyValueSampling", "ShapleyValues", "KernelShap"]


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_model_gives_weight_times_distance(name: str) -> None:
    setting = skips(activation=None)
    slope = torch.autograd.functional.jacobian(lambda x: setting.model(x).sum(0), setting.x)
    slope = slope[setting.artifact.output_names.index("deep")].numpy()
    baseline = pd.Series({"a": 0.5, "b": -1.0, "c": 2.0})
    scores = setting.ask("features", name, baselines=baseline)
    distance = setting.data[["a", "b", "c"]] - baseline
    np.testing.assert_allclose(scores, slope * distance, rtol=1e-4, atol=1e-5)


def test_a_linear_model_gives_its_gradient() -> None:
    setting = skips(activation=None)
    slope = setting.ask("features", "Deconvolution")
    pd.testing.assert_frame_equal(setting.ask("features", "GuidedBackprop"), slope)
    pd.testing.assert_frame_equal(setting.ask("features", "Saliency"), slope.abs())
    product = slope * setting.data[slope.columns]
    pd.testing.assert_frame_equal(setting.ask("features", "InputXGradient"), product)
    shuffled = setting.ask("features", "FeaturePermutation")
    np.testing.assert_allclose(shuffled.sum(), 0, atol=1e-9)  # what one gains another loses


@pytest.mark.parametrize("kind", ["skips", "early output", "customized", "one-dimensional"])
@pytest.mark.parametrize("name", ["IntegratedGradients", "DeepLift", "ShapleyValues"])
def test_scores_sum_to_the_difference_of_the_output(kind: str, name: str) -> None:
    setting = double(SETTINGS[kind]())
    baseline = {"a": 0.5, "b": -1.0, "c": 2.0}
    many = {"n_steps": 300} if name == "IntegratedGradients" else {}  # a path has kinks at ReLU
    scores = setting.ask("features", name, baselines=baseline, attribute_kwargs=many)
    difference = setting.explained() - setting.explained(torch.tensor([[0.5, -1.0, 2.0]]).double())
    np.testing.assert_allclose(scores.sum(axis=1), difference, atol=5e-3 if many else 1e-6)


def test_deltas_are_what_is_missing() -> None:
    setting = SETTINGS["skips"]()
    scores, delta = setting.ask(
        "features", return_convergence_delta=True, attribute_kwargs={"n_steps": 1}
    )
    gap = scores.sum(axis=1) - setting.explained() + setting.explained(torch.zeros(1, 3))
    np.testing.assert_allclose(delta, gap, atol=1e-6)
    assert delta.abs().max() > 1e-3


def test_a_set_of_references_counts_as_their_mean() -> None:
    setting = skips()
    references = pd.DataFrame(np.eye(3), columns=["b", "c", "a"])
    scores, delta = setting.ask(
        "features", "DeepLiftShap", baselines=references, return_convergence_delta=True
    )
    alone = [setting.ask("features", "DeepLift", baselines=row) for _, row in references.iterrows()]
    np.testing.assert_allclose(scores, np.mean(alone, axis=0), atol=1e-9)
    np.testing.assert_allclose(delta, 0, atol=1e-6)


def test_integrated_gradients_equal_captum_on_the_bare_model() -> None:
    setting = skips()
    column = setting.artifact.output_names.index("deep")
    engine = captum.attr.IntegratedGradients(setting.model.eval())
    expected = engine.attribute(setting.x.requires_grad_(), target=column).detach().numpy()
    np.testing.assert_array_equal(setting.ask("features"), expected)


# ------------------------------------------------------------------------------ nodes


def test_activations_equal_the_oracle() -> None:
    setting = skips()
    scores = setting.ask("nodes", "LayerActivation", nodes="all", level="summary", output=None)
    expected = pd.DataFrame(oracle(setting), index=setting.data.index)[scores.columns]
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("baseline", [None, {"a": 0.5, "b": -1.0, "c": 2.0}])
def test_ablation_equals_the_oracle_with_a_node_held(baseline: dict[str, float] | None) -> None:
    setting = skips()
    scores = setting.ask(
        "nodes", "LayerFeatureAblation", baselines=baseline, nodes="all", level="summary"
    )
    whole = oracle(setting)["deep"]
    held = oracle(setting, {name: np.full(4, value) for name, value in (baseline or {}).items()})
    for node in scores.columns.difference(["early", "late"]):
        value = held[node] if baseline else np.zeros(4)
        without = value if node == "deep" else oracle(setting, {node: value})["deep"]
        np.testing.assert_allclose(scores[node], whole - without, atol=1e-9, err_msg=node)
    assert (scores[["early", "late"]] == 0).all(axis=None)


def test_conductance_is_its_definition() -> None:
    """Integral over the path of d output / d node * d node / d position on the path."""
    setting = skips()
    scores = setting.ask("nodes", attribute_kwargs={"n_steps": 400}, nodes="all", level="summary")
    column = setting.artifact.output_names.index("deep")
    position = ((torch.arange(500) + 0.5) / 500).double().reshape(-1, 1, 1)
    here, ahead, behind = (
        setting.ask_at(((position + shift) * setting.x).reshape(-1, 3), column)
        for shift in (0.0, 1e-5, -1e-5)
    )
    for node in scores:
        speed = (ahead[node][0] - behind[node][0]) / 2e-5
        expected = (here[node][1] * speed).reshape(500, -1).mean(axis=0)
        np.testing.assert_allclose(scores[node], expected, atol=1e-3, err_msg=node)


@pytest.mark.parametrize("name", ["LayerConductance", "LayerIntegratedGradients", "LayerDeepLift"])
def test_a_layer_that_all_paths_cross_sums_to_the_difference(name: str) -> None:
    difference_of = lambda s: s.explained() - s.explained(torch.zeros(1, 3).double())  # noqa: E731
    plain = double(customize(build(PLAIN), node_activation="tanh"))
    options = {"return_convergence_delta": True, "nodes": "all"}
    if name == "LayerConductance":
        options["attribute_kwargs"] = {"n_steps": 300}
    scores, deltas = plain.ask("nodes", name, **options)
    for layer, table in scores.items():
        np.testing.assert_allclose(table.sum(axis=1), difference_of(plain), atol=3e-3)
        np.testing.assert_allclose(deltas[layer], 0, atol=3e-3)
    with_skips = skips()
    scores, deltas = with_skips.ask("nodes", name, **options)
    for layer in ("layer_0", "layer_3"):  # skip edges pass the others by
        total = scores[layer].sum(axis=1)
        np.testing.assert_allclose(total, difference_of(with_skips), atol=3e-3)
    assert deltas["layer_2"].abs().max() > 0.01


def test_gradient_times_activation() -> None:
    setting = skips()
    scores = setting.ask("nodes", "LayerGradientXActivation", level="summary", nodes="all")
    here = setting.ask_at(setting.x, setting.artifact.output_names.index("deep"))
    for node in scores:
        value, gradient = here[node]
        np.testing.assert_allclose(scores[node], value * gradient, atol=1e-12)
