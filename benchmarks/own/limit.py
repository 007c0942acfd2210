"""What this machine can do at best: the rows a training step has to touch, and nothing else.

Forward cannot do less than read one row of the batch per edge (its source's values) and stream
the input; backward reads one more per edge (its target's gradient). Both are measured on the
case's own indices, by whichever way of reading rows is the fastest here. A block that is dense
enough is also held against plain matrix products, and the smaller of the two is the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

VERSION = torch.__version__

_BAG = 64  # rows per sum: enough to hide the writing of the sums
_DENSE_FROM = 0.05  # density from which matrix products are tried
_STREAM = 32 * 2**20  # floats, far beyond any cache


Clock = Callable[[], float]


def clock_of(threads: int) -> Clock:
    """One thread's own time says the same beside other work; that of several does not."""
    return time.process_time if threads == 1 else time.perf_counter


class Session:
    """Speaks the worker's language, with readings in place of a model."""

    def __init__(self, _: object) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def load(self, table: str, case: dict[str, Any]) -> dict[str, Any]:
        with np.load(table) as arrays:
            self.n = len(arrays["names"])
            source, target = (torch.from_numpy(arrays[side]) for side in ("source", "target"))
        self.repeats = case["steps"] or 1
        self.by_target = source[target.argsort(stable=True)].int()
        self.by_source = target[source.argsort(stable=True)].int()
        is_input = torch.ones(self.n, dtype=torch.bool)
        is_input[target] = False
        self.n_in, self.n_out = int(is_input.sum()), len(target.unique())
        self.inner_edges = int((~is_input)[source].sum())
        self.single = not is_input.logical_not()[source].any() and not case["steps"]
        return {"version": VERSION}

    def prepare(self, batch: int, threads: int) -> dict[str, Any]:
        torch.set_num_threads(threads)
        self.clock = clock_of(threads)
        self.x = torch.randn(batch, self.n_in, generator=self.generator)
        values = torch.randn(self.n, batch, generator=self.generator)
        read = _fastest_reader(values, self.by_target, self.clock)
        self.steps: tuple[Callable[[], object], Callable[[], object]] = (
            lambda: (self.x.clone(), [read(values, self.by_target) for _ in range(self.repeats)]),
            lambda: [read(values, self.by_source) for _ in range(self.repeats)],
        )
        edges, way = len(self.by_target), "rows"
        density = edges / (self.n_in * self.n_out)
        if self.single and density >= _DENSE_FROM:
            weight = torch.randn(self.n_out, self.n_in, generator=self.generator)
            g = torch.randn(batch, self.n_out, generator=self.generator)
            dense = (lambda: self.x @ weight.t(), lambda: g.t() @ self.x)
            if density == 1 or _seconds(dense, self.clock) < _seconds(self.steps, self.clock):
                self.steps, way = dense, "matrix products"
        if way == "rows":
            moved = 4 * batch * (2 * edges * self.repeats + 2 * self.n_in)
            flops = 2 * batch * (2 * edges * self.repeats + self.inner_edges)
            flops += 2 * batch * edges * (self.repeats - 1)  # gradients of the state
        else:
            moved = 4 * (2 * self.n_in * self.n_out + 2 * batch * (self.n_in + self.n_out))
            flops = 4 * batch * self.n_in * self.n_out
        return {
            "seconds": _seconds(self.steps, self.clock),
            "bytes": moved,
            "flops": flops,
            "note": way,
        }

    def turn(self, inner: int) -> dict[str, Any]:
        spent = np.zeros(2)
        for _ in range(inner):
            for k, step in enumerate(self.steps):
                start = self.clock()
                step()
                spent[k] += self.clock() - start
        forward, backward = spent / inner
        return {"forward": forward, "forward_backward": forward + backward}

    def machine(self, threads: int) -> dict[str, Any]:
        """Bandwidths in GB/s and multiply-adds in 1e9/s, each the best of several."""
        torch.set_num_threads(threads)
        clock = clock_of(threads)
        a, b, c = (torch.ones(_STREAM) for _ in range(3))
        square = torch.randn(2048, 2048, generator=self.generator)
        product = torch.empty_like(square)
        rows = torch.randn(20_000, 64, generator=self.generator)
        index = torch.randint(20_000, (1_000_000,), generator=self.generator, dtype=torch.int32)
        read = _fastest_reader(rows, index, clock)
        size = 4e-9 * _STREAM
        return {
            "copy_gb_s": 2 * size / _best(lambda: a.copy_(b), clock),
            "triad_gb_s": 3 * size / _best(lambda: torch.add(b, c, alpha=3.0, out=a), clock),
            "gathered_rows_gb_s": 4e-9
            * index.numel()
            * 64
            / _best(lambda: read(rows, index), clock),
            "multiply_adds_g_s": 1e-9
            * 2048**3
            / _best(lambda: torch.mm(square, square, out=product), clock),
        }


def _sum_bags(values: Tensor, index: Tensor) -> Tensor:
    """Read rows and add them up in registers: what a product along edges does, less weights."""
    return F.embedding_bag(index, values, _offsets(index), mode="sum", include_last_offset=True)


def _copy_rows(values: Tensor, index: Tensor) -> None:
    """Read rows and write them to a buffer that stays in the cache."""
    size = max(1, 2**16 // values.shape[1])
    buffer = values.new_empty(size, values.shape[1])
    for part in index.split(size):
        torch.index_select(values, 0, part, out=buffer[: len(part)])


def _offsets(index: Tensor) -> Tensor:
    ends = torch.arange(0, len(index), _BAG, dtype=index.dtype)
    return torch.cat([ends, ends.new_tensor([len(index)])])


def _fastest_reader(
    values: Tensor, index: Tensor, clock: Clock
) -> Callable[[Tensor, Tensor], object]:
    return min((_sum_bags, _copy_rows), key=lambda read: _best(lambda: read(values, index), clock))


def _seconds(steps: tuple[Callable[[], object], ...], clock: Clock) -> float:
    return sum(_best(step, clock) for step in steps)


def _best(run: Callable[[], object], clock: Clock, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)
