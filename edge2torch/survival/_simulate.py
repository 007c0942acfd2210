"""Times whose hazards are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from edge2torch._core.checks import check_count, check_number, check_seed
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._outcome import Outcome


def simulate(
    log_hazard: ArrayLike, censored: float = 0.3, ties: int | None = None, seed: int = 0
) -> Outcome:
    """Draw exponential times with given log hazards, and censoring that does not depend on them.

    Parameters
    ----------
    log_hazard : array, shape (n,)
        Of each patient, per unit of time.
    censored : float
        Share to be censored, in expectation; the times of censoring are exponential, too.
    ties : int, optional
        Round times up to so many distinct ones, as months or days would be; none are equal by default.
    seed : int
        Fixes the draw.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> import numpy as np
    >>> outcome = simulate(np.zeros(1000), censored=0.3, seed=1)
    >>> bool(abs(outcome.event.mean() - 0.7) < 0.05)
    True
    """
    theta = np.asarray(log_hazard, np.float64)
    if theta.ndim != 1 or not len(theta) or not np.isfinite(theta).all():
        raise Edge2TorchError(
            f"log_hazard must be finite, of shape (n,), found shape {theta.shape}."
        )
    check_number("censored", censored, least=0, below=1)
    rng = np.random.default_rng(check_seed("seed", seed))
    time, last = rng.exponential(np.exp(-theta)), np.full(len(theta), np.inf)
    if censored:
        # of two exponential times the one with rate c comes first with probability c / (c + h)
        hazard = np.exp(theta - theta.mean())
        log_rate = brentq(
            lambda r: (1 / (1 + hazard * np.exp(-r))).mean() - censored, -100.0, 100.0
        )
        last = rng.exponential(np.exp(-(log_rate + theta.mean())), len(theta))
    seen = np.minimum(time, last)
    if ties is not None:
        step = np.quantile(seen, 0.99) / check_count("ties", ties)
        seen = np.minimum(np.ceil(seen / step), ties) * step
    return Outcome(seen, time <= last)
