"""What a history of held-out losses leads to: another learning rate, or the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SLOWER = 1 / 3  # by which the learning rate falls on a plateau
_ON_PLATEAU = 1e-4  # share by which the loss has to fall, not to count as one


def reason_to_stop(history: Sequence[float], patience: int, min_gain: float) -> str:
    """Say why, or nothing; the last epochs together have to bring what is worth waiting for."""
    if not math.isfinite(history[-1]):
        return "not finite"
    if len(history) <= patience:
        return ""
    before, now = min(history[:-patience]), min(history[-patience:])
    return "patience" if now > before - min_gain else ""


def learning_rate_after(history: Sequence[float], rate: float, plateau: int | None) -> float:
    """Return the learning rate that a history of losses leads to.

    Told from the start each time, so that nothing but the history has to be kept to go on.
    """
    if plateau is None:
        return rate
    best, stale = math.inf, 0
    for loss in history:
        best, stale = (loss, 0) if loss < best * (1 - _ON_PLATEAU) else (best, stale + 1)
        if stale > plateau:
            rate, stale = rate * _SLOWER, 0
    return rate
