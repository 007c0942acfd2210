"""Who should have the event before whom, and whether a risk says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_number, check_numbers
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._curves import censoring_curve
from edge2torch.survival._outcome import Outcome, in_order, require_outcome

_ROWS = 512  # events at once, against all patients


def harrell_c(
    time: Any, event: Any, risk: ArrayLike, *, entry: Any = None, strata: Any = None
) -> float:
    """Return the share of comparable pairs in which the earlier event has the higher risk.

    Comparable are a patient with an event and one who was watched for longer, or censored at the
    same time. Equal risks count one half; two events at one time are no pair.

    Parameters
    ----------
    time, event, entry, strata
        As of :class:`Outcome`. Pairs are of one stratum; with entries, of patients who were both
        under observation.
    risk : array, shape (n,)
        The higher, the sooner: log hazards, for instance.

    Returns
    -------
    float
        0.5 for a risk that says nothing, 1 for one that says all.

    Raises
    ------
    Edge2TorchError
        Where no two patients can be compared.

    References
    ----------
    Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030.

    Examples
    --------
    >>> harrell_c([1.0, 2.0, 3.0], [1, 1, 0], [0.3, 0.1, 0.2])
    0.6666666666666666
    """
    outcome = Outcome(time, event, entry, strata)
    found = pairs_of(outcome, _risks(in_order("risk", risk, outcome.names), len(outcome)))
    return _share(found.won.sum(), found.all.sum())


def uno_c(
    time: Any,
    event: Any,
    risk: ArrayLike,
    tau: float | None = None,
    *,
    train: Outcome | None = None,
) -> float:
    """Return the share of pairs as Harrell's C, up to a time, and whatever the censoring.

    Pairs are weighed by the inverse of the squared probability of not being censored before the
    event, so that the share does not depend on how long patients were watched.

    Parameters
    ----------
    time, event
        As of :class:`Outcome`.
    risk : array, shape (n,)
        The higher, the sooner.
    tau : float, optional
        Events before it count; by default those before the 80 % quantile of the event times of
        ``train``.
    train : Outcome, optional
        Patients that the censoring is estimated from; those that are judged by default.

    Returns
    -------
    float

    Raises
    ------
    Edge2TorchError
        Where no two patients can be compared.

    References
    ----------
    Uno et al. 2011, doi:10.1002/sim.4154.

    Examples
    --------
    >>> uno_c([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 1], [4.0, 3.0, 2.0, 1.0], tau=3.0)
    1.0
    """
    outcome = Outcome(time, event)
    counted, weight = uno_weights(outcome, tau, outcome if train is None else train)
    found = pairs_of(outcome, _risks(in_order("risk", risk, outcome.names), len(outcome)))
    weight = np.where(counted, weight, 0.0)
    return _share((found.won * weight).sum(), (found.all * weight).sum())


def uno_weights(
    outcome: Outcome, tau: float | None, train: Outcome
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whose events count, and what each of their pairs weighs."""
    require_outcome(train, "train")
    limit = default_tau(train) if tau is None else check_number("tau", tau, above=0)
    counted = outcome.event & (outcome.time < limit)
    left = censoring_curve(train)(outcome.time, True)
    if (bad := counted & (left == 0)).any():
        raise Edge2TorchError(
            f"tau={limit:g} is beyond the follow-up of train, where everybody is censored by "
            f"{outcome.time[bad].min():g}. Choose an earlier one."
        )
    with np.errstate(divide="ignore"):
        return counted, 1 / left**2


def default_tau(train: Outcome) -> float:
    """The 80 % quantile of the event times of the patients that were trained with."""
    if not train.n_events:
        raise Edge2TorchError("train: no patient has an event, so there is no time to judge up to.")
    return float(np.quantile(train.time[train.event], 0.8))


def auc_at(
    time: Any, event: Any, risk: ArrayLike, at: ArrayLike, *, train: Outcome | None = None
) -> pd.Series:
    """Return how well a risk tells who has the event up to a time from who is watched beyond it.

    Parameters
    ----------
    time, event
        As of :class:`Outcome`.
    risk : array, shape (n,)
        The higher, the sooner.
    at : array, shape (t,)
        Times.
    train : Outcome, optional
        Patients that the censoring is estimated from; those that are judged by default.

    Returns
    -------
    Series, shape (t,)
        Areas under the curve, cumulative cases against dynamic controls; the index is ``time``.

    Raises
    ------
    Edge2TorchError
        For a time without events before it, or without patients beyond it.

    References
    ----------
    Uno et al. 2007, doi:10.1198/016214507000000149.

    Examples
    --------
    >>> auc_at([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 1], [4.0, 2.0, 3.0, 1.0], at=[2.5]).tolist()
    [0.75]
    """
    outcome = Outcome(time, event)
    score, left = (
        _risks(in_order("risk", risk, outcome.names), len(outcome)),
        censoring_curve(outcome if train is None else train),
    )
    found = {}
    for one in np.asarray(at, np.float64).reshape(-1).tolist():
        case, beyond = outcome.event & (outcome.time <= one), np.sort(score[outcome.time > one])
        if not case.any() or not len(beyond):
            raise Edge2TorchError(
                f"at={one:g}: {int(case.sum())} events up to it and {len(beyond)} patients beyond it; "
                "both are needed."
            )
        weight = _inverse(left(outcome.time[case], True), one)
        below = np.searchsorted(beyond, score[case], side="left")
        ties = np.searchsorted(beyond, score[case], side="right") - below
        found[one] = float((weight * (below + ties / 2)).sum() / (weight.sum() * len(beyond)))
    return pd.Series(found, name="auc").rename_axis("time")


def _inverse(left: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    if (left == 0).any():
        raise Edge2TorchError(
            f"at={at:g} is beyond the follow-up of train: everybody is censored by then."
        )
    return 1 / left


@dataclass(frozen=True)
class Pairs:
    """Of every patient with an event: pairs, and those in which its risk is the higher (ties half)."""

    won: NDArray[np.float64]
    all: NDArray[np.float64]


def pairs_of(outcome: Outcome, risk: NDArray[np.float64]) -> Pairs:
    """Count in n log n steps; with entries, every event against every patient."""
    won, everyone = np.zeros(len(outcome)), np.zeros(len(outcome))
    count = _sorted_pairs if outcome.entry is None else _all_pairs
    for _, rows in outcome.by_stratum():
        won[rows], everyone[rows] = count(outcome.take(rows), risk[rows])
    return Pairs(won, everyone)


def comparable(outcome: Outcome, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which patients (columns) some patients with an event (rows) can be compared with."""
    time, event = outcome.time, outcome.event
    found = time[rows, None] < time
    found |= (time[rows, None] == time) & ~event
    if outcome.entry is not None:
        found &= outcome.entry < time[rows, None]
    if outcome.strata is not None:
        found &= outcome.strata[rows, None] == outcome.strata
    return np.asarray(found & event[rows, None])


def _all_pairs(
    outcome: Outcome, risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    won, everyone = np.zeros(len(risk)), np.zeros(len(risk))
    cases = np.flatnonzero(outcome.event)
    for rows in np.array_split(cases, len(cases) // _ROWS + 1):
        pair, gap = comparable(outcome, rows), risk[rows, None] - risk
        won[rows] = (pair & (gap > 0)).sum(axis=1) + (pair & (gap == 0)).sum(axis=1) / 2
        everyone[rows] = pair.sum(axis=1)
    return won, everyone


def _sorted_pairs(
    outcome: Outcome, risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Merge sort by risk, from the order of time: each merge counts pairs between its halves."""
    n = len(risk)
    # events before those censored at the same time, whom they can be compared with; of events at
    # one time the lowest risk first, so that those behind it, which are no pair, win nothing
    order = np.lexsort((risk, ~outcome.event, outcome.time))
    rank = np.unique(risk[order], return_inverse=True)[1].astype(np.int64)
    wide = int(rank.max()) + 1
    below, upto = np.zeros(n, np.int64), np.zeros(n, np.int64)
    place = np.arange(n)
    size = 1
    while size < n:
        block = place // size  # of the right neighbours, sorted by risk within their block
        by_block = np.sort(block * wide + rank)
        left = place[block % 2 == 0]
        other = (block[left] + 1) * wide
        start = np.searchsorted(by_block, other)
        below[left] += np.searchsorted(by_block, other + rank[left]) - start
        upto[left] += np.searchsorted(by_block, other + rank[left], side="right") - start
        size *= 2
    time, event = outcome.time[order], outcome.event[order]
    # number of each tied group of events, and of equal risks within it
    new = np.r_[True, (time[1:] != time[:-1]) | (event[1:] != event[:-1])]
    alike = np.r_[True, new[1:] | (rank[1:] != rank[:-1])]
    behind, equal = _behind(new), _behind(alike)
    won, everyone = np.zeros(n), np.zeros(n)
    ties = upto - below - equal
    won[order] = np.where(event, below + ties / 2, 0.0)
    everyone[order] = np.where(event, n - 1 - place - behind, 0.0)
    return won, everyone


def _behind(starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of its own run stand behind each place, if runs start where it says so."""
    run = np.cumsum(starts) - 1
    ends = np.append(np.flatnonzero(starts)[1:], len(starts))
    return np.asarray(ends[run] - 1 - np.arange(len(starts)))


def _risks(risk: ArrayLike, n: int) -> NDArray[np.float64]:
    found = check_numbers("risk", risk).astype(np.float64).reshape(-1)
    if len(found) != n:
        raise Edge2TorchError(f"risk must have shape ({n},), as time, found {np.shape(risk)}.")
    if (bad := np.flatnonzero(np.isnan(found))).size:
        raise Edge2TorchError(f"risk is missing in row(s) {listing(bad.tolist())}.")
    return found


def _share(won: float, everyone: float) -> float:
    if not everyone > 0:
        raise Edge2TorchError(
            "no two patients can be compared: there is no event before somebody else's last time."
        )
    return float(won / everyone)
