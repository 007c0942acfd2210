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
_GROUPS = 20  # of cells, left out in turn
_KNOWN = 0.5  # of drugs without a group of cells: the least from which it is told what cells do
_FEWEST = 3  # pairs of a drug, of unlike responses, that are ranked, as `Pairs.within` has it


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
    without = _without_cells(both, folds)
    drugs = both.drugs.index.get_indexer(by_drug.index)
    verdicts = [
        _verdict(
            (by_drug[JOINED] - by_drug[name]).to_numpy(),
            (without[JOINED] - without[name])[drugs],
            1.0 + bool(by_drug[name].any()),  # beside what ranks nothing a lead is no more than 1
            name,
            both.entities,
        )
        for name in by_drug.columns
        if name != JOINED
    ]
    return PairResults(
        pd.DataFrame(scores).set_index("model"), by_drug, pd.concat(predictions), tuple(verdicts)
    )


def _without_cells(
    both: Pairs, folds: Sequence[tuple[Ints, Mapping[str, Floats]]]
) -> dict[str, Floats]:
    """Return r within each drug without some of the held-out cells: models, each drugs × groups.

    Mean over folds, of all drugs; NaN where too few pairs are left. From sums over what is left, so
    that twenty times as many correlations cost hardly more than one pass.
    """
    cells = np.unique(np.concatenate([both.index[rows, 0] for rows, _ in folds]))
    shape = len(both.drugs), min(_GROUPS, len(cells))
    found: dict[str, list[Floats]] = {}
    for rows, predicted in folds:
        drug = both.index[rows, 1]
        code = drug * shape[1] + np.searchsorted(cells, both.index[rows, 0]) % shape[1]

        def left(values: Floats, code: Ints = code) -> Floats:
            sums = np.bincount(code, values, minlength=shape[0] * shape[1]).astype(np.float64)
            sums = sums.reshape(shape)
            return np.asarray(sums.sum(axis=1, keepdims=True) - sums)

        y = _centred(both.y[rows], drug)
        n = left(np.ones(len(rows)))
        for name, values in predicted.items():
            x = _centred(values, drug)
            with np.errstate(divide="ignore", invalid="ignore"):
                xy, xx, yy = (
                    left(a * b) - left(a) * left(b) / n for a, b in ((x, y), (x, x), (y, y))
                )
                # a prediction that is constant among those left ranks nothing, as among all
                r = np.where(xx > 1e-12 * left(x * x), xy / np.sqrt(xx * yy), 0.0)
                ranked = (n >= _FEWEST) & (yy > 1e-12 * left(y * y))
            found.setdefault(name, []).append(np.where(ranked, r, np.nan))
    return {name: _mean(np.stack(parts)) for name, parts in found.items()}


def _centred(values: Floats, drug: Ints) -> Floats:
    """Return values less their drug's mean, and 0 where it has one value alone."""
    by_drug = pd.Series(values).groupby(drug)
    varies = by_drug.transform("min") < by_drug.transform("max")
    centred: Floats = (values - by_drug.transform("mean")).where(varies, 0.0).to_numpy()
    return centred


def _mean(parts: Floats) -> Floats:
    """Return the mean over the first axis of what is no NaN; NaN where all are."""
    known = ~np.isnan(parts)
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(known, parts, 0.0).sum(axis=0) / known.sum(axis=0)
    return found


def _verdict(
    lead: Floats, without: Floats, most: float, other: str, entities: Sequence[str]
) -> str:
    """Compare with a baseline; an interval that holds 0 shows neither ahead.

    Drugs share cells, so that they are no trials of their own. The variance is that over drugs, plus
    that over cells by a jackknife, groups of them left out (Efron & Stein 1981,
    doi:10.1214/aos/1176345462). What single pairs add is counted in both: rather too wide.

    Parameters
    ----------
    lead : ndarray, shape (drugs,)
        Of the network, in r.
    without : ndarray, shape (drugs, groups)
        The same without a group of cells; NaN where that leaves too few pairs of a drug.
    most : float
        As large as a lead can be.
    other : str
        The baseline.
    entities : sequence of str
        Names of the two partners.
    """
    cell, drug = entities
    n, n_groups = without.shape
    shift = without - lead[:, None]
    known = ~np.isnan(shift)
    # where a cell cannot be spared, what its leaving out would change is not known
    if n < 2 or known.mean() < _KNOWN or not known.any(axis=0).all():
        few = f"{plural(drug, n)} that can be ranked" if n < 2 else f"so few held-out {cell}s"
        return f"With {few} nothing can be said of the {other}."
    parts = np.nanmean(shift, axis=0)
    variance = lead.var(ddof=1) / n + (n_groups - 1) * parts.var()
    half = stats.t.ppf(0.95, min(n, n_groups) - 1) * np.sqrt(variance)
    low, high = max(lead.mean() - half, -most), min(lead.mean() + half, most)
    said = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
    return (
        f"Within {plural(drug, n)} the network is {said} the {other}: r {lead.mean():+.3f} on average "
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
