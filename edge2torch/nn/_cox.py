"""The Cox partial likelihood: ties, strata and delayed entry, without a table of patients × times.

A patient is at risk over a run of consecutive event times of its stratum. Every run is cut into
blocks whose sizes are powers of two, at most two of each size; the hazards of a block's patients are
summed once, and an event time adds up the blocks that it lies in, one of each size. So all sums are
of positive terms, in logarithms: nothing cancels, whatever the log hazards are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.checks import check_choice, check_count, check_numbers
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

_NOTHING = -1e30  # log of an empty sum: finite, so that its gradient is 0 and not NaN

Ties = Literal["efron", "breslow"]
TIES = ("efron", "breslow")


class CoxLoss:
    """Negative log partial likelihood of a cohort, with its risk sets worked out beforehand.

    :func:`cox_loss` sorts the times at each call; this sorts them once, for a training loop.

    Parameters
    ----------
    time, event, entry, strata, ties
        As for :func:`cox_loss`.

    References
    ----------
    Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; ties: Efron 1977,
    doi:10.1080/01621459.1977.10480613.

    Examples
    --------
    >>> import torch
    >>> loss = CoxLoss(time=[1.0, 2.0, 3.0], event=[1, 0, 1])
    >>> round(float(loss(torch.zeros(3))), 4)
    0.5493
    """

    def __init__(
        self,
        time: Any,
        event: Any,
        *,
        entry: Any = None,
        strata: Any = None,
        ties: Ties = "efron",
    ) -> None:
        check_choice("ties", ties, TIES)
        when = _vector("time", time).astype(np.float64)
        self.n = n = len(when)
        flags = _vector("event", event, n)
        if odd := sorted(set(np.unique(flags).tolist()) - {0, 1}):
            raise Edge2TorchError(
                f"event must hold 0 (censored) and 1 (event), found {listing(odd)}."
            )
        died = flags.astype(bool)
        if (wrong := np.flatnonzero(~np.isfinite(when) | (when < 0))).size:
            raise Edge2TorchError(
                f"time must be finite and at least 0, and is not in row(s) {listing(wrong.tolist())}."
            )
        stratum = np.zeros(n, np.int64)
        if strata is not None:
            stratum = np.unique(_vector("strata", strata, n), return_inverse=True)[1].astype(
                np.int64
            )
        values, code = np.unique(when, return_inverse=True)
        first = np.zeros(n, np.int64)  # number of times up to the entry: those of no risk
        if entry is not None:
            since = _vector("entry", entry, n).astype(np.float64)
            if (late := np.flatnonzero(~(since < when))).size:
                raise Edge2TorchError(
                    f"entry must be before time, and is not in row(s) {listing(late.tolist())}."
                )
            first = np.searchsorted(values, since, side="right")
        width = len(values) + 1
        key = stratum * width + code
        times, self.n_ties = np.unique(key[died], return_counts=True)  # of events, by stratum
        self.n_events, self.n_times = int(died.sum()), len(times)
        low = np.searchsorted(times, stratum * width + first)
        high = np.searchsorted(times, key, side="right") - died  # at its own event it is a case
        cases = np.flatnonzero(died)[np.argsort(key[died], kind="stable")]
        at = np.searchsorted(times, key[cases])
        # of d cases at one time the k-th is set against all but k/d of the d
        start = np.cumsum(self.n_ties) - self.n_ties
        gone = (np.arange(len(cases)) - start[at]) / self.n_ties[at]
        share = np.log1p(-gone) if ties == "efron" else np.zeros(len(cases))
        self._has_ties = len(cases) > self.n_times
        # Of one stratum without entries those at risk beside the cases are the last ones: the first of
        # the patients in falling order of time, before the cases if they are censored at that time.
        self._is_plain = entry is None and strata is None
        if self._is_plain:
            patient = np.lexsort((died, -code))
            block = np.searchsorted(-code[patient] * 2 + died[patient], -times * 2 + 1)
        else:
            patient, block, self._sizes = _blocks(low, high, self.n_times)
        self._numbers = [torch.from_numpy(x) for x in (patient, block, cases, at)]
        self._share = torch.from_numpy(share)

    def __call__(self, log_hazard: Tensor) -> Tensor:
        """Return the loss, divided by the number of events.

        Parameters
        ----------
        log_hazard : Tensor, shape (n,) or (n, 1)
            Of every patient, in any unit of hazard: a constant does not change the loss.

        Returns
        -------
        Tensor, shape ()
            0 without events, and so is its gradient: a batch may hold none, and says of nobody that
            the hazard was higher.
        """
        return self.terms(log_hazard).sum() / max(self.n_events, 1)

    def terms(self, log_hazard: Tensor) -> Tensor:
        """Return each patient's own term, among all who were at risk at its event.

        Parameters
        ----------
        log_hazard : Tensor, shape (n,) or (n, 1)
            As in a call.

        Returns
        -------
        Tensor, shape (n,)
            Minus the log of how likely it was that this patient had the event; 0 where censored.
        """
        log_hazard = _tensor(log_hazard)
        theta = log_hazard.reshape(-1)
        if log_hazard.ndim > 2 or len(theta) != self.n:
            raise Edge2TorchError(
                f"log_hazard must have shape ({self.n},), one of each patient, found "
                f"{tuple(log_hazard.shape)}."
            )
        if not theta.is_floating_point():
            raise Edge2TorchError(f"log_hazard must be of floating point, found {theta.dtype}.")
        if not self.n_events:
            return theta * 0.0
        patient, block, cases, at = (x.to(theta.device) for x in self._numbers)
        if self._is_plain:
            sums = theta[patient].logcumsumexp(0)
            others = torch.cat([sums.new_full((1,), _NOTHING), sums])[block]
        else:
            others = self._at_risk(_log_sums(theta[patient], block, sum(self._sizes)))
        own = tied = theta[cases]
        if self._has_ties:
            tied = _log_sums(own, at, self.n_times)[at] + self._share.to(theta)
        return torch.zeros_like(theta).index_add(0, cases, torch.logaddexp(others[at], tied) - own)

    def backward(self, forward: Callable[[Tensor], Tensor], *, chunk_size: int = 4096) -> Tensor:
        """Add the exact gradient of the whole loss to the parameters, a chunk of patients at a time.

        All log hazards are computed without a graph, the loss is differentiated by them, and each
        chunk is computed again to pass its share on. Memory is that of one chunk, and time that of a
        third pass. Layers that look at the batch (batch normalisation) see a chunk; so does a weight
        with a constraint that rests at zero: it leaves where any chunk asks for it.

        Parameters
        ----------
        forward : callable
            Maps row numbers, an int64 tensor (b,), to their log hazards (b,) or (b, 1).
        chunk_size : int
            Patients at once.

        Returns
        -------
        Tensor, shape ()
            The loss, without a graph.

        Examples
        --------
        >>> import torch
        >>> x, weight = torch.randn(6, 2), torch.zeros(2, requires_grad=True)
        >>> loss = CoxLoss([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 0, 1, 0, 1])
        >>> value = loss.backward(lambda rows: x[rows] @ weight, chunk_size=2)
        >>> expected, = torch.autograd.grad(loss(x @ weight), weight)
        >>> torch.allclose(weight.grad, expected)
        True
        """
        chunks = torch.arange(self.n).split(check_count("chunk_size", chunk_size))
        seeds = torch.randint(2**31, (len(chunks),)).tolist()

        def out(k: int) -> Tensor:
            with torch.random.fork_rng():  # dropout draws the same both times
                torch.manual_seed(seeds[k])
                return forward(chunks[k]).reshape(-1)

        with torch.no_grad():
            theta = torch.cat([out(k) for k in range(len(chunks))])
        value = self(theta.requires_grad_())
        (incoming,) = torch.autograd.grad(value, theta)
        for k, share in enumerate(incoming.split(chunk_size)):
            out(k).backward(share)
        return value.detach()

    def _at_risk(self, blocks: Tensor) -> Tensor:
        """Log sum over all blocks that hold an event time, from the largest blocks down."""
        parts: list[Tensor] = list(blocks.split(self._sizes))
        total = parts.pop()
        for own in reversed(parts):
            total = torch.logaddexp(own, total.repeat_interleave(2)[: len(own)])
        return total


def cox_loss(
    log_hazard: Tensor,
    time: Any,
    event: Any,
    *,
    entry: Any = None,
    strata: Any = None,
    ties: Ties = "efron",
) -> Tensor:
    """Return the negative log partial likelihood of Cox's model, divided by the number of events.

    Of n patients in n log n steps. All of a cohort belong in one call: each event is set against
    the patients who are at risk at its time, and in a batch most of them are missing.

    Parameters
    ----------
    log_hazard : Tensor or array, shape (n,) or (n, 1)
        What a model returns, the higher the sooner; floating point.
    time : array, shape (n,)
        Of the event, or of the last look, in any unit.
    event : array of bool or of 0 and 1, shape (n,)
        Whether the event was seen; 0 is censored, and at risk up to and at its time.
    entry : array, shape (n,), optional
        When a patient came under observation: at risk where ``entry < t <= time``.
    strata : array, shape (n,), optional
        Such as the study or centre: each has a baseline hazard of its own.
    ties : {"efron", "breslow"}
        How events at the same time are counted.

    Returns
    -------
    Tensor, shape ()
        Of the dtype of ``log_hazard``; 0 without events, as a batch may be: nothing was seen to come
        first.

    Raises
    ------
    Edge2TorchError
        For shapes that do not fit, times that are missing or negative, entries that are not before
        their time, and events other than 0 and 1.

    References
    ----------
    Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; ties: Efron 1977,
    doi:10.1080/01621459.1977.10480613; batches: Goldstein & Langholz 1992,
    doi:10.1214/aos/1176348895.

    Examples
    --------
    >>> import torch
    >>> log_hazard = torch.tensor([1.0, 0.0, -1.0], requires_grad=True)
    >>> loss = cox_loss(log_hazard, time=[1.0, 2.0, 2.0], event=[1, 1, 1])
    >>> loss.backward()
    >>> log_hazard.grad.sum().abs() < 1e-6
    tensor(True)
    """
    return CoxLoss(time, event, entry=entry, strata=strata, ties=ties)(log_hazard)


def _tensor(log_hazard: Any) -> Tensor:
    """Return log hazards as a tensor; of an array, such as a prediction, nothing is differentiated."""
    if isinstance(log_hazard, Tensor):
        return log_hazard
    return torch.from_numpy(check_numbers("log_hazard", log_hazard).copy())


def _vector(argument: str, values: Any, n: int | None = None) -> NDArray[Any]:
    found = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1 or not len(found) or (n is not None and len(found) != n):
        wanted = "(n,), n at least 1" if n is None else f"({n},), as time"
        raise Edge2TorchError(f"{argument} must have shape {wanted}, found {found.shape}.")
    if argument != "strata" and found.dtype.kind not in "biuf":
        raise Edge2TorchError(f"{argument} must hold numbers, found type {found.dtype}.")
    if found.dtype.kind == "f" and np.isnan(found).any():
        bad = np.flatnonzero(np.isnan(found)).tolist()
        raise Edge2TorchError(f"{argument} is missing in row(s) {listing(bad)}.")
    return found


def _blocks(
    low: NDArray[np.int64], high: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Cut runs [low, high) of 0..n into blocks; return rows, their blocks, and blocks per size."""
    low, high = low.copy(), high.copy()
    rows, blocks, sizes, before = [], [], [], 0
    while n:
        sizes.append(n)
        for odd, end in ((low % 2 == 1, low), (high % 2 == 1, high)):
            own = np.flatnonzero(odd & (low < high))
            if end is high:  # the last of the run, which then ends before it
                high[own] -= 1
            rows.append(own)
            blocks.append(end[own] + before)
            if end is low:
                low[own] += 1
        before += n
        n = (n + 1) // 2 if n > 1 else 0
        low, high = low // 2, high // 2
    if not sizes:
        return np.empty(0, np.int64), np.empty(0, np.int64), [0]
    return np.concatenate(rows), np.concatenate(blocks), sizes


def _log_sums(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Log of the sum of exponentials of each group."""
    highest = values.detach().new_full((n_groups,), _NOTHING)
    highest = highest.scatter_reduce(0, group, values.detach(), "amax")
    sums = values.new_zeros(n_groups).index_add(0, group, (values - highest[group]).exp())
    # of an empty group log(1), for log(0) has no gradient
    return torch.where(highest == _NOTHING, 1.0, sums).log() + highest
