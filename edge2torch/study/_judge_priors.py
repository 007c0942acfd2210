"""Which of several priors helps, by gains of samples that no network had seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch.study._ignorant import IGNORANT

Floats = NDArray[np.float64]
Verdict = Literal["knowledge", "sparsity", "neither", "nothing"]

OWN, DENSE, UNTRAINED = "the prior", "dense network", "untrained network"
GUESS, _SPARSE = "guessing", "controls, all"


@dataclass(frozen=True)
class _Mean:
    """A mean over samples, and its standard error over samples or groups."""

    value: float
    error: float
    freedom: int

    @classmethod
    def of(cls, values: Floats, groups: NDArray[np.str_] | None) -> _Mean:
        mean, n = float(values.mean()), len(values)
        off = values - mean
        if groups is not None:  # what a group has in common counts once
            off = np.bincount(np.unique(groups, return_inverse=True)[1], off).astype(np.float64)
        k = len(off)
        return cls(mean, float(np.sqrt((off**2).sum() * k / (k - 1)) / n), k - 1)

    def interval(self, level: float) -> tuple[float, float]:
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    @property
    def pvalue(self) -> float:
        """One-sided, of a mean above zero."""
        if self.error == 0:
            return 0.0 if self.value > 0 else 1.0
        return float(stats.t.sf(self.value / self.error, self.freedom))


Key = tuple[str, str]  # prior and model
Test = tuple[str, str, float, float, float, float, float, float]
_TESTS = ["prior", "against", "difference", "low", "high", "p_samples", "p_draws", "pvalue"]


def judge(
    leads: Floats,
    keys: Sequence[Key],
    index: pd.Index,
    groups: NDArray[np.str_] | None,
    level: float,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Verdict, tuple[str, ...]]:
    """Return table, tests, mean leads, verdict and the best priors, of leads (networks, samples)."""
    each: dict[Key, Floats] = {
        key: leads[[k for k, one in enumerate(keys) if one == key]] for key in dict.fromkeys(keys)
    }
    means = {key: own.mean(axis=0) for key, own in each.items()}
    priors = [prior for prior, model in each if model == OWN]
    kinds = [kind for kind in IGNORANT if (priors[0], kind) in each]
    alpha = 1 - level
    beyond = _Draws.of([own for (_, model), own in each.items() if model in kinds])
    tests: list[Test] = []

    def test(prior: str, against: str, difference: Floats, p_draws: float = np.nan) -> float:
        found = _Mean.of(difference, groups)
        ends, own = found.interval(level), found.pvalue
        worst = own if np.isnan(p_draws) else max(own, p_draws)
        tests.append((prior, against, found.value, *ends, own, p_draws, worst))
        return worst

    known, rivals = {}, {}
    for prior in priors:
        own = means[prior, OWN]
        found = [test(prior, GUESS, own)]
        for kind in kinds:
            chance = beyond.pvalue(float(own.mean()), each[prior, kind])
            found.append(test(prior, kind, own - means[prior, kind], chance))
        known[prior] = max(found)  # all of them have to be beaten
    for prior, other in permutations(priors, 2):
        rivals[prior, other] = test(prior, other, means[prior, OWN] - means[other, OWN])
    for prior in priors:
        for other in (model for name, model in each if not name):
            test(prior, other, means[prior, OWN] - means["", other])
    ignorant = np.mean([own for (_, model), own in means.items() if model in kinds], axis=0)
    sparse = [test(_SPARSE, GUESS, ignorant), test(_SPARSE, DENSE, ignorant - means["", DENSE])]
    corrected = dict(zip(known, holm(np.array([*known.values()])), strict=True))
    helping = [prior for prior in priors if corrected[prior] < alpha]
    table = _table(each, groups, level)
    networks = table["model"].isin([OWN, DENSE, *kinds])
    if helping:
        verdict: Verdict = "knowledge"
    elif max(sparse) < alpha:
        verdict = "sparsity"
    else:
        verdict = "neither" if bool((table["low"][networks] > 0).any()) else "nothing"
    frame = pd.DataFrame(tests, columns=_TESTS)
    of_knowledge = frame["against"].isin([GUESS, *kinds])
    frame["qvalue"] = frame["prior"].map(corrected).where(of_knowledge)
    columns = pd.MultiIndex.from_tuples(list(means), names=["prior", "model"])
    by_sample = pd.DataFrame(np.stack(list(means.values()), axis=1), index, columns)
    return table, frame, by_sample, verdict, _unbeaten(helping, priors, rivals, alpha)


def _table(each: dict[Key, Floats], groups: NDArray[np.str_] | None, level: float) -> pd.DataFrame:
    rows = []
    for (prior, model), own in each.items():
        found, of_networks = _Mean.of(own.mean(axis=0), groups), own.mean(axis=1)
        spread = float(of_networks.std(ddof=1)) if len(own) > 1 else np.nan
        rows.append((prior, model, found.value, *found.interval(level), len(own), spread))
    columns = ["prior", "model", "gain", "low", "high", "networks", "spread"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class _Draws:
    """How far draws of a control scatter, pooled over controls and priors."""

    spread: float
    freedom: int

    @classmethod
    def of(cls, controls: Sequence[Floats]) -> _Draws:
        means = [own.mean(axis=1) for own in controls]
        freedom = sum(len(own) - 1 for own in means)
        squares = sum(float(((own - own.mean()) ** 2).sum()) for own in means)
        return cls(float(np.sqrt(squares / freedom)), freedom)

    def pvalue(self, own: float, draws: Floats) -> float:
        """One-sided, of a prior that is one more draw of the control (networks, samples)."""
        error = self.spread * np.sqrt(1 + 1 / len(draws))
        gap = own - float(draws.mean())
        return float(stats.t.sf(gap / error, self.freedom)) if error > 0 else float(gap <= 0)


def holm(pvalues: Floats) -> Floats:
    """Adjust p-values so that any false one is as rare as the smallest says."""
    order = np.argsort(pvalues)
    found = np.empty(len(pvalues))
    factors = np.arange(len(pvalues), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(pvalues[order] * factors), 1)
    return found


def _unbeaten(
    helping: list[str], priors: list[str], rivals: dict[tuple[str, str], float], alpha: float
) -> tuple[str, ...]:
    """Return the priors that help and that no other is shown to be better than."""
    if len(priors) == 1:
        return tuple(helping)
    pairs = list(rivals)
    corrected = dict(zip(pairs, holm(np.array([rivals[pair] for pair in pairs])), strict=True))
    beaten = {other for (_, other), p in corrected.items() if p < alpha}
    return tuple(prior for prior in helping if prior not in beaten)
