"""Scores by changing a node's value, against a computation of one node at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from tests.interpret.settings import SETTINGS, SKIPS, Setting, build, by_layers, customize, double
from tests.interpret.test_path import CASES, count_runs, customized
from tests.interpret.test_reference import oracle

HIDDEN = ["p", "q", "r"]


def smooth(**options: Any) -> Setting:
    return double(customize(build(SKIPS, "deep", **options), node_activation="tanh"))


@pytest.mark.parametrize("value", [0.0, -1.5, "mean"])
def test_a_node_held_at_a_value(value: float | str) -> None:
    setting = smooth()
    found = setting.ask(
        "nodes", "NodeKnockout", level="summary", nodes="all", attribute_kwargs={"value": value}
    )
    whole = oracle(setting)
    for node in [*HIDDEN, "a", "b", "c"]:
        held = np.full(4, whole[node].mean() if value == "mean" else value)
        expected = whole["deep"] - oracle(setting, {node: held})["deep"]
        np.testing.assert_allclose(found[node], expected, atol=1e-12, err_msg=node)
    assert (found[["early", "late"]] == 0).all(axis=None)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_node_held_at_a_number_of_its_own(case: tuple[str, dict[str, Any]]) -> None:
    setting = double(customized(*case))
    at_rest = e2t.activations(setting.model, setting.artifact, setting.data[:1]).iloc[0]

    def held_at(value: Any) -> pd.DataFrame:
        return setting.ask(
            "nodes", "NodeKnockout", level="summary", attribute_kwargs={"value": value}
        )

    found = held_at(at_rest)
    pd.testing.assert_frame_equal(found, held_at(at_rest[::-1].to_dict()))
    for node in found:
        alone = held_at(at_rest[node])[node]
        np.testing.assert_allclose(found[node], alone, atol=1e-12, err_msg=node)


def test_held_at_zero_is_ablation() -> None:
    for case in CASES:
        if case[1].get("steps") == "converge":  # which holds a node on the way as well
            continue
        setting = double(customized(*case))
        for site, table in setting.ask("nodes", "NodeKnockout").items():
            expected = setting.ask("nodes", "LayerFeatureAblation")[site]
            np.testing.assert_allclose(table, expected, atol=1e-12)


def test_a_node_with_steps_is_held_at_all_of_them() -> None:
    stepwise, steady = (
        smooth(backend="recurrent", steps=6),
        smooth(backend="recurrent", steps="converge", tolerance=1e-10),
    )
    stepwise.model.load_state_dict(
        {
            **steady.model.state_dict(),
            "base_model.fingerprint": stepwise.model.base_model.fingerprint,
        }
    )
    for value in (0.0, 0.7, "mean"):
        options = {"nodes": HIDDEN, "level": "summary", "attribute_kwargs": {"value": value}}
        found = stepwise.ask("nodes", "NodeKnockout", **options)
        if value != "mean":  # the mean of each step is that step's own
            layered = by_layers(stepwise)
            np.testing.assert_allclose(
                found, layered.ask("nodes", "NodeKnockout", **options)[found.columns], atol=1e-9
            )
        np.testing.assert_allclose(
            found,
            steady.ask("nodes", "NodeKnockout", **options),
            atol=0.05 if value == "mean" else 1e-7,
        )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_small_difference_is_the_gradient(case: tuple[str, dict[str, Any]]) -> None:
    close = {"tolerance": 1e-12} if case[1].get("steps") == "converge" else {}
    setting = double(customized(case[0], {**case[1], **close}))
    found = setting.ask("nodes", "NodeDifference", attribute_kwargs={"epsilon": 1e-4})
    slopes = setting.ask("nodes", "LayerGradientXActivation")
    values = setting.ask("nodes", "LayerActivation")
    if case[0] == "gnn":  # with channels, all of a node's are pushed: gradients add up
        influence = setting.ask(
            "nodes", "LayerGradientXActivation", constructor_kwargs={"multiply_by_inputs": False}
        )
        slopes, values = influence, dict.fromkeys(influence, 1.0)
    for site, table in found.items():
        np.testing.assert_allclose(table * values[site], slopes[site], atol=1e-6)


def test_many_nodes_in_one_run() -> None:
    setting = SETTINGS["skips"]()
    runs = count_runs(setting)
    setting.ask("nodes", "NodeKnockout")
    assert runs.count <= 4  # a look, the samples as they are, and all nodes at once
    setting.ask("nodes", "NodeKnockout", attribute_kwargs={"internal_batch_size": 6})
    assert runs.count > 8


def test_values_that_cannot_be() -> None:
    setting = SETTINGS["skips"]()
    for name, options, words in (
        ("NodeKnockout", {"value": "median"}, "with a number for every node, found 'median'"),
        ("NodeKnockout", {"value": {"p": 1.0, "q": None}}, "has no number for .*'q'"),
        ("NodeKnockout", {"values": 0}, "Nearest to 'values': 'value'"),
        ("NodeDifference", {"epsilon": 0}, "a number > 0, found 0"),
    ):
        with pytest.raises(e2t.Edge2TorchError, match=words):
            setting.ask("nodes", name, attribute_kwargs=options)
