"""What the folds of a run over pairs say: scores within each drug, and what the network is ahead of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch._core.messages import plural
from edge2torch.train import Pairs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

JOINED = "KPNN + branch"


@dataclass(frozen=True)
class PairResults:
    """What a run over pairs found.

    Parameters
    ----------
    scores : DataFrame
        A row per fold and model: medians over drugs first.
    by_drug : DataFrame
        Pearson's r within each drug, a column per model, mean over folds.
    predictions : DataFrame
        Held-out pairs.
    verdicts : tuple of str
        In sentences.
    """

    scores: pd.DataFrame
    by_drug: pd.DataFrame
    predictions: pd.DataFrame
    verdicts: tuple[str, ...]


def judge_pairs(both: Pairs, folds: Sequence[tuple[Ints, Mapping[str, Floats]]]) -> PairResults:
    """Put the folds together, each its held-out rows and what every model says of them.

    Says what the network is ahead of, drug by drug.
    """
    scores, own, predictions = [], [], []
    first, second = both.entities
    for fold, (held_out, predicted) in enumerate(folds):
        for name, values in predicted.items():
            scores.append({"model": name, "fold": fold, **both.scores(values, held_out)})
        own.append(pd.DataFrame({n: both.within(v, held_out) for n, v in predicted.items()}))
        predictions.append(
            pd.DataFrame(
                {
                    first: both.cells.index[both.index[held_out, 0]],
                    second: both.drugs.index[both.index[held_out, 1]],
                    "value": both.y[held_out],
                    **predicted,
                    "fold": fold,
                }
            )
        )
    by_drug = pd.concat(own).groupby(level=0, sort=False).mean().rename_axis(second)
    verdicts = [_verdict(by_drug, name, second) for name in by_drug.columns if name != JOINED]
    return PairResults(
        pd.DataFrame(scores).set_index("model"), by_drug, pd.concat(predictions), tuple(verdicts)
    )


def _verdict(by_drug: pd.DataFrame, other: str, drug: str) -> str:
    """Compare with a baseline over drugs; an interval that holds 0 shows neither ahead."""
    lead = (by_drug[JOINED] - by_drug[other]).to_numpy()
    n = len(lead)
    if n < 2:
        return f"With {plural(drug, n)} of three pairs or more nothing can be said of the {other}."
    half = stats.t.ppf(0.95, n - 1) * lead.std(ddof=1) / np.sqrt(n)
    low, high = lead.mean() - half, lead.mean() + half
    said = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
    return (
        f"Within {plural(drug, n)} the network is {said} the {other}: r {lead.mean():+.3f} "
        f"(90 % interval {low:+.3f} to {high:+.3f})."
    )


def learned(verdicts: Sequence[str]) -> bool:
    """Tell whether the first verdict, on the mean of each drug, has the network ahead."""
    return side(verdicts[0]) == "good"


def side(verdict: str) -> str:
    """Return "good" where the network is ahead, "bad" where it is not shown to be, else nothing."""
    if " not shown to be better than " in verdict or " worse than " in verdict:
        return "bad"
    return "good" if " better than " in verdict else ""
