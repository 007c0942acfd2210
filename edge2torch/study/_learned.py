"""Whether a model says more of held-out samples than a guess that has seen none of their features.

Where there are covariates the guess is what they say alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from edge2torch.study._outcomes._outcome import Task

_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean, and the range that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Learned:
    """How far a model is ahead of guessing, on held-out samples.

    Parameters
    ----------
    loss : Interval
        Loss of the guess less that of the model, as the outcome measures it: of classes the log loss,
        in nats; of a number R² against the mean of the samples that were fitted.
    hits : Interval or None
        Share of right classes less that of always saying the most common one; else None.
    """

    loss: Interval
    hits: Interval | None

    def __bool__(self) -> bool:
        """Whether the lead in loss is beyond its interval, and no lag in accuracy is."""
        return bool(self.loss.low > 0 and (self.hits is None or self.hits.high >= 0))


def learned(parts: Sequence[pd.DataFrame]) -> Learned:
    """Judge the ``leads`` of several networks over guessing, of one split or of several."""
    hits = _interval([part["hits"] for part in parts]) if "hits" in parts[0] else None
    return Learned(_interval([part["loss"] for part in parts]), hits)


def _interval(parts: Sequence[pd.Series]) -> Interval:
    """Mean over networks × samples; both scatter, and a sample may be held out several times.

    Standard error by two-way clusters (Cameron, Gelbach & Miller 2011,
    doi:10.1198/jbes.2010.07136), never below that of samples alone; Student's t with as many
    degrees of freedom as there are samples, less one.
    """
    table = pd.concat(parts, axis=1)
    values = table.to_numpy(np.float64)  # samples × networks
    mean = float(np.nanmean(values))
    off = np.nan_to_num(values - mean)
    n, k = values.shape
    if n < 2:
        return Interval(mean, -np.inf, np.inf)
    samples = float((off.sum(axis=1) ** 2).sum()) * n / (n - 1)
    networks = float((off.sum(axis=0) ** 2).sum()) * k / max(k - 1, 1)
    variance = max(samples, samples + networks - float((off**2).sum()))
    error = variance**0.5 / int(np.isfinite(values).sum())
    wide = float(stats.t.ppf((1 + _LEVEL) / 2, n - 1)) * error
    return Interval(mean, mean - wide, mean + wide)


def ahead_words(found: Learned, task: Task) -> str:
    """How far ahead, as numbers to be put in brackets."""
    loss, words, sign = found.loss, task.outcome.ahead, 1
    if loss.mean < 0 and task.outcome.behind:
        words, sign = task.outcome.behind, -1
    low, high = sorted([sign * loss.low, sign * loss.high])
    # 0 is added for its sign: nothing is lower by -0.000
    shown = [f"{round(one, 3) + 0.0:.3f}" for one in (sign * loss.mean, low, high)]
    return "{} {}, 95 % interval {} to {}".format(words, *shown)


def lagging(found: Learned) -> bool:
    """Whether a model that has not learned is behind the guess, and not only not shown to be ahead."""
    return found.loss.high < 0 or found.loss.low > 0  # the second: by its hits


def beaten_by(task: Task) -> str:
    """What a model that has learned something is better than."""
    return "guessing" if task.covariates is None else "the covariates alone"
