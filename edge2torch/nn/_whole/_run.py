"""One call: a function of the input and of all parameters."""

from __future__ import annotations

import functools
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from edge2torch.nn._whole._layout import Layout
from edge2torch.nn._whole._replay import differentiable_gradients
from edge2torch.nn._whole._stages import Tables
from edge2torch.nn._whole._tensors import Tensors
from edge2torch.nn._whole._threads import count_threads, share_out, shares
from edge2torch.nn._whole._watch import Watched

LANES = 32  # as in the walk
WIDTH = 64  # samples side by side in a block


class Run:
    """One call: what forward leaves for backward."""

    def __init__(
        self, model: Any, watched: Watched, tables: Tables, parameters: list[Tensor], walk: Any
    ) -> None:
        self.model, self.watched, self.tables, self.walk = model, watched, tables, walk
        self.parameters = parameters
        self.layout: Layout = watched.layout

    def requires_grad(self) -> bool:
        """Tell whether any parameter does; usually the first."""
        return any(one.requires_grad for one in self.parameters)

    def forward(self, x: Tensor, *, keeps: bool) -> Tensor:
        """Return the output (b, o); the state stays here if it ``keeps``."""
        layout, tables = self.layout, self.tables
        x = x.detach().contiguous()
        self.flat = self._collected(x, self.watched.parameters)
        self.seed = int(torch.randint(2**62, ())) if tables.draws else 0
        self.moments = self._moments(x)
        batch = self.batch = x.shape[0]
        whole = -(-batch // LANES) * LANES
        width = self.width = whole if tables.learns else min(whole, WIDTH)
        blocks = self.blocks = -(-batch // width)
        self.valid = _valid(width, batch, x.dtype) if tables.learns else self.moments
        y = x.new_empty(batch, len(layout.outs))
        rows, out = x.numpy().reshape(-1), y.numpy().reshape(-1)
        threads = self.threads = count_threads(blocks, len(layout.place) * width)
        held = blocks if keeps else 1
        n_edges, n_rows = len(layout.place), layout.n_rows
        rooms = [_rooms(x, n_edges, held * n_rows * width, held * tables.n_kept * width)]
        rooms += [
            [_rooms(x, n_edges)[0], *rooms[0][1:]] if keeps else _rooms(x, *map(len, rooms[0]))
            for _ in range(1, threads)
        ]
        self.w, self.state, self.kept = rooms[0]
        parts = shares(blocks, threads)

        def walk(k: int) -> None:
            self.walk.forward(
                rows, self.flat, *rooms[k], out, self.valid, self.moments, batch, width, *parts[k],
                keeps, layout.n_in, layout.crow, layout.col, layout.place, layout.sign,
                tables.edge_drop, tables.node, tables.numbers, tables.norms, tables.epsilon,
                layout.outs, self.seed,
            )  # fmt: skip

        share_out(walk, threads, f"forward pass in {x.dtype}")
        if tables.learns:
            self._learn()
        return y

    def _collected(self, like: Tensor, tensors: Tensors) -> Any:
        """Return copies of many vectors, one after the other."""
        flat = like.new_empty(tensors.total).numpy()
        self.walk.collect(tensors.addresses, tensors.lengths, flat)
        return flat

    def _moments(self, x: Tensor) -> Any:
        """Return the norms' means and variances, (2 norms,): known ones, or room for the batch's."""
        tables = self.tables
        if tables.learns or tables.running is None:
            return x.new_empty(2 * len(tables.norms)).numpy()
        return self._collected(x, tables.running)

    def _learn(self) -> None:
        """Move the running moments of norms that learn towards the batch's."""
        running, counts = self.tables.running, self.tables.counts
        if running is not None and counts is not None:
            self.walk.learn(
                running.addresses, running.lengths, counts.addresses, self.moments,
                self.tables.momentum, self.batch / (self.batch - 1),
            )  # fmt: skip

    def backward(self, gradient: Tensor, *, wants_x: bool) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the input (b, i) and of all parameters, one after the other."""
        layout, tables = self.layout, self.tables
        out = gradient.contiguous().numpy().reshape(-1)
        n_edges, n_sums = len(layout.place), layout.n_nodes + 2 * len(tables.norms)
        n_rows = layout.n_rows if wants_x else layout.longest
        rooms = [
            _rooms(gradient, n_rows * self.width, n_edges, n_sums) for _ in range(self.threads)
        ]
        dx = gradient.new_empty(self.batch, layout.n_in) if wants_x else None
        into = self.flat if dx is None else dx.numpy().reshape(-1)
        d_flat = gradient.new_empty(len(self.flat))
        parts = shares(self.blocks, self.threads)

        def walk(k: int) -> None:
            self.walk.backward(
                out, into, self.flat, self.w, self.state, self.kept, *rooms[k], self.valid,
                self.moments, self.batch, self.width, *parts[k], wants_x, layout.n_in, layout.crow,
                layout.col, layout.ccol, layout.target, layout.edge, layout.segments, tables.node,
                tables.numbers, tables.norms, tables.epsilon, layout.outs, layout.out_of, self.seed,
            )  # fmt: skip

        share_out(walk, self.threads, f"backward pass in {gradient.dtype}")
        _, d_edges, d_nodes = rooms[0]
        for _, more_edges, more_nodes in rooms[1:]:
            d_edges += more_edges
            d_nodes += more_nodes
        self.walk.place_gradients(
            d_edges, d_nodes, d_flat.numpy(), self.flat, layout.place, layout.sign,
            tables.edge_drop, tables.node, tables.norms, self.seed,
        )  # fmt: skip
        return dx, d_flat


class Whole(Function):
    """(x (b, i), parameters) -> (b, o)."""

    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.run = run
        ctx.save_for_backward(x, *parameters)
        return run.forward(x, keeps=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        run, wanted = ctx.run, ctx.needs_input_grad
        x, *parameters = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again: by what can be
            return None, *differentiable_gradients(run, x, parameters, gradient, wanted[1:])
        dx, flat = run.backward(gradient, wants_x=wanted[1])
        parts = torch.unsafe_split_with_sizes(flat, run.watched.parameters.sizes)
        return (
            None,
            dx,
            *(
                part if is_wanted else None
                for part, is_wanted in zip(parts, wanted[2:], strict=True)
            ),
        )


def _rooms(like: Tensor, *sizes: int) -> list[Any]:
    """Return room for several arrays in one piece, each at the beginning of a cache line."""
    wide = [-(-size // 16) * 16 for size in sizes]
    room = like.new_empty(sum(wide)).numpy()
    starts = accumulate(wide, initial=0)
    return [room[start : start + size] for start, size in zip(starts, sizes, strict=False)]


@functools.lru_cache(maxsize=16)
def _valid(width: int, batch: int, dtype: torch.dtype) -> Any:
    """Return 1 for each sample, and 0 for what fills the row up."""
    return (torch.arange(width) < batch).to(dtype).numpy()
