"""How networks are trained: steps as large as the graph takes, and so many updates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import perturb
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.perturb import _train
from edge2torch.perturb._train import Recipe, train

EDGES = pd.DataFrame(
    [
        ("A", "a", 1),
        ("B", "b", 1),
        ("a", "c", 1),
        ("b", "c", 1),
        ("c", "a", -1),
        ("c", "y", 1),
        ("b", "d", 1),
        ("d", "z", 1),
        ("a", "z", -1),
    ],
    columns=["source", "target", "sign"],
)
DOSES = pd.DataFrame(
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1), (1, 0, 1)],
    columns=["A", "B", "drug"],
    index=list("stuvwxy"),
    dtype=float,
)


def design_of(times: tuple[float, ...] = ()) -> perturb.Design:
    read = pd.DataFrame(
        {"y": (DOSES["A"] + DOSES["B"]) * (2 - DOSES["drug"]), "z": DOSES["B"] - DOSES["A"]}
    )
    if times:
        read = pd.concat([read.assign(time=time) for time in times])
    return perturb.read_design(DOSES, read, kinds={"drug": "inhibitor"}, targets={"drug": "c"})


def test_a_node_moves_as_far_in_any_graph() -> None:
    more = [(f"m{k}", "c", 1) for k in range(20)] + [("B", f"m{k}", 1) for k in range(20)]
    dense = pd.concat([EDGES, pd.DataFrame(more, columns=EDGES.columns)], ignore_index=True)
    for edges, n_nodes in ((EDGES, 6), (dense, 26)):
        model, _ = perturb.compile(edges, design_of())
        assert _train._rate(model) == pytest.approx(0.05 * n_nodes / len(edges))
    rows = np.arange(len(DOSES))
    usual, same, other = (
        train(EDGES, design_of(), rows, Recipe(epochs=4, learning_rate=rate), 0).predict(
            design_of()
        )
        for rate in (None, 0.05 * 6 / 9, 0.01)
    )
    np.testing.assert_array_equal(usual, same)
    assert (usual != other).any()


def test_a_number_of_updates_is_trained_too() -> None:
    design = design_of()
    rows = np.arange(len(DOSES))
    found = train(EDGES, design, rows, Recipe(epochs=150, options={"steps": 6}), 0)
    assert found.model.base.solver is None
    assert len(found.model.base.step_blocks) == 6
    y = design.readouts.to_numpy(float)
    assert (((found.predict(design) - y) ** 2).mean(axis=0) < 0.05 * y.var(axis=0)).all()
    assert found.model.rest.abs().sum() > 0  # what the drug's target is where nothing is given


def test_updates_too_few_to_reach_a_readout_are_warned_of() -> None:
    design = design_of()
    folds = perturb.folds(design, k=3)
    with pytest.warns(Edge2TorchWarning, match="Within steps=1, no input reaches"):
        perturb.fit(EDGES, design, folds, steps=1, epochs=3, controls=False)
    with pytest.raises(Edge2TorchError, match="folds must be what folds"):
        perturb.fit(EDGES, design, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [(), (5.0, 30.0)])
def test_weights_are_drawn_to_shared_ones_whatever_the_steps(times: tuple[float, ...]) -> None:
    design = design_of(times)
    rows, apart = np.arange(len(design.samples)), []
    for decay in (0.0, 10.0):
        recipe = Recipe("shrunk", epochs=8, weight_decay=decay, options={"steps": 4})
        both = []
        for weights in ("shared", "shrunk"):
            torch.manual_seed(0)
            one = train(EDGES, design, rows, Recipe(**{**vars(recipe), "weights": weights}), 0)
            both.append(one.model.base.edge_values()[0].detach())
        apart.append((both[0] - both[1]).abs().max().item())
    assert apart[1] < 0.4 * apart[0]
