"""Intervals of scores and of their differences, by drawing the held-out samples, or groups, again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch.study._outcomes._metric import Metric
from edge2torch.study._outcomes._outcome import Task

LEVEL = 0.9
_DRAWS = 499
_AT_ONCE = 2_000_000  # entries of draws × samples that are held at a time

Key = tuple[str, int]  # a model, and its number of features
_Draws = dict[tuple[Key, str], list[NDArray[np.float64]]]  # of each model and metric, part by part


@dataclass(frozen=True)
class Between:
    """A value, and the range that holds it with 90 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HeldOut:
    """What one seed's models predict of its held-out samples."""

    fitted: NDArray[np.int64]
    rows: NDArray[np.int64]
    predicted: Mapping[Key, NDArray[np.float64]]


def intervals(
    task: Task,
    parts: Sequence[HeldOut],
    pairs: Sequence[tuple[Key, Key]],
    groups: NDArray[np.str_] | None,
) -> pd.DataFrame:
    """Return a row per model and metric, and one for each pair of models that are compared.

    A sample's predictions by all models and in all seeds are drawn together, with those of its
    group, so that a difference between two models is one on the same samples. Where seeds differ by
    more than their samples make them (starts and shuffles) the interval is as much wider.

    Returns
    -------
    DataFrame
        ``model``, ``features``, ``against``, ``against_features``, ``metric``, ``value``, ``low``,
        ``high``; of a pair ``value`` is how much better the first is.
    """
    found: _Draws = {}
    for part, counts in _draws(parts, groups):
        for key, predicted in part.predicted.items():
            scores = task.outcome.resampled(task, part.fitted, part.rows, predicted, counts)
            for name, values in scores.items():
                found.setdefault((key, name), []).append(values)
    n_units = _n_units(parts, groups)
    own = [
        {
            key: task.outcome.scores(task, part.fitted, part.rows, p)
            for key, p in part.predicted.items()
        }
        for part in parts
    ]
    rows = []
    for metric in task.outcome.metrics:
        for key in parts[0].predicted:
            value = np.array([scores[key][metric.name] for scores in own])
            rows.append(
                _row(key, None, metric, value, _by_part(found[key, metric.name], parts), n_units)
            )
        for first, second in pairs:
            value = np.array(
                [
                    metric.lead(scores[first][metric.name], scores[second][metric.name])
                    for scores in own
                ]
            )
            drawn = metric.lead(
                _by_part(found[first, metric.name], parts),
                _by_part(found[second, metric.name], parts),
            )
            rows.append(_row(first, second, metric, value, drawn, n_units))
    return pd.DataFrame(rows)


def _units(parts: Sequence[HeldOut], groups: NDArray[np.str_] | None) -> list[NDArray[np.int64]]:
    """Number of the sample, or group, that each held-out row of each part belongs to."""
    rows = np.concatenate([part.rows for part in parts])
    numbers = np.unique(rows if groups is None else groups[rows], return_inverse=True)[1]
    return np.split(numbers, np.cumsum([len(part.rows) for part in parts])[:-1])


def _n_units(parts: Sequence[HeldOut], groups: NDArray[np.str_] | None) -> int:
    return int(max(numbers.max() for numbers in _units(parts, groups))) + 1


def _draws(
    parts: Sequence[HeldOut], groups: NDArray[np.str_] | None
) -> Iterator[tuple[HeldOut, NDArray[np.int64]]]:
    """Each part with how often each of its rows is drawn (draws, rows), a few draws at a time."""
    units, n = _units(parts, groups), _n_units(parts, groups)
    rng = np.random.default_rng(0)
    size = max(_AT_ONCE // max(n, *(len(part.rows) for part in parts)), 1)
    for start in range(0, _DRAWS, size):
        drawn = np.stack(
            [
                np.bincount(rng.integers(n, size=n), minlength=n)
                for _ in range(min(size, _DRAWS - start))
            ]
        )
        for part, numbers in zip(parts, units, strict=True):
            yield part, drawn[:, numbers]


def _by_part(values: list[NDArray[np.float64]], parts: Sequence[HeldOut]) -> NDArray[np.float64]:
    """Bring what came chunk by chunk, of all parts in turn, into parts × draws."""
    k = len(parts)
    return np.stack([np.concatenate(values[start::k]) for start in range(k)])


def _row(
    key: Key, against: Key | None, metric: Metric, value: NDArray[np.float64],
    drawn: NDArray[np.float64], n_units: int,
) -> dict[str, object]:  # fmt: skip
    low, high = _interval(value, drawn, n_units)
    low, high = metric.cut(low, high, of_lead=against is not None)
    return {
        "model": key[0],
        "features": key[1],
        "against": "" if against is None else against[0],
        "against_features": 0 if against is None else against[1],
        "metric": metric.name,
        "value": float(value.mean()),
        "low": low,
        "high": high,
    }


def _interval(
    value: NDArray[np.float64], drawn: NDArray[np.float64], n_units: int
) -> tuple[float, float]:
    """Interval of a mean over k parts: ``value`` (k,), and the same of the draws (k, draws).

    The variance is that over samples, plus that over parts, less what is counted in both (two-way
    clusters, Cameron, Gelbach & Miller 2011, doi:10.1198/jbes.2010.07136), never below the first.
    """
    known = drawn[:, np.isfinite(drawn).all(axis=0)]
    if n_units < 2 or not known.shape[1] or not np.isfinite(value).all():
        return float("nan"), float("nan")
    mean, k = known.mean(axis=0), len(value)
    off = mean - mean.mean()
    samples = float(mean.var())
    between = float(value.var(ddof=1)) / k if k > 1 else 0.0
    variance = max(samples, samples + between - float(known.var(axis=1).sum()) / k**2)
    tail = (1 + LEVEL) / 2
    # few donors vary more than they show: Student's t, and the variance of n drawn from n
    few = float(stats.t.ppf(tail, n_units - 1) / stats.norm.ppf(tail))
    few *= (n_units / (n_units - 1)) ** 0.5
    if samples == 0:
        wide = few * variance**0.5 * float(stats.norm.ppf(tail))
        return float(value.mean()) - wide, float(value.mean()) + wide
    low, high = np.quantile(off, [1 - tail, tail]) * few * (variance / samples) ** 0.5
    return float(value.mean() + low), float(value.mean() + high)
