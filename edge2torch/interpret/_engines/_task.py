"""What every engine is given and what it returns, and how much of it is computed at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from edge2torch._core import console
from edge2torch.compile import CompileArtifact
from edge2torch.interpret._engines._probe import Probe
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._outputs import Output
from edge2torch.nn import CompiledModel


@dataclass(frozen=True)
class Task:
    """Everything that is the same for all samples, sites and outputs.

    ``dims`` are the dimensions of each site's values (3 where nodes have channels), ``row_bytes``
    what all sites' values of one sample take. ``overwritten`` are modules whose output the model
    changes in place, so that who keeps it has to hand a copy on.
    """

    method: AttributionMethod
    probe: Probe
    base: CompiledModel
    artifact: CompileArtifact
    sites: list[Site]
    x: Tensor
    outputs: list[Output]
    baselines: Tensor | None
    constructor: Mapping[str, Any]
    call: Mapping[str, Any]
    dims: Mapping[str, int]
    row_bytes: int
    overwritten: frozenset[nn.Module]
    delta: bool
    by_sample: bool
    by_site: bool
    by_unit: bool
    quiet: bool

    @property
    def width(self) -> int:
        """How many things are scored in one evaluation of the method."""
        return max((len(site.nodes) for site in self.sites), default=1)

    def outputs_at(self, x: Tensor) -> list[Tensor]:
        """Return the explained outputs (b,) of samples x (b, i), or of one row for all."""
        with torch.no_grad():
            y = self.probe.outputs(x)
            return [output.of(y, slice(None)) for output in self.outputs]


@dataclass(frozen=True)
class OutputScores:
    """Scores of one output by site, (b, n), and their convergence deltas, (b,).

    For edges there is one site, ``"edges"``, with (e,) or (b, e) over the edge table's rows.
    """

    scores: Mapping[str, Tensor]
    deltas: Mapping[str, Tensor]


Engine = Callable[[Task], list[OutputScores]]


# On a CPU more is slower (values leave the cache), on a GPU less is.
BYTES_AT_ONCE = {"cpu": 64 * 2**20, "cuda": 2**31}
_COPIES = 4  # a node's value is kept forward, backward, and once more on either way
_OVERHEAD = 2048  # bytes that Captum and autograd keep for each evaluation, however few nodes


def evaluations_at_once(task: Task) -> int:
    """Return how many rows the model may be given at once; at least two."""
    if task.method.batch == "internal_batch_size" and (given := task.call.get(task.method.batch)):
        return max(2, int(given))
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
    return console.progress_bar(task.method.name, total, quiet=task.quiet)


def with_progress(task: Task, chunks: list[Part]) -> Iterator[Part]:
    """Yield parts, and show how many are done."""
    with progress_bar(task, len(chunks)) as bar:
        for part in chunks:
            yield part
            bar.update()
