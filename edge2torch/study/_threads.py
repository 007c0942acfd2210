"""Keep small work on one core: threads that wait for each other cost more than they bring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from edge2torch._core.messages import require

_WORTH_SHARING = 5_000_000  # multiplications in one step


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """Compute on one thread if a training step has less than so many multiplications to share."""
    if work >= _WORTH_SHARING:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with require("threadpoolctl", extra="cli").threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
