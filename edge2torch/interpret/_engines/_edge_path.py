"""Scores of all edges from passes along a path: O(edges), never samples × edges at once."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from edge2torch.interpret._engines._edge_reads import EdgeRead, edge_reads
from edge2torch.interpret._engines._task import OutputScores, Task
from edge2torch.interpret._engines._walk import Path, PathChunk, walk

EDGES = "edges"


def along_edges(task: Task) -> list[OutputScores]:
    """Return what flows along each edge of the table: the mean (e,), or by sample (b, e)."""
    reads = edge_reads(task.base, task.artifact)
    path, overlap = _path(task)
    flows = Flows(task)

    def add(chunk: PathChunk) -> None:
        for call, gradient in zip(chunk.calls, chunk.gradients, strict=True):
            if gradient is None:
                continue
            read = reads[call.place]
            inputs = chunk.by_point(read.inputs(call.inputs))
            slopes = chunk.by_point(gradient)
            if overlap:
                inputs, slopes = inputs.diff(dim=0), slopes[:-1]
            flows.add(chunk, read, slopes, inputs)

    walk(task, [read.module for read in reads], path, add, overlap=overlap)
    return flows.results()


def _path(task: Task) -> tuple[Path, int]:
    settings: dict[str, Any] = {"method": "gausslegendre", **task.method.defaults, **task.call}
    if task.method.name == "EdgeConductance":
        return Path.of(settings["method"], settings["n_steps"] + 1), 1
    return Path.end(), 0


class Flows:
    """Sums over points, and over samples unless each is wanted."""

    def __init__(self, task: Task) -> None:
        self.task = task
        n_edges = task.artifact.graph.n_edges
        rows = len(task.x) if task.by_sample else 1
        self.totals = [task.x.new_zeros(rows, n_edges + 1) for _ in task.outputs]

    def add(self, chunk: PathChunk, read: EdgeRead, slopes: Tensor, inputs: Tensor) -> None:
        """Add weight × slope at the target (p, b, o) × input at the source (p, b, i)."""
        total = self.totals[chunk.output]
        if not self.task.by_sample:
            self._add(total[0], read, slopes.flatten(0, 1), inputs.flatten(0, 1))
            return
        for k in range(slopes.shape[1]):  # a row of the answer is as large as the sum itself
            self._add(total[chunk.samples.start + k], read, slopes[:, k], inputs[:, k])

    def _add(self, row: Tensor, read: EdgeRead, slopes: Tensor, inputs: Tensor) -> None:
        flow = read.flow(slopes.to(row.dtype), inputs.to(row.dtype))
        row.index_add_(0, read.edges, flow)  # edges that are not in the table go to the last place

    def results(self) -> list[OutputScores]:
        """Return the mean over samples, or every sample."""
        rows = [total[:, :-1].cpu() for total in self.totals]
        if not self.task.by_sample:
            rows = [total[0] / len(self.task.x) for total in rows]
        return [OutputScores({EDGES: scores}, {}) for scores in rows]
