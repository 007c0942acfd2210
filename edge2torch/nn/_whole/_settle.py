"""Steady states of recurrent models: all updates in one call, and all products on the way back."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from edge2torch.nn._hold import Held, Hold
from edge2torch.nn._whole._engine import WholeGraph
from edge2torch.nn._whole._run import Run, check_versions
from edge2torch.nn._whole._tensors import CPU
from edge2torch.nn._whole._threads import share_out


class AtOnce:
    """One search for a steady state, where it can be made by a call each way.

    Parameters
    ----------
    update : WholeGraph
        One step from a given state.
    model : RecurrentEdgeModel
    x : Tensor, shape (b, i)
        The inputs.
    holds : tuple of Hold
        What acts on values of nodes, after each update.

    Attributes
    ----------
    last : Tensor or None
        What one pass put out in the last update that was made on its own, before nodes were held.
    """

    def __init__(
        self, update: WholeGraph, model: Any, x: Tensor, holds: tuple[Hold, ...] = ()
    ) -> None:
        self.update, self.model, self.x, self.holds = update, model, x, holds
        self.last: Tensor | None = None

    @cached_property
    def _held(self) -> Held:
        with torch.no_grad():
            return Held.of(self.holds, self.x, first=self.x.shape[1])

    def settle(
        self, h: Tensor, tolerance: float, most: int
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Update nodes until each sample is steady; nothing of it is kept for a way back.

        Parameters
        ----------
        h : Tensor, shape (b, m)
            The nodes to begin with.
        tolerance : float
            Largest change of a node, relative to the sample's largest value, at which it is steady.
        most : int
            Updates.

        Returns
        -------
        tuple of Tensor, shapes (b, m), (b,) and (b,); or None
            Nodes, updates and the last relative change of each sample. None where the walk does not know
            how, where norms learn from each update or draws are to be the same, and where a value is not
            finite, which is to be told update by update.
        """
        state = torch.cat([self.x, h], dim=1)
        run = self.update.ready(self.model, state, like=state)
        if not isinstance(run, Run):
            return None
        held = self._held  # for the way back, too: who holds may write other numbers there by then
        if run.tables.draws or len(run.tables.norms):
            return None
        plan, room = run.begin(state, keeps=False)
        _table, parameters = run.watched.parameters.table  # alive as long as this call
        if plan.threads > 1:
            run.walk.collect(plan.like, plan.graph, parameters, room.flat.ctypes.data, 0)
            parameters = 0
        batch, n_inputs = state.shape[0], self.x.shape[1]
        steps = torch.zeros(batch, dtype=torch.int64, device=CPU)
        change = state.new_full((batch,), torch.inf)
        lost = torch.zeros(plan.threads, dtype=torch.int64, device=CPU)
        work = state.new_empty(plan.threads, (4 + 2 * held.count) * plan.width)
        share_out(
            run.walk.settle,
            [
                (plan.rows, plan.graph, here, parameters, state.data_ptr(), *held.table(), steps.data_ptr(),
                 change.data_ptr(), own.data_ptr(), room_of.data_ptr(), tolerance, most, n_inputs,
                 batch, *part, 0)
                for here, own, room_of, part in zip(room.at, lost, work, plan.parts, strict=True)
            ],
        )  # fmt: skip
        if lost.any():
            return None
        return state[:, n_inputs:], steps, change

    def invert(self, arriving: Tensor, tolerance: float, most: int) -> Tensor | None:
        """Return the gradient of steady nodes (b, m) as it arrives at their last update.

        That is ``arriving`` (b, m) times the transposed inverse of 1 - J, J the slopes of the update:
        the series g + J'g + J'J'g + ..., of each sample until it adds less than the tolerance, or after
        ``most`` terms. None where the last update was not one pass.
        """
        node = None if self.last is None else self.last.grad_fn
        run = getattr(node, "run", None)
        if not isinstance(run, Run) or not torch._C._has_storage(arriving):
            return None
        plan, room = run.plan, run.room
        if room is None or not plan.keeps:
            return None
        check_versions(run, node.versions)  # type: ignore[union-attr]
        found = arriving.resolve_neg().clone(memory_format=torch.contiguous_format)
        held, size = self._held, run.layout.n_in - len(run.layout.outs)  # inputs
        rows = 2 * len(run.layout.outs) + 3 + 2 * held.count
        d = found.new_empty(plan.threads, plan.lengths[0])
        work = found.new_empty(plan.threads, rows * plan.width)
        with run.lock:
            room.open_behind(plan, wants_x=True)
            share_out(
                run.walk.invert,
                [
                    (plan.rows, plan.graph, here, found.data_ptr(), *held.table(), scratch.data_ptr(),
                     own.data_ptr(), tolerance, most, size, run.batch, *part, run.seed)
                    for here, scratch, own, part in zip(room.at, d, work, plan.parts, strict=True)
                ],
            )  # fmt: skip
        return found
