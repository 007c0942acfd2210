"""Scores of all nodes from one pass along the path: each site is seen in the same runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from edge2torch.interpret._engines._conductance import conductance_in_one_pass
from edge2torch.interpret._engines._sites import Site, update_of
from edge2torch.interpret._engines._task import OutputScores, Task
from edge2torch.interpret._engines._units import first_direction, norms, summed
from edge2torch.interpret._engines._walk import Path, PathChunk, walk

Score = Callable[[Tensor, Tensor, Tensor], Tensor]


def along_path(task: Task) -> list[OutputScores]:
    """Return a method's scores (b, n) at every site, and deltas (b,) where they are asked for."""
    settings = {"method": "gausslegendre", **task.method.defaults, **task.call}
    path, overlap = _path(task.method.name, **settings)
    score, slope = _SCORES[task.method.name], task.method.by_gradient
    if task.method.name == "LayerConductance":
        passed = conductance_in_one_pass(task, path)
        if passed is not None:
            return _results(task, passed, [])
    inner = [one for site in task.sites if slope and (one := update_of(site, task.base))]
    seen = [*task.sites, *inner]
    totals = [
        [task.x.new_zeros(len(task.x), len(site.columns)) for site in seen] for _ in task.outputs
    ]
    lengths = torch.tensor(path.length, dtype=task.x.dtype, device=task.x.device)

    def add(chunk: PathChunk) -> None:
        for call, gradient in zip(chunk.calls, chunk.gradients, strict=True):
            if slope and gradient is None:
                continue
            values = slopes = chunk.by_point(call.output)
            if gradient is not None:
                share = seen[call.place].share(call.inputs)
                slopes = chunk.by_point(gradient if share is None else gradient * share)
            part = score(values, slopes, lengths[chunk.points])
            if part.dim() == 3:  # gradients of a node's channels add up; values have a mean
                part = part.sum(2) if slope else part.mean(2)
            totals[chunk.output][call.place][chunk.samples] += part.to(task.x.dtype)

    walk(task, [site.module for site in seen], path, add, overlap=overlap, with_gradients=slope)
    return _results(task, totals, [site.name for site in inner])


def _path(name: str, method: str, n_steps: int = 0, **_: Any) -> tuple[Path, int]:
    if name == "LayerConductance":  # differences of neighbours: one point more than steps
        return Path.of(method, n_steps + 1), 1
    return (Path.of(method, n_steps) if n_steps else Path.end()), 0


def conductance(values: Tensor, slopes: Tensor, _: Tensor) -> Tensor:
    """Return the sum over points of gradient times the way to the next point's value."""
    total: Tensor = values.diff(dim=0).mul_(slopes[:-1]).sum(0)
    return total


def influence(_: Tensor, slopes: Tensor, lengths: Tensor) -> Tensor:
    """Return the gradient's mean along the path."""
    mean: Tensor = torch.tensordot(lengths.to(slopes.dtype), slopes, 1)
    return mean


def _by_node(task: Task, site: Site, scores: Tensor, k: int) -> Tensor:
    """Join the scores (b, columns) of a node's units: only what is shared out adds up."""
    if task.method.name == "LayerActivation":
        return first_direction(site, scores, task.outputs_at(task.x)[k])[0]
    return (norms if task.method.name == "InternalInfluence" else summed)(site, scores)


_SCORES: dict[str, Score] = {
    "LayerConductance": conductance,
    "InternalInfluence": influence,
    "LayerGradientXActivation": lambda values, slopes, _: (values * slopes).sum(0),
    "LayerActivation": lambda values, *_: values.sum(0),
}


def _results(task: Task, totals: list[list[Tensor]], inner: list[str]) -> list[OutputScores]:
    """Name the totals of the sites, behind which stand those of updates, by ``inner``.

    Deltas are those of the sites, each of which is a complete cut. In a steady state nodes stand
    behind one another, and each has what the update gives it.
    """
    n_sites, n_inputs = len(task.sites), task.base.in_features
    gaps: list[Tensor] = []
    if task.delta:
        start = torch.zeros_like(task.x) if task.baselines is None else task.baselines
        ends = zip(task.outputs_at(task.x), task.outputs_at(start), strict=True)
        gaps = [end - begin for end, begin in ends]
    results = []
    for k, total in enumerate(totals):
        scores = {site.name: score for site, score in zip(task.sites, total, strict=False)}
        deltas = {}
        if task.delta:
            deltas = {name: (score.sum(1) - gaps[k]).cpu() for name, score in scores.items()}
        for name, of_update in zip(inner, total[n_sites:], strict=True):
            scores[name][:, n_inputs:] = of_update[:, n_inputs:]
        for site in task.sites:
            if site.units is not None and not task.by_unit:
                scores[site.name] = _by_node(task, site, scores[site.name], k)
        results.append(OutputScores({name: score.cpu() for name, score in scores.items()}, deltas))
    return results
