"""How far predictions of held-out samples are right beyond the mean of their background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.statistics import varying
from edge2torch.perturb._problem import Floats

_DRAWS = 1000
BACKGROUND = "background mean"


@dataclass(frozen=True, eq=False)
class Held:
    """Held-out samples, all folds one after the other.

    Parameters
    ----------
    fold, sample : ndarray of int, shape (m,)
        Which fold held out which row of ``design.samples``.
    unit : ndarray of int, shape (m,)
        What is drawn together in a bootstrap: conditions, or groups of a left-out treatment.
    condition : ndarray of int, shape (m,)
        Number of the condition.
    truth, base : ndarray, shape (m, o)
        Readouts, and the means of their backgrounds.
    """

    fold: NDArray[np.int64]
    sample: NDArray[np.int64]
    unit: NDArray[np.int64]
    condition: NDArray[np.int64]
    truth: Floats
    base: Floats


def scored(held: Held, predictions: dict[str, Floats], seed: int) -> pd.DataFrame:
    """Return a row of scores per rule or model."""
    draws = _weights(held.unit, seed)
    base = _by_unit(held, held.base)
    rows = {}
    for name, found in predictions.items():
        if np.isnan(found[~np.isnan(held.truth)]).all():
            continue
        sums = _by_unit(held, found)
        # nothing beyond the background's mean has been said where that is all that is predicted
        says_more = name != BACKGROUND and not np.allclose(found, held.base, equal_nan=True)
        total = sums.sum(axis=0)
        beyond, drawn = _r(total, 0), _r(draws @ sums, 0)
        skill = 1 - _ratio(total[_SE], base.sum(axis=0))
        skills = 1 - _ratio((draws @ sums)[:, _SE], draws @ base)
        rows[name] = {
            "beyond_r": float(beyond) if says_more else np.nan,
            "beyond_lower": _quantile(drawn, 0.05) if says_more else np.nan,
            "beyond_upper": _quantile(drawn, 0.95) if says_more else np.nan,
            "skill": float(skill),
            "skill_lower": _quantile(skills, 0.05),
            "skill_upper": _quantile(skills, 0.95),
            "mse": float(total[_SE] / total[_N]),
            "r": float(_r(total, 5)),
            "r_readouts": _median_r(held.truth.T, found.T),
            "r_conditions": _median_r(held.truth, found),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def difference(
    held: Held, one: Floats, other: Floats, seed: int, level: float = 0.9
) -> tuple[float, float, float]:
    """Return by how much the first's error is below the other's, in skill, and its interval."""
    draws = _weights(held.unit, seed)
    first, second, base = (_by_unit(held, found) for found in (one, other, held.base))
    value = _ratio(second.sum(axis=0)[_SE] - first.sum(axis=0)[_SE], base.sum(axis=0))
    drawn = _ratio((draws @ (second - first))[:, _SE], draws @ base)
    tail = (1 - level) / 2
    return float(value), _quantile(drawn, tail), _quantile(drawn, 1 - tail)


# Sums of a unit: five of differences from the base, five of plain values, the squared errors, how many.
_YY, _SE, _N = 8, 10, 11


def _ratio(error: Any, base: Floats) -> Any:
    """Return errors over those of the background's mean, of its sums; NaN where it makes none."""
    of_mean = base[..., _SE]
    return error / np.where(varying(of_mean, base[..., _YY]), of_mean, np.nan)


def _by_unit(held: Held, found: Floats) -> Floats:
    ok = ~np.isnan(held.truth) & ~np.isnan(found) & ~np.isnan(held.base)
    y, p, b = (np.where(ok, values, 0.0) for values in (held.truth, found, held.base))
    parts = []
    for a, c in ((p - b, y - b), (p, y)):
        parts += [a, c, a * a, c * c, a * c]
    parts += [(p - y) ** 2, ok.astype(float)]
    rows = np.stack([part.sum(axis=1) for part in parts], axis=1)
    sums = np.zeros((int(held.unit.max(initial=-1)) + 1, len(parts)))
    np.add.at(sums, held.unit, rows)
    return sums


def _r(sums: Floats, first: int) -> Any:
    """Return correlations of sums (.., 12)."""
    n = sums[..., _N]
    a, c, aa, cc, ac = (sums[..., first + k] for k in range(5))
    of_a, of_c = n * aa - a * a, n * cc - c * c
    known = varying(of_a, n * aa) & varying(of_c, n * cc)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, (n * ac - a * c) / np.sqrt(of_a * of_c), np.nan)


def _weights(unit: NDArray[np.int64], seed: int) -> Floats:
    n = int(unit.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS).astype(float)


def _quantile(values: Floats, level: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, level)) if len(known) else float("nan")


def _median_r(truth: Floats, found: Floats) -> float:
    """Return the median over rows of the correlation of two tables, of rows that vary."""
    each = []
    for y, p in zip(truth, found, strict=True):
        ok = ~np.isnan(y) & ~np.isnan(p)
        if ok.sum() > 2 and np.ptp(y[ok]) > 0 and np.ptp(p[ok]) > 0:
            each.append(np.corrcoef(y[ok], p[ok])[0, 1])
    return float(np.median(each)) if each else float("nan")
