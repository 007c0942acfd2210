"""One call: a function of the input and of all parameters."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from edge2torch.nn._whole._layout import Layout
from edge2torch.nn._whole._replay import differentiable_gradients
from edge2torch.nn._whole._stages import Tables
from edge2torch.nn._whole._tensors import CPU, LANES, WIDTH, lies_in_memory
from edge2torch.nn._whole._threads import count_threads, share_out, shares
from edge2torch.nn._whole._watch import Watched

_KEPT = 1 << 27  # bytes that stay with a model between two calls at most
# A state of so many bytes is kept for backward; of a larger one, segments that stay in the cache are
# computed anew on the way back, so that no memory is asked for. Kept, 5 to 200 networks of f (1 to 56
# MB) take .78 to .84 of the time.
_NEAR = 1 << 26
_SMALL = 1 << 20  # bytes of a state that stays near, for the widest block
_LINE = 64  # bytes of a cache line
_PLANS = 64  # batches of so many sizes are kept in mind
_TENSOR: Any = Tensor
# Unbound: the look through each tensor takes twice as long.
_VERSION, _IS_LEAF = _TENSOR._version.__get__, _TENSOR.is_leaf.__get__
_HOOKS = _TENSOR._backward_hooks.__get__
_LATE_HOOKS = _TENSOR._post_accumulate_grad_hooks.__get__


class Plan:
    """What calls of one kind have in common, and memory that none of them needs now.

    Fresh memory takes longer than the walk: a later call takes over that of one that is done with.

    Parameters
    ----------
    watched, tables, walk
        The graph, the settings of its nodes, the compiled functions.
    dtype : torch.dtype
    batch : int
        Samples.
    keeps : bool
        Whether the state stays for backward.
    """

    def __init__(
        self,
        watched: Watched,
        tables: Tables,
        walk: Any,
        dtype: torch.dtype,
        batch: int,
        keeps: bool,
    ) -> None:
        layout, own = watched.layout, watched.parameters
        self.layout, self.tables, self.batch, self.dtype = layout, tables, batch, dtype
        lanes = self._lanes(walk)
        whole = -(-batch // lanes) * lanes
        width = self.width = whole if tables.learns else min(whole, WIDTH)
        blocks = -(-batch // width)
        threads = self.threads = count_threads(blocks, len(layout.place) * width)
        self.parts = shares(blocks, threads)
        rows = layout.n_rows + tables.n_kept
        self.alone = layout.divides and not (
            keeps and dtype.itemsize * width * blocks * rows <= _NEAR
        )
        self.keeps = keeps and not self.alone  # then threads fill parts of one state
        held = width * blocks if self.keeps else width
        self.lengths = (
            own.total, 2 * len(tables.norms), held * layout.n_held(alone=self.alone),
            held * watched.kept_rows(tables, alone=self.alone),
        )  # fmt: skip
        slots, self.shared_rows = watched.slots()
        self.like = np.zeros(0, torch.zeros(0, dtype=dtype, device=CPU).numpy().dtype)
        self.rows = self.like if lanes == LANES else self.like[None]  # two axes: twice the lanes
        is_sample = torch.arange(width, device=CPU) < batch
        self.valid = is_sample.to(dtype).numpy() if tables.learns else self.like
        self.table, self._arrays = walk.pack_graph(
            layout, tables, slots, own.total, alone=self.alone
        )
        self.graph = self.table.ctypes.data
        self.pack = walk.pack
        self.free: list[Room] = []

    def _lanes(self, walk: Any) -> int:
        """Return how many samples are read at once.

        Of a small graph always as many as there can be: the last batch of an epoch would else ask
        for a walk of its own, which takes seconds to compile.
        """
        is_small = 4 * WIDTH * self.layout.n_rows <= _SMALL
        fits = -(-self.batch // LANES) % 2 == 0 if self.tables.learns else self.batch > LANES
        is_wide = walk.IS_WIDE and self.dtype == torch.float32 and (is_small or fits)
        return 2 * LANES if is_wide else LANES

    def take(self, plans: dict[Any, Plan]) -> Room:
        """Return memory, which is the caller's from now on."""
        try:
            return self.free.pop()
        except IndexError:
            room, others = Room(self), list(plans.values())  # other threads may add to them
            if room.n_bytes + sum(one.n_bytes for plan in others for one in plan.free) > _KEPT:
                for plan in others:
                    plan.free.clear()
            return room

    def give(self, room: Room) -> None:
        """Take memory back, unless that were too much to hold."""
        if room.n_bytes * (1 + len(self.free)) <= _KEPT:
            self.free.append(room)


class Room:
    """Memory of one call: parameters, moments of norms, and for each thread a state and more."""

    def __init__(self, plan: Plan) -> None:
        *_both, n_state, n_kept = plan.lengths
        self._rows = 0  # of the state that have a place for a gradient
        self.flat, self.moments, *first = _arrays(plan.dtype, *plan.lengths)
        self._walks = [first]
        for _ in range(1, plan.threads):
            self._walks.append(first if plan.keeps else _arrays(plan.dtype, n_state, n_kept))
        self._gradients = [plan.like] * plan.threads
        times = 1 if plan.keeps else plan.threads  # else a state of each thread
        self.n_bytes = plan.dtype.itemsize * (sum(plan.lengths[:2]) + times * sum(plan.lengths[2:]))
        self._pack(plan)

    def _pack(self, plan: Plan) -> None:
        shared = self.flat, self.moments, plan.valid if plan.tables.learns else self.moments
        self._tables = [
            plan.pack((plan.width, plan.keeps), (*shared, *walk, gradients))
            for walk, gradients in zip(self._walks, self._gradients, strict=True)
        ]
        self.at = [table.ctypes.data for table in self._tables]  # of each thread's table

    def open_behind(self, plan: Plan, *, wants_x: bool) -> None:
        """Make room for the gradients of rows that backward goes through."""
        n_rows = plan.layout.n_rows if wants_x else plan.shared_rows
        if n_rows <= self._rows:
            return
        size = n_rows * plan.width
        self._gradients = [_arrays(plan.dtype, size)[0] for _ in self._walks]
        self.n_bytes += plan.dtype.itemsize * plan.threads * size
        self._rows = n_rows
        self._pack(plan)


class Run:
    """One call: what forward leaves for backward."""

    room: Room | None = None

    def __init__(
        self, model: Any, watched: Watched, tables: Tables, parameters: list[Tensor], walk: Any
    ) -> None:
        self.model, self.watched, self.tables, self.walk = model, watched, tables, walk
        self.parameters = parameters
        self.layout: Layout = watched.layout
        self.lock = Lock()  # of the room, where threads go back through one graph

    def __del__(self) -> None:
        if self.room is not None:
            self.plan.give(self.room)

    def requires_grad(self) -> bool:
        """Tell whether any parameter does; usually the first."""
        first, *others = self.parameters
        return first.requires_grad or any(one.requires_grad for one in others)

    def may_go_past(self, x: Tensor) -> bool:
        """Tell whether nobody waits for the gradient of the input, or looks at that of a parameter.

        Parameters that were computed (``functional_call``) hand theirs on to what they come from.
        """
        own = self.parameters
        return not (x.requires_grad or self.is_looked_at()) and all(map(_IS_LEAF, own))

    def is_looked_at(self) -> bool:
        """Tell whether a parameter has a hook."""
        return any(map(_HOOKS, self.parameters)) or any(map(_LATE_HOOKS, self.parameters))

    def begin(self, x: Tensor, *, keeps: bool) -> tuple[Plan, Room]:
        """Draw a seed if one is asked for, and take memory for so many samples."""
        tables, watched, batch = self.tables, self.watched, x.shape[0]
        self.batch = batch
        self.seed = int(torch.randint(2**62, (), device=CPU)) if tables.draws else 0
        at = id(tables), x.dtype, batch, keeps, torch.get_num_threads()
        plan = watched.plans.get(at)
        if plan is None:
            if len(watched.plans) >= _PLANS:
                watched.plans.clear()
            plan = watched.plans[at] = Plan(watched, tables, self.walk, x.dtype, batch, keeps)
        self.plan, self.room = plan, plan.take(watched.plans)
        self.moments = self.room.moments
        return plan, self.room

    def forward(self, x: Tensor, *, keeps: bool) -> Tensor:
        """Return the output (b, o); the state stays here if it ``keeps``."""
        tables, walk, watched = self.tables, self.walk, self.watched
        x = x.contiguous()
        batch = x.shape[0]
        plan, room = self.begin(x, keeps=keeps)
        self.x = x if plan.alone else None  # for segments that are computed twice
        y = x.new_empty(batch, len(self.layout.outs))
        _table, parameters = watched.parameters.table  # alive as long as this call
        if tables.running is not None and not tables.learns:
            walk.collect(plan.like, 0, tables.running.table[1], room.moments.ctypes.data, 0)
        if plan.threads > 1:
            walk.collect(plan.like, plan.graph, parameters, room.flat.ctypes.data, self.seed)
            parameters = 0
        begin, end = x.data_ptr(), y.data_ptr()
        share_out(
            walk.forward,
            [
                (plan.rows, plan.graph, here, parameters, begin, end, batch, *part, self.seed)
                for here, part in zip(room.at, plan.parts, strict=True)
            ],
        )
        if tables.learns:
            self._learn()
        return y

    def _learn(self) -> None:
        """Move the running moments of norms that learn towards the batch's."""
        running, counts = self.tables.running, self.tables.counts
        if running is not None and counts is not None:
            self.walk.learn(
                self.plan.like, running.table[1], counts.table[1], self.moments.ctypes.data,
                self.tables.momentum.ctypes.data, self.batch / (self.batch - 1),
            )  # fmt: skip

    def backward(
        self, gradient: Tensor, *, wants_x: bool, wants_own: bool = True
    ) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the input (b, i) and of all parameters, one after the other.

        If nobody ``wants_own``, those of parameters are not all there.
        """
        gradient = gradient.contiguous()
        if not lies_in_memory(gradient):
            gradient = gradient.resolve_neg() + 0
        with self.lock:
            return self._backward(gradient, wants_x=wants_x, wants_own=wants_own)

    def _backward(
        self, gradient: Tensor, *, wants_x: bool, wants_own: bool
    ) -> tuple[Tensor | None, Tensor]:
        plan, room, walk = self.plan, self.room, self.walk
        assert room is not None  # noqa: S101 - forward took it
        room.open_behind(plan, wants_x=wants_x)
        dx = gradient.new_empty(self.batch, self.layout.n_in) if wants_x else None
        threads, total = plan.threads, plan.lengths[0]
        d_flat = gradient.new_empty(threads * total)  # of each thread, to be added up
        first, size = d_flat.data_ptr(), plan.dtype.itemsize * total
        out = gradient.data_ptr()
        rows = 0 if self.x is None else self.x.data_ptr()
        into = 0 if dx is None else dx.data_ptr()
        kind = int(threads == 1) if wants_own else -1
        share_out(
            walk.backward,
            [
                (plan.rows, plan.graph, here, out, rows, into, first + k * size, kind,
                 self.batch, *part, self.seed)
                for k, (here, part) in enumerate(zip(room.at, plan.parts, strict=True))
            ],
        )  # fmt: skip
        if threads > 1 and wants_own:
            d_flat, *others = d_flat.split(total)
            for other in others:
                d_flat += other
            walk.restrain(plan.like, plan.graph, room.flat.ctypes.data, first, self.seed)
        return dx, d_flat


class Whole(Function):
    """(x (b, i), parameters) -> (b, o)."""

    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, *parameters: Tensor) -> Tensor:
        # Parameters stay with the run: to save many small tensors takes longer than the walk.
        ctx.run, ctx.versions = run, list(map(_VERSION, parameters))
        ctx.save_for_backward(x)
        return run.forward(x, keeps=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        run, (_, wants_x, *wanted) = ctx.run, ctx.needs_input_grad
        (x,) = ctx.saved_tensors
        # to be differentiated again, or of many gradients at once: by what can be
        if torch.is_grad_enabled() or not torch._C._has_storage(gradient):
            check_versions(run, ctx.versions)
            wanted = [wants_x, *wanted]
            return None, *differentiable_gradients(run, x, run.parameters, gradient, wanted)
        wants_own = any(wanted) and not (wants_x and _goes_to_input_alone(ctx))
        dx, parts = _gradients(run, gradient, ctx.versions, wants_x=wants_x, wants_own=wants_own)
        if not wants_own:
            parts = [None] * len(wanted)
        elif not all(wanted):
            parts = [
                part if is_wanted else None for part, is_wanted in zip(parts, wanted, strict=True)
            ]
        return None, dx, *parts


class Past(Function):
    """(x (b, i), anchor) -> (b, o); the way back fills the gradients of parameters by itself.

    The anchor is any tensor that requires a gradient, and gets none.
    """

    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, anchor: Tensor) -> Tensor:
        ctx.run, ctx.versions = run, list(map(_VERSION, run.parameters))
        ctx.save_for_backward(x)
        return run.forward(x, keeps=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        run = ctx.run
        _ = ctx.saved_tensors  # is an error where x was changed, or if this is the second time
        if torch.is_grad_enabled() or not torch._C._has_storage(gradient):
            raise RuntimeError(
                "Gradients that go straight to the parameters cannot be differentiated again. "
                "Compute the output outside of gradients_to_parameters()."
            )
        if run.is_looked_at():
            raise RuntimeError(
                "A parameter got a hook between forward and backward, which gradients that go straight to "
                "the parameters pass by. Set it before, or compute outside of gradients_to_parameters()."
            )
        _, parts = _gradients(run, gradient, ctx.versions, wants_x=False)
        add_gradients(zip(run.parameters, parts, strict=True))
        return None, None, None


def add_gradients(parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
    """Add to the gradients of parameters, where they are, what autograd would."""
    for parameter, part in parts:
        if part is not None and parameter.requires_grad:
            if parameter.grad is None:
                parameter.grad = part
            else:
                parameter.grad += part


def _goes_to_input_alone(ctx: Any) -> bool:
    """Tell whether this is a call of ``torch.autograd.grad`` to which no parameter matters.

    So are attributions to inputs, and the way back through a steady state.
    """
    _of_x, *own = (node for node, _ in ctx.next_functions)
    try:
        return not any(torch._C._will_engine_execute_node(node) for node in own if node is not None)
    except RuntimeError:  # which is what is said of a leaf that was asked for
        return False


def _gradients(
    run: Any, gradient: Tensor, versions: list[int], *, wants_x: bool, wants_own: bool = True
) -> tuple[Tensor | None, Any]:
    """Return the gradients of the input and of each parameter, None of those that lead nowhere."""
    check_versions(run, versions)
    dx, flat = run.backward(gradient, wants_x=wants_x, wants_own=wants_own)
    parts: Any = torch.unsafe_split_with_sizes(flat, run.watched.parameters.sizes)
    leads_out = run.watched.leads_out
    if not all(leads_out):
        parts = [part if leads else None for part, leads in zip(parts, leads_out, strict=True)]
    return dx, parts


def check_versions(run: Any, versions: list[int]) -> None:
    """Refuse to go back through other parameters than those of forward."""
    if list(map(_VERSION, run.parameters)) != versions:
        raise RuntimeError(
            "One of the variables needed for gradient computation has been modified by an inplace "
            "operation: a parameter was changed between forward and backward. Call backward first."
        )


def _arrays(dtype: torch.dtype, *sizes: int) -> list[Any]:
    """Return several arrays in one piece, each at the beginning of a cache line.

    By NumPy, which asks for large pages where much is wanted: a state of 28 MB takes .92 of the time in them.
    """
    like = torch.empty(0, dtype=dtype, device=CPU).numpy()
    line = _LINE // like.itemsize
    wide = [-(-size // line) * line for size in sizes]
    room = np.empty(sum(wide) + line, like.dtype)
    room = room[-room.ctypes.data % _LINE // like.itemsize :]
    starts = accumulate(wide, initial=0)
    return [room[start : start + size] for start, size in zip(starts, sizes, strict=False)]
