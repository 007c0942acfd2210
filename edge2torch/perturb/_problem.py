"""A design as arrays: what every rule and model of a comparison is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.statistics import unit_of
from edge2torch.perturb._design import Design, Ints

Floats = NDArray[np.float64]


def centre_and_spread(y: Floats) -> tuple[Floats, Floats]:
    """Return means and standard deviations (o,) of what was measured; 1 where nothing varies."""
    n = (~np.isnan(y)).sum(axis=0)
    centre = np.nansum(y, axis=0) / np.maximum(n, 1)
    return centre, unit_of(y)


def smallest_doses(design: Design) -> pd.Series[float]:
    """Return the smallest dose of each treatment that was given, NaN where there is one dose alone."""
    given = design.doses.where(design.doses > 0)
    low = given.min()
    return low.where(given.max() > low)


def levels(doses: pd.DataFrame, smallest: pd.Series[float], largest: pd.Series[float]) -> Floats:
    """Return log(1 + dose / K) / log(1 + largest / K), (conditions, treatments); 1 for a single dose.

    K is the smallest dose that was given.
    """
    dose = doses.to_numpy(float)
    low, high = smallest.to_numpy(float), largest.to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        graded = np.log1p(dose / low) / np.log1p(high / low)
    return np.where(np.isnan(low), (dose > 0).astype(float), graded)


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples as rows: levels of treatments, readouts, and which samples share a background.

    Parameters
    ----------
    u : ndarray, shape (b, treatments)
        0 to 1.
    covariates : ndarray, shape (b, c)
        Times and contexts, one column each but the first.
    y : ndarray, shape (b, o)
        Readouts, NaN where nothing was measured.
    group : ndarray of int, shape (b,)
        Samples of one background, time and context.
    place : ndarray of int, shape (b,)
        Samples of one time and context.
    """

    u: Floats
    covariates: Floats
    y: Floats
    group: Ints
    place: Ints
    is_bounded: bool

    @classmethod
    def of(cls, design: Design, background: list[str] | None = None) -> Problem:
        """Turn a design into arrays; what the background is may be told by another one."""
        u = levels(design.doses, smallest_doses(design), design.doses.max())[design.rows]
        keys = design.samples[["time", "context"]].fillna({"time": -1.0})
        place = keys.groupby(["time", "context"], sort=False).ngroup().to_numpy().astype(np.int64)
        common = design.background if background is None else background
        backs = design.doses[common].to_numpy(float)[design.rows]
        both = pd.DataFrame(np.column_stack([place, backs]))
        group = both.groupby(list(both.columns), sort=False).ngroup().to_numpy().astype(np.int64)
        one_hot = (place[:, None] == np.arange(1, place.max(initial=0) + 1)).astype(float)
        return cls(u, one_hot, design.readouts.to_numpy(float), group, place, design.is_bounded)

    @property
    def x(self) -> Floats:
        """Levels and covariates side by side, (b, treatments + c)."""
        return np.column_stack([self.u, self.covariates])

    def background_mean(self, training: Ints) -> Floats:
        """Return the training mean of each sample's background, (b, o).

        Where a background has no measured training sample, that of its time and context, or of all.
        """
        found = np.tile(_mean(self.y[training]), (len(self.y), 1))
        for labels in (self.place, self.group):
            for label in np.unique(labels):
                own = _mean(self.y[training[labels[training] == label]])
                rows = labels == label
                found[rows] = np.where(np.isnan(own), found[rows], own)
        return found


def _mean(y: Floats) -> Floats:
    """Return means over rows (o,), NaN for what no row has."""
    n = (~np.isnan(y)).sum(axis=0)
    total: Floats = np.where(n > 0, np.nansum(y, axis=0) / np.maximum(n, 1), np.nan)
    return total


def by_gaps(y: Floats) -> list[tuple[Ints, Ints]]:
    """Return (measured rows, columns) of the readouts that lack the same rows."""
    measured = ~np.isnan(y)
    _, which = np.unique(measured, axis=1, return_inverse=True)
    which = which.reshape(-1)
    parts = []
    for pattern in range(int(which.max(initial=-1)) + 1):
        columns = np.flatnonzero(which == pattern)
        parts.append((np.flatnonzero(measured[:, columns[0]]), columns))
    return parts
