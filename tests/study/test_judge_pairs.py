"""What is said of a run over pairs: intervals know that drugs share cells."""

import numpy as np
import pandas as pd
import pytest

from edge2torch.study import _judge_pairs
from edge2torch.study._judge_pairs import JOINED, judge_pairs, side
from edge2torch.train import pairs


def drawn(seed, cells=30, drugs=12, shared=1.0, given=1.0):
    """Responses in which drugs agree about cells to ``shared``, of those pairs that are measured."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(cells, 2)), [f"c{k}" for k in range(cells)], [*"ab"])
    z = pd.DataFrame(rng.normal(size=(drugs, 2)), [f"d{k}" for k in range(drugs)], [*"uv"])
    of_cell = shared * rng.normal(size=cells)
    table = pd.DataFrame(
        [
            (cell, drug, of_cell[k] + rng.normal())
            for k, cell in enumerate(x.index)
            for drug in z.index
            if rng.random() < given
        ],
        columns=["cell", "drug", "auc"],
    )
    return pairs(table, x, z, label="auc", entities=("cell", "drug")), rng


def test_leaving_cells_out_gives_what_scoring_the_others_gives():
    both, rng = drawn(0, drugs=7, given=0.6)
    folds = [
        (
            rows,
            {
                JOINED: both.y[rows] + rng.normal(size=len(rows)),
                "noise": rng.normal(size=len(rows)),
                "constant": np.full(len(rows), 0.1),
            },
        )
        for _, rows in both.folds("cell", 5, seed=0)
    ]
    found = _judge_pairs._without_cells(both, folds)
    for name, values in found.items():
        assert values.shape == (7, 20)
        for group in range(20):
            parts = []
            for rows, predicted in folds:
                kept = both.index[rows, 0] % 20 != group
                parts.append(both.within(predicted[name][kept], rows[kept]))
            wanted = pd.concat(parts).groupby(level=0).mean().reindex(both.drugs.index)
            np.testing.assert_allclose(values[:, group], wanted, atol=1e-12)


def said(seed, of_cells):
    """One fold of 16 cells, predicted by something that all drugs share, and by a constant."""
    both, rng = drawn(seed, cells=16, drugs=40)
    rows = np.arange(len(both.y))
    predicted = of_cells(both, rng)[both.index[:, 0]] + 0.3 * rng.normal(size=len(rows))
    folds = [(rows, {JOINED: predicted, "drug mean": np.zeros(len(rows))})]
    return judge_pairs(both, folds).verdicts[0]


def test_drugs_that_share_cells_are_no_trials_of_their_own():
    leads = [
        side(said(seed, lambda both, rng: rng.normal(size=16))) == "good" for seed in range(60)
    ]
    # over drugs alone it was said in 24 of these 60
    assert sum(leads) <= 6


def test_a_lead_that_is_there_is_said():
    def response(both, rng):
        return np.bincount(both.index[:, 0], both.y) / 40 + 0.5 * rng.normal(size=16)

    assert all(side(said(seed, response)) == "good" for seed in range(20))


@pytest.mark.parametrize(
    ("cells", "drugs", "few"),
    [
        (4, 1, "With 1 drug that can be ranked nothing"),
        (3, 9, "With so few held-out cells nothing"),
    ],
    ids=["drug", "cells"],
)
def test_what_cannot_be_judged_is_told(cells, drugs, few):
    both, rng = drawn(0, cells=cells, drugs=drugs)
    rows = np.arange(len(both.y))
    folds = [(rows, {JOINED: rng.normal(size=len(rows)), "drug mean": np.zeros(len(rows))})]
    verdict = judge_pairs(both, folds).verdicts[0]
    assert few in verdict
    assert side(verdict) != "good"
