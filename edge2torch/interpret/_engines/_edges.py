"""Scores of edges: what flows along them on a path, or what is lost when they are taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial, singledispatch
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.hooks import hooked
from edge2torch.compile import CompileArtifact
from edge2torch.graph import GnnPlan
from edge2torch.interpret._engines._task import OutputScores, Part, Task, parts, with_progress
from edge2torch.interpret._engines._walk import Path, PathChunk, walk
from edge2torch.nn import CompiledModel, EdgeGraphNNModel, EdgePattern, MaskedLinear, Readout


@dataclass(frozen=True)
class EdgeRead:
    """A module whose output (b, o) is a sum over its inputs (b, i) along k weights.

    Parameters
    ----------
    module : EdgePattern
        Holds target and source positions of the weights.
    weights : Tensor, shape (k,)
        What an input is multiplied by.
    edges : Tensor of int64, shape (k,)
        Row of the edge table that a weight belongs to; one past the last for edges added to it.
    """

    module: EdgePattern
    weights: Tensor
    edges: Tensor

    def inputs(self, arguments: tuple[Any, ...]) -> Tensor:
        """Return what the module reads (b, i) from its arguments."""
        return cast(Tensor, arguments[0].t() if isinstance(self.module, Readout) else arguments[0])

    def flow(self, gradients: Tensor, inputs: Tensor) -> Tensor:
        """Return weight × Σ over rows of gradient at the target × input at the source, (k,)."""
        unit = torch.zeros_like(self.weights, requires_grad=True)
        with torch.enable_grad():
            # a sum, for torch compares the shapes of given gradients by its compiler: 0.4 s to load
            total = (self.module.product(unit, inputs.detach()) * gradients.detach()).sum()
        return torch.autograd.grad(total, unit)[0] * self.weights

    def carried(self, factor: Tensor, inputs: Tensor) -> Tensor:
        """Return what weights times a factor (k,) bring to the targets, (b, o)."""
        return self.module.product(self.weights * factor, inputs)


def edge_reads(base: CompiledModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return every place at which a model reads along edges; bias and gates apart."""
    with torch.no_grad():
        return [read for read in _reads(base, artifact) if len(read.weights)]


@singledispatch
def _reads(base: CompiledModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return the layers that hold weights: one per array of edges, or several over the same."""
    return [_of_layer(layer, rows) for rows, layer in artifact.bind(base).edge_layers()]


@_reads.register
def _(base: EdgeGraphNNModel, artifact: CompileArtifact) -> list[EdgeRead]:
    """Return where edge states are read: by the nodes of each layer, and by the outputs."""
    edges = cast(GnnPlan, artifact.execution_plan).edges
    edges = np.where(edges < 0, artifact.graph.n_edges, edges)
    layers = [cast(MaskedLinear, layer) for layer in base.edge_to_node]
    reads = [_of_layer(layer, edges[layer.col.cpu().numpy()]) for layer in layers]
    readout = base.readout
    scale = readout.scale * readout.degree.to(layers[0].weight.dtype).rsqrt()
    of_outputs = torch.from_numpy(edges[readout.col.cpu().numpy()]).to(scale.device)
    return [*reads, EdgeRead(readout, scale.index_select(0, readout.row.long()), of_outputs)]


def _of_layer(layer: MaskedLinear, edges: NDArray[np.int64]) -> EdgeRead:
    weights = layer.edge_weights().detach()
    return EdgeRead(layer, weights, torch.from_numpy(edges).to(weights.device))


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
        cuts = [weights.among(edges) for weights in by_edge]

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
        # sorted, the weights of an edge stand together, and a search finds where they begin and end
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
