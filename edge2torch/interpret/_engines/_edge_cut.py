"""Scores of edges by taking them away: all of them bit by bit, or one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from edge2torch._core.hooks import hooked
from edge2torch.interpret._engines._chunks import Part, parts, with_progress
from edge2torch.interpret._engines._edge_path import Flows
from edge2torch.interpret._engines._edge_reads import EdgeRead, edge_reads
from edge2torch.interpret._engines._task import OutputScores, Task
from edge2torch.interpret._engines._walk import Path, PathChunk, walk

Change = Callable[[int, Tensor, Tensor], Tensor]


def along_mask(task: Task) -> list[OutputScores]:
    """Return integrated gradients by a factor on every edge, from 0 (no edge) to 1 (all)."""
    task = replace(task, baselines=task.x)  # the samples stay where they are
    reads = edge_reads(task.base, task.artifact)
    settings: dict[str, Any] = {"method": "gausslegendre", **task.method.defaults, **task.call}
    path = Path.of(settings["method"], settings["n_steps"])
    places, lengths = (
        torch.tensor(values, dtype=task.x.dtype, device=task.x.device)
        for values in (path.at, path.length)
    )
    flows = Flows(task)

    def faded(part: Part) -> AbstractContextManager[None]:
        n_samples = part.samples.stop - part.samples.start
        missing = (places[part.items] - 1).repeat_interleave(n_samples).unsqueeze(1)

        def fade(place: int, inputs: Tensor, output: Tensor) -> Tensor:
            read = reads[place]
            return output + missing * read.carried(torch.ones_like(read.weights), inputs)

        return changing(reads, fade)

    def add(chunk: PathChunk) -> None:
        for call, gradient in zip(chunk.calls, chunk.gradients, strict=True):
            if gradient is not None:
                read = reads[call.place]
                slopes = chunk.by_point(gradient) * lengths[chunk.points, None, None]
                flows.add(chunk, read, slopes, chunk.by_point(read.inputs(call.inputs)))

    walk(task, [read.module for read in reads], path, add, around=faded)
    return flows.results()


def by_cutting(task: Task) -> list[OutputScores]:
    """Return how far the output falls when an edge is taken away: the mean, or by sample."""
    reads = edge_reads(task.base, task.artifact)
    flows = Flows(task)
    unchanged = task.outputs_at(task.x)
    rows = torch.from_numpy(task.artifact.graph.active_rows).to(task.x.device)
    by_edge = [_Sorted(read) for read in reads]
    for part in with_progress(task, parts(task, max(len(rows), 1))):
        edges = rows[part.items]
        if not len(edges):
            continue
        n_samples = part.samples.stop - part.samples.start
        cuts = [own.among(edges) for own in by_edge]

        x = task.x[part.samples].repeat(len(edges), 1)
        with torch.no_grad(), changing(reads, partial(_cut, reads, cuts, len(edges))):
            y = task.probe.outputs(x)
        for output, full, total in zip(task.outputs, unchanged, flows.totals, strict=True):
            left = output.of(y, part.samples).view(len(edges), n_samples)
            fall = (full[part.samples] - left).to(total.dtype)
            if task.by_sample:
                total[part.samples, edges] = fall.T
            else:
                total[0, edges] += fall.sum(1)
    return flows.results()


class _Sorted:
    """The weights of a read, found by edge."""

    def __init__(self, read: EdgeRead) -> None:
        self.edges, self.order = read.edges.sort(stable=True)

    def among(self, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Return for every weight of some edges its edge's place among them, and the weight's."""
        first = torch.searchsorted(self.edges, edges)
        count = torch.searchsorted(self.edges, edges, right=True) - first
        which = torch.arange(len(edges), device=edges.device).repeat_interleave(count)
        within = torch.arange(len(which), device=edges.device)
        within -= (count.cumsum(0) - count).repeat_interleave(count)
        return which, self.order[first.repeat_interleave(count) + within]


def _cut(
    reads: list[EdgeRead],
    cuts: list[tuple[Tensor, Tensor]],
    n_edges: int,
    place: int,
    inputs: Tensor,
    output: Tensor,
) -> Tensor:
    """Take from the sums (edges * b, o) what each row's own edge has brought."""
    read, (which, weights) = reads[place], cuts[place]
    if not len(which):
        return output
    source, target = (index.long()[weights] for index in (read.module.col, read.module.row))
    brought = inputs.unflatten(0, (n_edges, -1)).transpose(1, 2)[which, source]
    brought = brought * read.weights[weights].unsqueeze(1)
    left = output.unflatten(0, (n_edges, -1)).transpose(1, 2)
    left = left.index_put((which, target), -brought.to(left.dtype), accumulate=True)
    rest: Tensor = left.transpose(1, 2).flatten(0, 1)
    return rest


@contextmanager
def changing(reads: Sequence[EdgeRead], change: Change) -> Iterator[None]:
    """Replace what modules give by ``change(place, inputs, output)`` while the model runs."""

    def act(place: int, inputs: Any, output: Tensor) -> Any:
        return change(place, reads[place].inputs(inputs), output)

    with hooked({place: read.module for place, read in enumerate(reads)}, act):
        yield
