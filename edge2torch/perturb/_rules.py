"""What needs no graph: the rules and models that stand beside every network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from edge2torch._core.randomness import seeded
from edge2torch.perturb._problem import Floats, Problem, by_gaps, centre_and_spread

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Rule = Callable[[Problem, Ints], Floats]

_CLOSE = 0.01  # how near to 0 and 1 a readout may be on the logit scale
# chosen on parts of the training conditions of a screen of ligands, of 24 settings
_HIDDEN, _EPOCHS, _RATE, _DECAY = 64, 300, 0.003, 1.0


def mean(problem: Problem, training: Ints) -> Floats:
    """The training mean of each readout."""
    alike = np.zeros_like(problem.group)
    one = Problem(problem.u, problem.covariates, problem.y, alike, alike, True)
    return one.background_mean(training)


def background(problem: Problem, training: Ints) -> Floats:
    """The training mean of the same background."""
    return problem.background_mean(training)


def control(problem: Problem, training: Ints) -> Floats:
    """What is read when nothing is given; NaN without a control in training."""
    nothing = training[(problem.u[training] == 0).all(axis=1)]
    if not len(nothing):
        return np.full_like(problem.y, np.nan)
    own = Problem(problem.u, problem.covariates, problem.y, problem.place, problem.place, True)
    return own.background_mean(nothing)


def ridge(penalty: float, *, pairs: bool = False, logit: bool = False) -> Rule:
    """Ridge on the levels of the treatments, with products of two, on the scale or its logit."""

    def rule(problem: Problem, training: Ints) -> Floats:
        x, y = problem.x, problem.y
        if pairs:
            x = np.column_stack([x, *_products(problem.u, training)])
        if logit:
            clipped = np.clip(y, _CLOSE, 1 - _CLOSE)
            y = np.log(clipped / (1 - clipped))
        found = _solved(x, y, training, penalty)
        return 1 / (1 + np.exp(-found)) if logit else found

    return rule


def additive(problem: Problem, training: Ints) -> Floats:
    """Single effects added up on the readout's scale: least squares without a penalty."""
    return _solved(problem.x, problem.y, training, 0.0)


def sister(problem: Problem, training: Ints) -> Floats:
    """The readouts of a sister, and the mean shift of the treatment by which it differs.

    Where there are several sisters their mean, and where there is none the background's mean.
    """
    found = problem.background_mean(training)
    u, y = problem.u, problem.y
    apart = [(t, *_pairs_apart(u, problem.place, training, t)) for t in range(u.shape[1])]
    # a weight per prediction, as shifts of some readouts may be missing
    total, count = np.zeros_like(y), np.zeros_like(y)
    for t, without, given in apart:
        if not len(given):
            continue
        shifts = y[given] - y[without]
        n = (~np.isnan(shifts)).sum(axis=0)
        shift = np.where(n > 0, np.nansum(shifts, axis=0) / np.maximum(n, 1), np.nan)
        others = np.delete(u, t, axis=1)
        for row in range(len(u)):
            same = (others[training] == others[row]).all(axis=1)
            same &= (problem.place[training] == problem.place[row]) & (training != row)
            near = training[same & ((u[training, t] > 0) != (u[row, t] > 0))]
            sign = 1.0 if u[row, t] > 0 else -1.0
            for one in near:
                guess = y[one] + sign * shift
                ok = ~np.isnan(guess)
                total[row, ok] += guess[ok]
                count[row, ok] += 1
    return np.where(count > 0, total / np.maximum(count, 1), found)


def _pairs_apart(u: Floats, place: Ints, training: Ints, t: int) -> tuple[Ints, Ints]:
    """Return training samples without and with a treatment that are alike in all else."""
    others = np.delete(u, t, axis=1)
    given, without = training[u[training, t] > 0], training[u[training, t] == 0]
    if not len(given) or not len(without):
        return given[:0], given[:0]
    alike = (others[given][:, None] == others[without][None]).all(axis=2)
    alike &= place[given][:, None] == place[without][None]
    i, j = np.nonzero(alike)
    return without[j], given[i]


def nearest(n: int) -> Rule:
    """The mean of the n nearest training conditions by what was given; ties count alike."""

    def rule(problem: Problem, training: Ints) -> Floats:
        found = problem.background_mean(training)
        x = problem.x
        for row in range(len(x)):
            far = np.abs(x[training] - x[row]).sum(axis=1)
            limit = np.sort(far)[min(n, len(far)) - 1]
            own = problem.y[training[far <= limit + 1e-12]]
            known = (~np.isnan(own)).sum(axis=0)
            close = np.nansum(own, axis=0) / np.maximum(known, 1)
            found[row] = np.where(known > 0, close, found[row])
        return found

    return rule


def dense(seed: int) -> Rule:
    """A dense network of 64 tanh units; its outputs lie between 0 and 1 where the readouts do."""

    def rule(problem: Problem, training: Ints) -> Floats:
        x = torch.tensor(problem.x, dtype=torch.float32)
        y = torch.tensor(problem.y, dtype=torch.float32)
        measured = ~y[training].isnan()
        centre = torch.tensor(mean(problem, training)[0], dtype=torch.float32).nan_to_num()
        scale = torch.tensor(centre_and_spread(problem.y[training])[1], dtype=torch.float32)
        if problem.is_bounded:
            centre = torch.logit(centre, eps=_CLOSE)
        with seeded(seed):
            net = nn.Sequential(
                nn.Linear(x.shape[1], _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, y.shape[1])
            )

        def found(rows: Any) -> torch.Tensor:
            out: torch.Tensor = net(x[rows])
            return torch.sigmoid(out + centre) if problem.is_bounded else centre + scale * out

        optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS)
        for _ in range(_EPOCHS):
            optimizer.zero_grad()
            error = (found(training) - y[training]) / scale
            error[measured].square().mean().backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            return found(slice(None)).numpy().astype(float)

    return rule


def rules(problem: Problem, seed: int) -> dict[str, Rule]:
    """Return everything that needs no graph, by name."""
    found: dict[str, Rule] = {
        "control": control,
        "mean": mean,
        "background mean": background,
        "sister + mean shift": sister,
        "additive": additive,
        "ridge": ridge(1.0),
        "ridge on logit": ridge(0.3, logit=True),
        "ridge with pairs": ridge(1.0, pairs=True),
        "1 nearest": nearest(1),
        "5 nearest": nearest(5),
        "dense net": dense(seed),
    }
    if not problem.is_bounded:
        del found["ridge on logit"]
    if not (problem.u == 0).all(axis=1).any():
        del found["control"]
    return found


def _products(u: Floats, training: Ints) -> list[Floats]:
    """Return products of two treatments that were given together in training."""
    given = u[training] > 0
    both = given.T.astype(float) @ given.astype(float) > 0
    return [
        u[:, i] * u[:, j] for i, j in itertools.combinations(range(u.shape[1]), 2) if both[i, j]
    ]


def _solved(x: Floats, y: Floats, training: Ints, penalty: float) -> Floats:
    """Return predictions of all rows by ridge; without a penalty by the shortest least squares."""
    found = np.full(y.shape, np.nan)
    for rows, columns in by_gaps(y[training]):
        if not len(rows):
            continue
        a, b = x[training[rows]], y[np.ix_(training[rows], columns)]
        centre, middle = a.mean(axis=0), b.mean(axis=0)
        a, b = a - centre, b - middle
        if penalty:
            # by samples, of which there are fewer than pairs of treatments
            solved = a.T @ np.linalg.solve(a @ a.T + penalty * np.eye(len(a)), b)
        else:
            solved = np.linalg.lstsq(a, b, rcond=1e-10)[0]
        found[:, columns] = (x - centre) @ solved + middle
    return found
