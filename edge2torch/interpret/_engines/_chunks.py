"""How much to compute at once, and the bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from edge2torch._core.messages import require
from edge2torch.interpret._engines._task import Task

# On a CPU more is slower (values leave the cache), on a GPU less is.
BYTES_AT_ONCE = {"cpu": 64 * 2**20, "cuda": 2**31}
PATIENCE = 3.0  # seconds before a progress bar appears
_COPIES = 4  # a node's value is kept forward, backward, and once more on either way
_OVERHEAD = 2048  # bytes that Captum and autograd keep for each evaluation, however few nodes


def evaluations_at_once(task: Task) -> int:
    """Return how many rows the model may be given at once; at least two."""
    if task.method.batch == "internal_batch_size" and (own := task.call.get(task.method.batch)):
        return max(2, int(own))
    memory = BYTES_AT_ONCE.get(task.x.device.type, BYTES_AT_ONCE["cpu"])
    return max(2, memory // (_COPIES * task.row_bytes + _OVERHEAD))


@dataclass(frozen=True)
class Part:
    """Some samples, and some of what is done with each of them."""

    samples: slice
    items: slice


def parts(task: Task, n_items: int, *, overlap: int = 0) -> list[Part]:
    """Split samples × items (points of a path, say) so that each part fits.

    Samples are split first. Where the items of one sample do not fit either, neighbouring parts
    share ``overlap`` items.
    """
    fits, n_samples = evaluations_at_once(task), len(task.x)
    rows = min(max(1, fits // n_items), n_samples)
    size = n_items if rows * n_items <= fits else max(fits // rows, overlap + 1)
    starts = range(0, max(n_items - overlap, 1), size - overlap)
    return [
        Part(slice(row, min(row + rows, n_samples)), slice(start, min(start + size, n_items)))
        for row, start in product(range(0, n_samples, rows), starts)
    ]


def progress_bar(task: Task, total: int) -> Any:
    """Return a progress bar, to be used as a context."""
    return require("tqdm").tqdm(  # comes with Captum
        total=total, desc=task.method.name, delay=PATIENCE, leave=False, disable=task.quiet
    )


def with_progress(task: Task, chunks: list[Part]) -> Iterator[Part]:
    """Yield parts, and show how many are done."""
    with progress_bar(task, len(chunks)) as bar:
        for part in chunks:
            yield part
            bar.update()
