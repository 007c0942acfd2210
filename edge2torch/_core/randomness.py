"""Torch's generators from a seed, and as they were afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Let torch's generators start at a seed, and put them back; None leaves them alone."""
    if seed is None:
        yield
        return
    # manual_seed reaches every device's generator, so all of those in use are put back. Asking
    # for devices where CUDA has not started would start it: seconds, and no forking afterwards.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(list(devices)):
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # manual_seed writes the stack down for every kind that might come: 0.06 to 3 ms
            torch.default_generator.manual_seed(seed)
        yield
