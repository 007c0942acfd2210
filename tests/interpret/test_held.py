"""Attribution under a hold: as in a network in which what the hold stops is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch import Edge2TorchError
from tests.interpret.settings import Setting, build, customize, double

LOOP = pd.DataFrame(
    [
        pair.split()
        for pair in ["a p", "b p", "b q", "c q", "p q", "q r", "r p", "p r", "r deep", "p deep"]
    ],
    columns=["source", "target"],
)
BACKENDS = [
    {"backend": "recurrent", "steps": 5},
    {"backend": "recurrent", "steps": "converge", "tolerance": 1e-12, "max_steps": 400},
    {"backend": "gnn", "steps": 3, "channels": 2},
]
# one of each engine: Captum's, one pass for all layers, edges, held nodes
ASKED = [
    ("features", "IntegratedGradients"),
    ("nodes", "LayerConductance"),
    ("nodes", "NodeKnockout"),
    ("edges", "EdgeConductance"),
]


def pair(options: dict[str, Any]) -> tuple[Setting, Setting]:
    """A model, and another in which nothing leaves q."""
    whole, cut = (
        double(customize(build(LOOP, "deep", **options), node_activation="tanh")) for _ in "ab"
    )
    base = cut.model.base_model
    q = cut.artifact.hold(["q"], 1).nodes[0]
    with torch.no_grad():
        for setting in (whole, cut):
            for parameter in setting.model.parameters():
                parameter.mul_(0.7)
        if options["backend"] == "gnn":
            for layer in base.node_to_edge:
                from_q = layer.col // base.channels == q - base.in_features
                layer.weight[from_q] = 0.0
        else:
            edges = base.cell(0).edges
            edges.weight[edges.col == q] = 0.0
    return whole, cut


def by_name(summary: pd.DataFrame) -> pd.DataFrame:
    """Scores, in the order of what has them; ranks of scores that are alike are as they come."""
    names = [name for name in ("source", "target") if name in summary]
    table = summary.set_index(names) if names else summary
    return table.select_dtypes(float).sort_index()


@pytest.mark.parametrize("options", BACKENDS, ids=["steps", "converge", "gnn"])
def test_what_is_stopped_is_cut(options: dict[str, Any]) -> None:
    whole, cut = pair(options)
    hold = whole.artifact.hold(["q"], 1, acts="output")
    for target, method in ASKED:
        asked = {"method": method, "output": "deep", "quiet": True}
        held, free, plain = (
            by_name(e2t.attribute(one.model, one.data, target, hold=own, **asked).summary())
            for one, own in ((whole, hold), (cut, None), (whole, None))
        )
        pd.testing.assert_frame_equal(held, free, check_exact=False, atol=1e-9, rtol=1e-9)
        assert (held - plain).abs().max(axis=None) > 1e-4
    held = e2t.knock_out(whole.model, whole.data, nodes=["p", "r"], hold=hold, quiet=True)
    free = e2t.knock_out(cut.model, cut.data, nodes=["p", "r"], quiet=True)
    np.testing.assert_allclose(held, free, atol=1e-9)


def test_what_is_no_hold() -> None:
    whole, _ = pair(BACKENDS[0])
    hold = whole.artifact.hold(["q"], 2, torch.tensor([[0.5], [1.0]]))
    plain = build(LOOP[:4], backend="feedforward")
    for setting, given, method, words in (
        (whole, hold, None, "these rows differ"),
        (whole, ["q"], None, "must be a Hold"),
        (whole, hold.of(slice(1)), "LRP", "LRP hands relevance on"),
        (plain, hold.of(slice(1)), None, "forward of .* takes none"),
    ):
        with pytest.raises(Edge2TorchError, match=words):
            e2t.attribute(
                setting.model, setting.data, method=method, hold=given, output=0, quiet=True
            )
