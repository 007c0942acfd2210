"""Hazards by interval of time: no proportionality, and a loss that is a sum over patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from edge2torch._core.checks import check_count
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._curves import kaplan_meier
from edge2torch.survival._outcome import Outcome, require_outcome

_TINY = -15.0  # logit below which softplus is its exponential, to float32's last digit


@dataclass(frozen=True, eq=False)
class DiscreteTime:
    """A hazard for each interval of time, as the logistic function of an output of its own.

    Where Cox's model has one log hazard that multiplies a common baseline, this has k of them, so that
    what speaks of early events need not speak of late ones. A patient costs the cross entropy of each
    interval that was lived through, and of that of the event: a sum over patients, so batches are exact.

    Parameters
    ----------
    cuts : array, shape (k,)
        Ends of the intervals, rising; the first begins at 0, and an end belongs to its interval.
    last : float
        Last time under observation; beyond it nothing is known.

    References
    ----------
    Gensheimer & Narasimhan 2019, doi:10.7717/peerj.6257.

    Examples
    --------
    >>> outcome = Outcome([1.0, 2.0, 3.0, 4.0, 5.0], [1, 1, 0, 1, 1])
    >>> times = DiscreteTime.of(outcome, bins=2)
    >>> times.cuts.tolist()
    [4.0, 5.0]
    >>> round(float(times.loss(torch.zeros(5, 2), outcome)), 4)
    0.8318
    """

    cuts: NDArray[np.float64]
    last: float

    def __post_init__(self) -> None:
        cuts = np.asarray(self.cuts, np.float64)
        if cuts.ndim != 1 or not len(cuts) or not (np.diff(cuts, prepend=0.0) > 0).all():
            raise Edge2TorchError(
                f"cuts must be times above 0, each later than the one before, found {listing(cuts.tolist())}."
            )
        object.__setattr__(self, "cuts", cuts)

    @classmethod
    def of(cls, outcome: Outcome, bins: int = 10) -> DiscreteTime:
        """Cut where the Kaplan–Meier curve has fallen by equal parts of its whole fall.

        Parameters
        ----------
        outcome : Outcome
            Of the patients to be fitted.
        bins : int
            Intervals.

        Returns
        -------
        DiscreteTime
            Its last interval ends with the last event.

        Raises
        ------
        Edge2TorchError
            With fewer distinct times of events than intervals.
        """
        require_outcome(outcome)
        check_count("bins", bins)
        curve = kaplan_meier(outcome.time, outcome.event, entry=outcome.entry)
        curve = curve[(curve["events"] > 0) & (curve.index > 0)]  # of no length is no interval
        n = len(curve)
        if n < bins:
            raise Edge2TorchError(
                f"bins={bins} are more intervals than the {n} distinct times of events. Take fewer."
            )
        fallen = 1 - curve["survival"].to_numpy()
        levels = fallen[-1] * np.arange(1, bins + 1) / bins
        at = np.searchsorted(fallen, levels - 1e-12)
        # where many events share a time, the next ones; and some have to be left for those behind
        for k in range(1, bins):
            at[k] = max(at[k], at[k - 1] + 1)
        at = np.minimum(at, n - bins + np.arange(bins))
        return cls(curve.index.to_numpy(np.float64)[at], float(outcome.time.max()))

    def terms(self, logits: Tensor, outcome: Outcome) -> Tensor:
        """Return what each patient costs.

        Parameters
        ----------
        logits : Tensor, shape (n, k)
            Of each patient in each interval, the higher the sooner.
        outcome : Outcome
            Of the same patients. Who is censored in an interval counts for it from its middle on, and
            so does who came under observation later than its start up to its middle.

        Returns
        -------
        Tensor, shape (n,)
        """
        require_outcome(outcome)
        shape = (len(outcome), len(self.cuts))
        if tuple(logits.shape) != shape:
            raise Edge2TorchError(
                f"logits must have shape {shape}, patients × intervals, found {tuple(logits.shape)}."
            )
        lived, died = (torch.from_numpy(x).to(logits) for x in self.intervals(outcome))
        return (lived * F.softplus(logits) - died * logits).sum(1)

    def loss(self, logits: Tensor, outcome: Outcome) -> Tensor:
        """Return the mean of ``terms`` over patients.

        Parameters
        ----------
        logits, outcome
            As of ``terms``.

        Returns
        -------
        Tensor, shape ()
        """
        return self.terms(logits, outcome).mean()

    def intervals(self, outcome: Outcome) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return in which intervals each patient was at risk, and in which it had the event.

        Parameters
        ----------
        outcome : Outcome
            Of n patients; events beyond the last interval count as censored.

        Returns
        -------
        tuple of (ndarray, ndarray), shapes (n, k)
        """
        middle = (self.cuts + np.concatenate([[0.0], self.cuts[:-1]])) / 2
        where = np.searchsorted(self.cuts, outcome.time)[:, None]
        died = outcome.event[:, None] & (where == np.arange(len(self.cuts)))
        lived = outcome.time[:, None] >= middle
        if outcome.entry is not None:
            lived &= outcome.entry[:, None] <= middle
        lived &= (np.arange(len(self.cuts)) < where) | ~outcome.event[:, None]
        return (
            lived | died,
            died,
        )  # at risk in the interval of the event, however short its part was

    def log_cumulative_hazard(self, logits: Tensor, at: float) -> Tensor:
        """Return the log of the hazard up to a time: one number by which patients can be ordered.

        Parameters
        ----------
        logits : Tensor, shape (n, k)
            Of each patient in each interval.
        at : float
            A time above 0.

        Returns
        -------
        Tensor, shape (n,)
        """
        share = torch.from_numpy(self._shares([at])[0]).to(logits)
        own = logits[:, share > 0]
        hazard = torch.where(own < _TINY, own, F.softplus(own.clamp(min=_TINY)).log())
        return (hazard + share[share > 0].log()).logsumexp(1)

    def survival_curves(self, logits: Any, at: ArrayLike) -> pd.DataFrame:
        """Return the probability of no event up to some times; the hazard is even within an interval.

        Parameters
        ----------
        logits : Tensor or array, shape (n, k)
            Of each patient in each interval.
        at : array, shape (t,)
            Times within the follow-up of those that were fitted.

        Returns
        -------
        DataFrame, shape (n, t)
        """
        when = np.asarray(at, np.float64).reshape(-1)
        if (beyond := when[when > self.last]).size:
            raise Edge2TorchError(
                f"at: {listing(beyond.tolist())} is beyond the follow-up, which ends at {self.last:g}."
            )
        hazard = F.softplus(torch.as_tensor(logits).detach().double())
        values = torch.exp(-hazard @ torch.from_numpy(self._shares(when)).T)
        columns = pd.Index(when.tolist(), name="time")
        return pd.DataFrame(values.numpy(), columns=columns)

    def _shares(self, at: ArrayLike) -> NDArray[np.float64]:
        """Share of each interval that is over at each time, (t, k)."""
        start = np.concatenate([[0.0], self.cuts[:-1]])
        gone = (np.asarray(at, np.float64)[:, None] - start) / (self.cuts - start)
        return np.asarray(np.clip(gone, 0.0, 1.0))
