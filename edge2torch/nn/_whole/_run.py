"""One call: a function of the input and of all parameters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from edge2torch.nn._whole._layout import Layout
from edge2torch.nn._whole._replay import differentiable_gradients
from edge2torch.nn._whole._stages import Tables
from edge2torch.nn._whole._threads import count_threads, share_out, shares
from edge2torch.nn._whole._watch import Watched

LANES = 32  # as in the walk
WIDTH = 64  # samples side by side in a block


class Room:
    """Memory of one call; a later call of the same kind takes it over.

    Parameters
    ----------
    dtype : torch.dtype
    lengths : sequence of int
        Parameters, moments of norms, edges, the state and what is kept beside it.
    threads : int
        How many walk at the same time, each with edge weights of its own.
    is_shared : bool
        Whether they fill parts of one state, which stays for backward.
    """

    def __init__(
        self, dtype: torch.dtype, lengths: Sequence[int], threads: int, *, is_shared: bool
    ) -> None:
        *_, n_edges, n_state, n_kept = lengths
        self.flat, self.moments, *first = _arrays(dtype, *lengths)
        self.walks = [first]
        for _ in range(1, threads):
            more = _arrays(dtype, n_edges, *(() if is_shared else (n_state, n_kept)))
            self.walks.append([*more, *(first[1:] if is_shared else ())])
        self.n_bytes = dtype.itemsize * threads * sum(lengths)
        self._behind: dict[int, list[list[Any]]] = {}
        self._dtype = dtype

    def behind(self, n_rows: int, n_sums: int) -> list[list[Any]]:
        """Return what backward fills, for each thread: gradients of rows, of edges, and sums."""
        if n_rows not in self._behind:
            sizes = n_rows, len(self.walks[0][0]), n_sums
            self._behind[n_rows] = [_arrays(self._dtype, *sizes) for _ in self.walks]
            self.n_bytes += self._dtype.itemsize * len(self.walks) * sum(sizes)
        return self._behind[n_rows]


class Run:
    """One call: what forward leaves for backward."""

    room: Room | None = None

    def __init__(
        self, model: Any, watched: Watched, tables: Tables, parameters: list[Tensor], walk: Any
    ) -> None:
        self.model, self.watched, self.tables, self.walk = model, watched, tables, walk
        self.parameters = parameters
        self.layout: Layout = watched.layout

    def __del__(self) -> None:
        if self.room is not None:
            self.watched.rooms.give(self.kind, self.room)

    def requires_grad(self) -> bool:
        """Tell whether any parameter does; usually the first."""
        return any(one.requires_grad for one in self.parameters)

    def forward(self, x: Tensor, *, keeps: bool) -> Tensor:
        """Return the output (b, o); the state stays here if it ``keeps``."""
        layout, tables, own = self.layout, self.tables, self.watched.parameters
        x = (x.detach() if x.requires_grad else x).contiguous()
        self.seed = int(torch.randint(2**62, ())) if tables.draws else 0
        batch = self.batch = x.shape[0]
        whole = -(-batch // LANES) * LANES
        width = self.width = whole if tables.learns else min(whole, WIDTH)
        blocks = self.blocks = -(-batch // width)
        threads = count_threads(blocks, len(layout.place) * width)
        keeps = keeps and not layout.alone
        held = width * blocks if keeps else width
        lengths = (
            own.total, 2 * len(tables.norms), len(layout.place), held * layout.n_held,
            held * self.watched.kept_rows(tables),
        )  # fmt: skip
        self.kind = (x.dtype, lengths, threads, keeps)
        room = self.watched.rooms.take(self.kind)
        room = self.room = room or Room(x.dtype, lengths, threads, is_shared=keeps)
        y = x.new_empty(batch, len(layout.outs))
        rows, out = x.numpy().reshape(-1), y.numpy().reshape(-1)
        self.rows = rows  # of the input, for segments that are computed twice
        flat, moments = self.flat, self.moments = room.flat, room.moments
        if tables.running is not None and not tables.learns:
            self.walk.collect(tables.running.addresses, tables.running.lengths, moments)
        valid = self.valid = _valid(width, batch, x.dtype) if tables.learns else moments
        if threads > 1:
            self.walk.collect(own.addresses, own.lengths, flat)
        parts = shares(blocks, threads)

        def walk(k: int) -> None:
            self.walk.forward(
                rows, own.addresses, own.lengths, threads == 1, flat, *room.walks[k], out, valid,
                moments, batch, width, *parts[k], keeps, layout.alone, layout.n_in, layout.crow,
                layout.near, layout.segments, layout.place, layout.sign, tables.edge_drop,
                tables.node, tables.numbers, tables.norms, tables.epsilon, layout.outs,
                layout.out_of, self.seed,
            )  # fmt: skip

        share_out(walk, threads, "forward", x.dtype)
        if tables.learns:
            self._learn()
        return y

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
        layout, tables, room = self.layout, self.tables, self.room
        assert room is not None  # noqa: S101 - forward has set it
        out = gradient.contiguous().numpy().reshape(-1)
        n_rows = layout.n_rows if wants_x else layout.longest
        behind = room.behind(n_rows * self.width, layout.n_nodes + 2 * len(tables.norms))
        dx = gradient.new_empty(self.batch, layout.n_in) if wants_x else None
        into = self.flat if dx is None else dx.numpy().reshape(-1)
        d_flat = gradient.new_empty(len(self.flat))
        threads = len(room.walks)
        parts = shares(self.blocks, threads)
        d_parameters = d_flat.numpy()

        def walk(k: int) -> None:
            self.walk.backward(
                out, self.rows, into, d_parameters, threads == 1, self.flat, *room.walks[k], *behind[k],
                self.valid, self.moments, self.batch, self.width, *parts[k], wants_x, layout.alone,
                layout.n_in, layout.crow, layout.col, layout.near, layout.ccol, layout.target,
                layout.edge, layout.segments, layout.place, layout.sign, tables.edge_drop, tables.node, tables.numbers,
                tables.norms, tables.epsilon, layout.outs, layout.out_of, self.seed,
            )  # fmt: skip

        share_out(walk, threads, "backward", gradient.dtype)
        if threads > 1:
            _, d_edges, d_nodes = behind[0]
            for _, more_edges, more_nodes in behind[1:]:
                d_edges += more_edges
                d_nodes += more_nodes
            self.walk.place_gradients(
                d_edges, d_nodes, d_parameters, self.flat, layout.place, layout.sign,
                tables.edge_drop, tables.node, tables.norms, self.seed,
            )  # fmt: skip
        return dx, d_flat


class Whole(Function):
    """(x (b, i), parameters) -> (b, o)."""

    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, *parameters: Tensor) -> Tensor:
        # Parameters stay with the run: to save many small tensors takes longer than the walk.
        ctx.run, ctx.versions = run, [one._version for one in parameters]
        ctx.save_for_backward(x)
        return run.forward(x, keeps=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        run, (_, wants_x, *wanted) = ctx.run, ctx.needs_input_grad
        (x,) = ctx.saved_tensors
        if [one._version for one in run.parameters] != ctx.versions:
            raise RuntimeError(
                "One of the variables needed for gradient computation has been modified by an inplace "
                "operation: a parameter was changed between forward and backward. Call backward first."
            )
        if torch.is_grad_enabled():  # to be differentiated again: by what can be
            wanted = [wants_x, *wanted]
            return None, *differentiable_gradients(run, x, run.parameters, gradient, wanted)
        dx, flat = run.backward(gradient, wants_x=wants_x)
        parts: Any = torch.unsafe_split_with_sizes(flat, run.watched.parameters.sizes)
        if not all(wanted):
            parts = [
                part if is_wanted else None for part, is_wanted in zip(parts, wanted, strict=True)
            ]
        return None, dx, *parts


def _arrays(dtype: torch.dtype, *sizes: int) -> list[Any]:
    """Return several arrays in one piece, each at the beginning of a cache line."""
    wide = [-(-size // 16) * 16 for size in sizes]
    room = torch.empty(sum(wide), dtype=dtype).numpy()
    starts = accumulate(wide, initial=0)
    return [room[start : start + size] for start, size in zip(starts, sizes, strict=False)]


@functools.lru_cache(maxsize=16)
def _valid(width: int, batch: int, dtype: torch.dtype) -> Any:
    """Return 1 for each sample, and 0 for what fills the row up."""
    return (torch.arange(width) < batch).to(dtype).numpy()
