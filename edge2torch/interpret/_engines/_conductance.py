"""Conductance of all nodes of a graph that is computed in one pass: no layer keeps its values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edge2torch.interpret._engines._task import BYTES_AT_ONCE, Task, progress_bar
from edge2torch.interpret._engines._walk import Path
from edge2torch.nn import BLOCK, EdgeModel, seen_in_one_pass

# Edges times points: less takes layer by layer half a second, for which nothing more is compiled.
_WORTH = 2e8


@dataclass(frozen=True)
class _Lanes:
    """Where the points of paths stand in blocks of samples: each path from its last point to its first.

    A path of many points takes several blocks, which share a point with their neighbours; where there
    are few points, a block holds the paths of several samples.

    Parameters
    ----------
    path : Tensor of int64, shape (BLOCK,)
        Which of a block's paths a lane belongs to.
    point : Tensor of int64, shape (pieces, BLOCK)
        Which point stands there; the last one again where points are used up.
    shares : Tensor of bool, shape (paths, BLOCK)
        Where a path has its next point to the left.
    """

    path: Tensor
    point: Tensor
    shares: Tensor

    @classmethod
    def of(cls, n_points: int) -> _Lanes:
        n_paths = max(1, BLOCK // n_points)
        size = BLOCK // n_paths
        lane = torch.arange(BLOCK)
        path = (lane // size).clamp_max(n_paths - 1)
        start = torch.arange(0, max(n_points - 1, 1), size - 1)
        point = start[:, None] + (size - 1 - (lane - path * size)).clamp_min(0)
        is_share = path == torch.arange(n_paths)[:, None]
        return cls(path, point.clamp_max(n_points - 1), is_share & (lane - path * size > 0))


def conductance_in_one_pass(task: Task, path: Path) -> list[list[Tensor]] | None:
    """Return each output's scores (b, columns) at every site, or None where layers have to be computed."""
    base, n = task.base, len(task.x)
    if not isinstance(base, EdgeModel) or base.engine == "layers" or task.probe.holds:
        return None
    layers = list(base.sites())
    work = sum(one.n_edges for one in base.edge_layers()) * n * len(path.at)
    # of the inputs, which are a site too, a walk back has no gradient
    if (base.engine == "auto" and work < _WORTH) or any(s.name not in layers for s in task.sites):
        return None
    lanes = _Lanes.of(len(path.at))
    at = torch.tensor(path.at, dtype=task.x.dtype, device=task.x.device)[lanes.point]
    totals = [[task.x.new_zeros(n, len(site.columns)) for site in task.sites] for _ in task.outputs]
    chunks = _chunks(task, lanes)
    with progress_bar(task, len(chunks)) as bar:
        for samples in chunks:
            found = _chunk(task, samples, lanes, at)
            if found is None:
                return None
            for total, flows in zip(totals, found, strict=True):
                for site, of_site in zip(task.sites, total, strict=True):
                    if flows:
                        of_site[samples.flatten()] = flows[layers.index(site.name)]
            bar.update()
    return totals


def _chunk(task: Task, samples: Tensor, lanes: _Lanes, at: Tensor) -> list[list[Tensor]] | None:
    """Return, by output and layer, what flows through nodes in samples (groups, paths): (samples, n).

    Nothing of an output that does not depend on the graph; None where layers have to be computed.
    """
    rows = samples[:, None, lanes.path].expand(-1, len(at), -1).flatten()
    with seen_in_one_pass(task.base) as seen:
        y = task.probe.outputs(_points(task, samples[:, None, lanes.path], at))
    if len(seen) != 1:
        return None
    found = []
    for output in task.outputs:
        if not isinstance(output.column, int):  # one for each sample
            column = [output.column[row] for row in rows.tolist()]
            explained = replace(output, column=column).of(y, slice(None))
        else:
            explained = output.of(y, slice(None))
        gradient = None
        if explained.requires_grad:
            (gradient,) = torch.autograd.grad(
                explained.sum(), [seen[0].y], retain_graph=True, allow_unused=True
            )
        flows = [] if gradient is None else seen[0].conductance(gradient, lanes.shares)
        # a path's pieces add up
        found.append([one.unflatten(0, (len(samples), -1)).sum(1).flatten(0, 1) for one in flows])
    return found


def _chunks(task: Task, lanes: _Lanes) -> tuple[Tensor, ...]:
    """Return samples (groups, paths) that are computed at once; the last one again to fill a block."""
    n_pieces, n_paths = len(lanes.point), len(lanes.shares)
    samples = torch.arange(-(-len(task.x) // n_paths) * n_paths).clamp_max(len(task.x) - 1)
    row = 4 * task.x.element_size() * max(1, task.x.shape[1])  # bytes, with what is made on the way
    at_once = int(task.call.get("internal_batch_size") or BYTES_AT_ONCE["cpu"] // row)
    groups: tuple[Tensor, ...] = torch.split(
        samples.view(-1, n_paths), max(1, at_once // (BLOCK * n_pieces))
    )
    return groups


def _points(task: Task, samples: Tensor, at: Tensor) -> Tensor:
    """Return points on the paths of samples (groups, 1, BLOCK), (groups * pieces * BLOCK, i)."""
    x, at = task.x[samples], at[..., None]
    if task.baselines is None:
        points = x * at
    else:
        start = task.baselines[samples]
        points = torch.addcmul(start, x - start, at)
    return points.flatten(0, 2)
