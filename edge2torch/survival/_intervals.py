"""Concordance with its uncertainty, and differences between models on the same draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_count, check_number, check_numbers, check_seed, check_type
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._outcome import Outcome, in_order, require_outcome
from edge2torch.survival._pairs import _risks, comparable, pairs_of, uno_weights

_MATRIX = 3000  # patients up to which all pairs are kept at once


def compare_concordance(
    outcome: Outcome,
    risks: pd.DataFrame | Mapping[str, ArrayLike],
    versus: str | None = None,
    *,
    folds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    tau: float | None = None,
    train: Outcome | None = None,
    interval: float = 0.95,
    draws: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the concordance of several risks with its interval, and differences to one of them.

    Patients are drawn with replacement, as many with and without an event as there are (percentile
    bootstrap). What is not drawn again is the training: the interval is that of these models.

    Parameters
    ----------
    outcome : Outcome
        Of n held-out patients.
    risks : DataFrame or mapping, model to array of shape (n,) or (repeats, n)
        Of patients that the model has not seen; of repeated cross-validation, a row per repeat,
        over which the mean is taken.
    versus : str, optional
        Model that the others are compared with.
    folds : array, shape (n,) or (repeats, n), optional
        Fold in which a patient was held out: risks of different folds have no common scale, so
        pairs are of one fold.
    groups : array, shape (n,), optional
        What patients share, such as their donor; then groups are drawn.
    tau : float, optional
        Give Uno's C up to this time, weighed by ``train``, in place of Harrell's.
    train : Outcome, optional
        For Uno's C: patients that the censoring is estimated from; these by default.
    interval : float
        Confidence.
    draws : int
        Samples of the bootstrap.
    seed : int
        Fixes them.

    Returns
    -------
    DataFrame, one row per model
        ``c``, ``low``, ``high``; with ``versus`` also ``difference``, ``difference_low`` and
        ``difference_high``: of the model less ``versus``.

    Raises
    ------
    Edge2TorchError
        For shapes that do not fit, and where no two patients can be compared.

    References
    ----------
    Efron & Tibshirani 1986, doi:10.1214/ss/1177013815.

    Examples
    --------
    >>> outcome = Outcome([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 0, 1, 1, 0])
    >>> risks = {"ours": [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "age": [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]}
    >>> table = compare_concordance(outcome, risks, "age", draws=99)
    >>> table.loc["ours", "c"], bool(table.loc["ours", "difference"] > 0)
    (np.float64(1.0), True)
    """
    require_outcome(outcome)
    check_number("interval", interval, above=0, below=1)
    check_type("risks", risks, (Mapping, pd.DataFrame), "log hazards by the name of a model")
    names = [str(name) for name in risks]
    if versus is not None and str(versus) not in names:
        raise Edge2TorchError(f"versus: there is no model {versus!r} among {listing(names)}.")
    if len(names) == 0:
        raise Edge2TorchError("risks: no model is given.")
    n = len(outcome)
    groups, folds = (
        in_order(argument, value, outcome.names)
        for argument, value in (("groups", groups), ("folds", folds))
    )
    drawn = _draws(outcome, groups, check_count("draws", draws), check_seed("seed", seed))
    weights = (
        np.ones(n) if tau is None else _weights(outcome, tau, outcome if train is None else train)
    )
    point, spread = {}, {}
    for name in names:
        own = in_order(f"risks[{name!r}]", risks[name], outcome.names)
        repeats = np.atleast_2d(check_numbers(f"risks[{name!r}]", own).astype(np.float64))
        where = np.zeros_like(repeats) if folds is None else np.atleast_2d(np.asarray(folds))
        if repeats.shape[1] != n or where.shape != repeats.shape:
            raise Edge2TorchError(
                f"risks[{name!r}] must have shape ({n},) or (repeats, {n}), and folds the same; found "
                f"{repeats.shape} and {where.shape}."
            )
        parts = [
            shares_of_draws(outcome, _risks(risk, n), fold, weights, drawn)
            for risk, fold in zip(repeats, where, strict=True)
        ]
        point[name] = float(np.mean([one for one, _ in parts]))
        spread[name] = np.mean([many for _, many in parts], axis=0)
    tails = [50 * (1 - interval), 50 * (1 + interval)]
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        low, high = np.nanpercentile(spread[name], tails)
        rows[name] = {"c": point[name], "low": low, "high": high}
        if versus is not None:
            gap = np.nanpercentile(spread[name] - spread[versus], tails)
            rows[name] |= {
                "difference": point[name] - point[versus],
                "difference_low": gap[0],
                "difference_high": gap[1],
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _weights(outcome: Outcome, tau: float, train: Outcome) -> NDArray[np.float64]:
    counted, weight = uno_weights(outcome, tau, train)
    return np.where(counted, weight, 0.0)


def _draws(
    outcome: Outcome, groups: ArrayLike | None, draws: int, seed: int
) -> NDArray[np.float64]:
    """How often each patient is drawn, draws × patients."""
    rng, n = np.random.default_rng(seed), len(outcome)
    found = np.zeros((draws, n))
    if groups is not None:
        member = np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
        if member.shape != (n,):
            raise Edge2TorchError(f"groups must have shape ({n},), found {member.shape}.")
        k = int(member.max()) + 1
        return np.asarray(rng.multinomial(k, np.full(k, 1 / k), draws)[:, member], np.float64)
    for rows in (np.flatnonzero(outcome.event), np.flatnonzero(~outcome.event)):
        if len(rows):
            found[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), draws)
    return found


def shares_of_draws(
    outcome: Outcome,
    risk: NDArray[np.float64],
    fold: NDArray[Any],
    weights: NDArray[np.float64],
    drawn: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Concordance of all patients, and of every draw: pairs are of one fold (and stratum).

    ``weights`` (n,) of the pairs of each patient with an event; ``drawn`` (draws, n), how often each
    patient is drawn. NaN for draws in which no two can be compared.
    """
    won, total, all_won, all_pairs = np.zeros(len(drawn)), np.zeros(len(drawn)), 0.0, 0.0
    for one in np.unique(fold):
        rows = np.flatnonzero(fold == one)
        part, score, weight = outcome.take(rows), risk[rows], weights[rows]
        found = pairs_of(part, score)
        all_won += (found.won * weight).sum()
        all_pairs += (found.all * weight).sum()
        if len(rows) <= _MATRIX:
            cases = np.flatnonzero(part.event)
            pair = comparable(part, cases) * weight[cases, None]
            gap = score[cases, None] - score
            times = drawn[:, rows]
            won += ((times[:, cases] @ (pair * ((gap > 0) + (gap == 0) / 2))) * times).sum(axis=1)
            total += ((times[:, cases] @ pair) * times).sum(axis=1)
            continue
        for k, times in enumerate(drawn[:, rows].astype(np.int64)):
            again = np.repeat(np.arange(len(rows)), times)
            found = pairs_of(part.take(again), score[again])
            won[k] += (found.won * weight[again]).sum()
            total[k] += (found.all * weight[again]).sum()
    if not all_pairs:
        raise Edge2TorchError(
            "no two patients can be compared: there is no event before somebody else's last time."
        )
    with np.errstate(invalid="ignore"):
        return float(all_won / all_pairs), won / total
