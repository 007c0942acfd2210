"""Class probabilities of many samples, for judging: nothing is differentiated."""

from __future__ import annotations

from torch import Tensor


def softmax(scores: Tensor) -> Tensor:
    """Return probabilities (..., classes) in double precision.

    torch's own takes the few classes of each sample by themselves; here exponentials are taken of
    all of them at once, a quarter of the time for ten classes.
    """
    y = scores.detach().double()
    y = (y - y.amax(-1, keepdim=True)).exp_()
    return y.div_(y.sum(-1, keepdim=True))
