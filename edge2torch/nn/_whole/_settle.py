"""Steady states of recurrent models: all updates in one call, and all products on the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edge2torch.nn._whole._engine import WholeGraph
from edge2torch.nn._whole._run import Run, check_versions
from edge2torch.nn._whole._tensors import CPU
from edge2torch.nn._whole._threads import share_out


def settle(
    update: WholeGraph, model: Any, x: Tensor, h: Tensor, tolerance: float, most: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Update nodes until each sample is steady; nothing of it is kept for a way back.

    Parameters
    ----------
    update : WholeGraph
        One step from a given state.
    model : RecurrentEdgeModel
    x, h : Tensor, shapes (b, i) and (b, m)
        The inputs, and the nodes to begin with.
    tolerance : float
        Largest change of a node, relative to the sample's largest value, at which it is steady.
    most : int
        Updates.

    Returns
    -------
    tuple of Tensor, shapes (b, m), (b,) and (b,); or None
        Nodes, updates and the last relative change of each sample. None where the walk does not know how,
        where norms learn from each update or draws are to be the same, and where a value is not finite,
        which is to be told update by update.
    """
    state = torch.cat([x, h], dim=1)
    run = update.ready(model, state, like=state)
    if not isinstance(run, Run) or run.tables.draws or len(run.tables.norms):
        return None
    plan, room = run.begin(state, keeps=False)
    _table, parameters = run.watched.parameters.table  # alive as long as this call
    if plan.threads > 1:
        run.walk.collect(plan.like, plan.graph, parameters, room.flat.ctypes.data, 0)
        parameters = 0
    batch = state.shape[0]
    steps = torch.zeros(batch, dtype=torch.int64, device=CPU)
    change = state.new_full((batch,), torch.inf)
    lost = torch.zeros(plan.threads, dtype=torch.int64, device=CPU)
    work = state.new_empty(plan.threads, 4 * plan.width)
    share_out(
        run.walk.settle,
        [
            (plan.rows, plan.graph, here, parameters, state.data_ptr(), steps.data_ptr(),
             change.data_ptr(), own.data_ptr(), room_of.data_ptr(), tolerance, most, x.shape[1],
             batch, *part, 0)
            for here, own, room_of, part in zip(room.at, lost, work, plan.parts, strict=True)
        ],
    )  # fmt: skip
    if lost.any():
        return None
    return state[:, x.shape[1] :], steps, change


def through_inverse(once: Tensor, arriving: Tensor, tolerance: float, most: int) -> Tensor | None:
    """Return the gradient of steady nodes (b, m) as it arrives at their last update.

    That is ``arriving`` (b, m) times the transposed inverse of 1 - J, J the slopes of the update:
    the series g + J'g + J'J'g + ..., of each sample until it adds less than the tolerance, or after
    ``most`` terms. None where ``once``, the nodes after the update, is not what one pass put out.
    """
    node = once.grad_fn
    run = getattr(node, "run", None)
    if not isinstance(run, Run) or not torch._C._has_storage(arriving):
        return None
    plan, room = run.plan, run.room
    if room is None or not plan.keeps:
        return None
    check_versions(run, node.versions)  # type: ignore[union-attr]
    found = arriving.resolve_neg().clone(memory_format=torch.contiguous_format)
    size = run.layout.n_in - len(run.layout.outs)  # inputs
    d = found.new_empty(plan.threads, plan.lengths[0])
    work = found.new_empty(plan.threads, (2 * len(run.layout.outs) + 3) * plan.width)
    with run.lock:
        room.open_behind(plan, wants_x=True)
        share_out(
            run.walk.invert,
            [
                (plan.rows, plan.graph, here, found.data_ptr(), scratch.data_ptr(), own.data_ptr(),
                 tolerance, most, size, run.batch, *part, run.seed)
                for here, scratch, own, part in zip(room.at, d, work, plan.parts, strict=True)
            ],
        )  # fmt: skip
    return found
