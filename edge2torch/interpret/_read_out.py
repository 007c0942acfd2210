"""Linear read-outs of a few columns, out of fold: ridge for numbers, logistic for classes, Cox for times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit

from edge2torch._core.statistics import ROUNDING, unit_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES: Floats = np.logspace(-2, 4, 13)
_INNER = 5  # folds that choose the penalty
_NEWTON = 50  # steps of a logistic fit; five to ten are usual
_SETTLED = 1e-10
_FAR = 5.0  # by which no step may move a log hazard: Newton's from far away lead further away


@dataclass(frozen=True)
class ReadOut:
    """What is predicted, and how: numbers, classes by number, or times and whether the event was seen."""

    y: NDArray[np.generic]
    n_classes: int = 0
    event: NDArray[np.bool_] | None = None

    @property
    def labels(self) -> NDArray[np.generic]:
        """What is shared out equally among folds: classes, or events."""
        return self.y if self.event is None else self.event.astype(np.int64)

    @property
    def chance(self) -> float:
        """Score of a read-out that knows nothing."""
        return 0.5 if self.n_classes or self.event is not None else 0.0

    def scores(
        self, columns: Floats, folds: Sequence[tuple[Ints, Ints]], n_components: int | None = None
    ) -> Floats:
        """Return the score of every fold's held-out rows: Spearman's rho, the mean AUC, or Harrell's C."""
        return np.array([self._score(columns, *fold, n_components) for fold in folds])

    def _score(self, columns: Floats, fit: Ints, held_out: Ints, n_components: int | None) -> float:
        scaled = (columns - columns[fit].mean(0)) / unit_of(columns[fit])
        if n_components is not None and n_components < columns.shape[1]:
            _, _, basis = np.linalg.svd(scaled[fit], full_matrices=False)
            scaled = scaled @ basis[:n_components].T
        x, new = scaled[fit], scaled[held_out]
        if self.event is not None:
            time = self.y.astype(np.float64)
            risk = cox(x, time[fit], self.event[fit], new)
            return concordance(risk, time[held_out], self.event[held_out])
        if not self.n_classes:
            y = self.y.astype(np.float64)
            return spearman(ridge(x, y[fit], new), y[held_out])
        of = range(self.n_classes) if self.n_classes > 2 else [1]
        own = [(self.y == k).astype(np.float64) for k in of]
        areas = [auc(logistic(x, one[fit], new), one[held_out]) for one in own]
        return float(np.nanmean(areas)) if np.isfinite(areas).any() else 0.5


def mixed(
    folds: Sequence[tuple[Ints, Ints]], groups: NDArray[np.generic] | None, seed: int
) -> list[tuple[Ints, Ints]]:
    """Return folds with the rows to fit in random order, those of a group side by side.

    Inner folds are consecutive parts of them, and samples often come sorted by what is predicted.
    """
    rng = np.random.default_rng(seed)
    found = []
    for fit, held_out in folds:
        own = fit if groups is None else groups[fit]
        _, code = np.unique(own, return_inverse=True)
        rank = rng.permutation(int(code.max()) + 1)
        found.append((fit[np.argsort(rank[code], kind="stable")], held_out))
    return found


def inner_folds(n: int) -> list[tuple[Ints, Ints]]:
    """Return consecutive parts, in turn held out, of rows that are in random order (:func:`mixed`)."""
    parts = np.array_split(np.arange(n), min(_INNER, n))
    return [(np.concatenate(parts[:k] + parts[k + 1 :]), part) for k, part in enumerate(parts)]


def ridge(x: Floats, y: Floats, new: Floats) -> Floats:
    """Return predictions for new rows, with the penalty that explains most variance of left-out ones."""
    gained = np.zeros(len(PENALTIES))
    for fit, left_out in inner_folds(len(x)):
        predicted = _ridge_path(x[fit], y[fit], x[left_out], PENALTIES)
        goal = y[left_out][:, None]
        rest = ((goal - predicted) ** 2).sum(0)
        total = ((goal - goal.mean()) ** 2).sum()
        gained += 1 - rest / total if total > ROUNDING**2 * (goal**2).sum() else 0.0
    best = PENALTIES[[int(gained.argmax())]]
    found: Floats = _ridge_path(x, y, new, best)[:, 0]
    return found


def _ridge_path(x: Floats, y: Floats, new: Floats, penalties: Floats) -> Floats:
    """Return predictions (rows, penalties), by one decomposition for all penalties."""
    centre, level = x.mean(0), y.mean()
    own, goal = x - centre, y - level
    if x.shape[1] <= x.shape[0]:
        power, basis = np.linalg.eigh(own.T @ own)
        weights = basis @ ((basis.T @ (own.T @ goal))[:, None] / (power[:, None] + penalties))
    else:
        power, basis = np.linalg.eigh(own @ own.T)
        weights = own.T @ (basis @ ((basis.T @ goal)[:, None] / (power[:, None] + penalties)))
    found: Floats = (new - centre) @ weights + level
    return found


def logistic(x: Floats, y: Floats, new: Floats) -> Floats:
    """Return log odds for new rows, with the penalty of the best likelihood of left-out rows."""
    lost = np.zeros(len(PENALTIES))
    for fit, left_out in inner_folds(len(x)):
        path = _logistic_path(x[fit], y[fit], x[left_out], PENALTIES)
        lost += np.logaddexp(0, np.where(y[left_out] == 1, -path, path)).sum(1)
    odds: Floats = _logistic_path(x, y, new, PENALTIES[[int(lost.argmin())]])[0]
    return odds


def _logistic_path(x: Floats, y: Floats, new: Floats, penalties: Floats) -> Floats:
    """Return log odds (penalties, rows): Newton's steps for all penalties at once."""
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    penalty = np.repeat(penalties[:, None], design.shape[1], axis=1)
    penalty[:, -1] = 1e-8  # the intercept is free, but one class alone must not send it to infinity
    beta = np.zeros_like(penalty)
    for _ in range(_NEWTON):
        p = expit(beta @ design.T)
        slope = (p - y) @ design + penalty * beta
        bend = np.einsum("an,ni,nj->aij", p * (1 - p), design, design, optimize=True)
        bend[:, np.arange(design.shape[1]), np.arange(design.shape[1])] += penalty
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        beta -= step
        if np.abs(step).max() < _SETTLED * max(1.0, np.abs(beta).max()):
            break
    odds: Floats = beta[:, :-1] @ new.T + beta[:, -1:]
    return odds


def spearman(one: Floats, other: Floats) -> float:
    """Return the rank correlation; 0 where either is constant."""
    ranks = [scipy.stats.rankdata(values) - (len(values) + 1) / 2 for values in (one, other)]
    power = np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1] / power) if power > 0 else 0.0


def auc(score: Floats, y: Floats) -> float:
    """Return the area under the ROC curve; NaN where one class is missing."""
    n = int(y.sum())
    if n in (0, len(y)):
        return float("nan")
    ranks = scipy.stats.rankdata(score)[y == 1].sum()
    return float((ranks - n * (n + 1) / 2) / (n * (len(y) - n)))


def cox(x: Floats, time: Floats, event: NDArray[np.bool_], new: Floats) -> Floats:
    """Return log hazards of new rows, with the penalty of the best partial likelihood of left-out rows."""
    if x.shape[1] > x.shape[0]:  # the solution lies in the span of the rows
        u, s, axes = np.linalg.svd(x, full_matrices=False)
        x, new = u * s, new @ axes.T
    gained = np.zeros(len(PENALTIES))
    for fit, _ in inner_folds(len(x)):
        if event[fit].any():
            path = _cox_path(x[fit], time[fit], event[fit], PENALTIES)
            # of all less that of those who were fitted: Verweij & van Houwelingen 1993
            gained += _partial(path @ x.T, time, event)
            gained -= _partial(path @ x[fit].T, time[fit], event[fit])
    best = PENALTIES[[int(gained.argmax())]]
    risk: Floats = (_cox_path(x, time, event, best) @ new.T)[0]
    return risk


def _cox_path(x: Floats, time: Floats, event: NDArray[np.bool_], penalties: Floats) -> Floats:
    """Return coefficients (penalties, columns): Newton's steps for all penalties at once."""
    order = np.argsort(-time, kind="stable")  # who is at risk stands before
    x, time, event = x[order], time[order], event[order]
    last = np.searchsorted(-time, -time, side="right") - 1  # the last of those watched as long
    seen = last[event]
    beta = np.zeros((len(penalties), x.shape[1]))
    ridge = penalties[:, None, None] * np.eye(x.shape[1])
    for _ in range(_NEWTON):
        theta = beta @ x.T
        w = np.exp(theta - theta.max(1, keepdims=True))
        at_risk = np.cumsum(w, axis=1)[:, seen]
        mean = np.cumsum(w[:, :, None] * x, axis=1)[:, seen] / at_risk[:, :, None]
        share = np.zeros_like(w)
        np.add.at(share.T, seen, (1 / at_risk).T)
        hazard = w * np.cumsum(share[:, ::-1], axis=1)[:, ::-1]  # expected events of each row
        slope = hazard @ x - x[event].sum(0) + penalties[:, None] * beta
        bend = (x.T * hazard[:, None]) @ x - mean.transpose(0, 2, 1) @ mean + ridge
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        beta -= step / np.maximum(1.0, np.abs(step @ x.T).max(1) / _FAR)[:, None]
        if np.abs(step).max() < _SETTLED * max(1.0, np.abs(beta).max()):
            break
    return beta


def _partial(theta: Floats, time: Floats, event: NDArray[np.bool_]) -> Floats:
    """Return the log partial likelihood (penalties,) of log hazards (penalties, rows)."""
    order = np.argsort(-time, kind="stable")
    time, own = time[order], theta[:, order]
    last = np.searchsorted(-time, -time, side="right") - 1
    top = own.max(1, keepdims=True)
    at_risk = np.log(np.cumsum(np.exp(own - top), axis=1)) + top
    found: Floats = (own - at_risk[:, last])[:, event[order]].sum(1)
    return found


def concordance(risk: Floats, time: Floats, event: NDArray[np.bool_]) -> float:
    """Return Harrell's C: of pairs whose order is known, how many have it; .5 without such pairs."""
    first, watched = time[event][:, None], time[None]
    known = (watched > first) | ((watched == first) & ~event[None])
    ahead = risk[event][:, None] - risk[None]
    n = int(known.sum())
    return float(((ahead > 0) + 0.5 * (ahead == 0))[known].sum() / n) if n else 0.5
