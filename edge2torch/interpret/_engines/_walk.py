"""Run a model along the path from a baseline, and see what passes at chosen modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch._core.hooks import hooked
from edge2torch._core.messages import require
from edge2torch.interpret._engines._task import Part, Task, parts, with_progress


@dataclass(frozen=True)
class Path:
    """Positions between baseline (0) and sample (1), and the lengths that they stand for."""

    at: list[float]
    length: list[float]

    @classmethod
    def of(cls, method: str, n_points: int) -> Path:
        """Return the points of a quadrature rule by Captum's name for it."""
        if method == "gausslegendre":  # Captum's numbers; to load it takes half a second
            places, lengths = np.polynomial.legendre.leggauss(n_points)
            return cls((0.5 * (1 + places)).tolist(), (0.5 * lengths).tolist())
        rules = require("captum.attr._utils.approximation_methods")
        length, place = rules.approximation_parameters(method)
        return cls([float(a) for a in place(n_points)], [float(a) for a in length(n_points)])

    @classmethod
    def end(cls) -> Path:
        """Return the sample alone."""
        return cls([1.0], [1.0])


@dataclass(frozen=True)
class Call:
    """One run of a recorded module: its place among them, its arguments and its output."""

    place: int
    inputs: tuple[Any, ...]
    output: Tensor


@dataclass(frozen=True)
class PathChunk:
    """Some points (p) of the paths of some samples (b), and the gradients of one output there.

    Values and gradients have p * b rows, point by point. A gradient is None where the output does
    not depend on the value.
    """

    samples: slice
    points: slice
    output: int
    calls: list[Call]
    gradients: Sequence[Tensor | None]

    def by_point(self, rows: Tensor) -> Tensor:
        """View rows (p * b, ...) as (p, b, ...)."""
        n_samples = self.samples.stop - self.samples.start
        points: Tensor = rows.detach().unflatten(0, (-1, n_samples))
        return points


def walk(
    task: Task,
    modules: Sequence[nn.Module],
    path: Path,
    visit: Callable[[PathChunk], None],
    *,
    overlap: int = 0,
    with_gradients: bool = True,
    around: Callable[[Part], AbstractContextManager[None]] | None = None,
) -> None:
    """Show ``visit`` chunk by chunk what the modules gave, and each output's gradients by it.

    One run forward for all modules and outputs, and one back for each output. Nothing is followed
    back beyond the first of the modules. ``around`` is in force while the model runs.
    """
    for part in with_progress(task, parts(task, len(path.at), overlap=overlap)):
        with nullcontext() if around is None else around(part):
            run = _run(task, modules, path, part, with_gradients=with_gradients)
        _show(task, part, *run, visit, with_gradients=with_gradients)
        del run


def _run(
    task: Task, modules: Sequence[nn.Module], path: Path, part: Part, *, with_gradients: bool
) -> tuple[Tensor, list[Call]]:
    with record_calls(task, modules, with_gradients=with_gradients) as calls:
        x = _on_path(task, part.samples, path.at[part.items])
        y = task.probe.outputs(x)
    return y, calls


def _show(
    task: Task,
    part: Part,
    y: Tensor,
    calls: list[Call],
    visit: Callable[[PathChunk], None],
    *,
    with_gradients: bool,
) -> None:
    values = [call.output for call in calls]
    for k, output in enumerate(task.outputs):
        explained = output.of(y, part.samples)
        gradients: Sequence[Tensor | None] = [None] * len(calls)
        if with_gradients and explained.requires_grad and values:
            more = k + 1 < len(task.outputs)
            gradients = torch.autograd.grad(
                explained.sum(), values, retain_graph=more, allow_unused=True
            )
        visit(PathChunk(part.samples, part.items, k, calls, gradients))


def _on_path(task: Task, samples: slice, at: list[float]) -> Tensor:
    """Return points on the paths of samples, (p * b, i), the rows of a feature side by side."""
    x = task.x[samples].t()
    if at == [1.0]:
        return x.contiguous().t()
    positions = torch.tensor(at, dtype=x.dtype, device=x.device).unsqueeze(1)
    if task.baselines is None:
        rows = x.unsqueeze(1) * positions
    else:
        start = task.baselines[samples].t()
        rows = torch.addcmul(start.unsqueeze(1), (x - start).unsqueeze(1), positions)
    path: Tensor = rows.flatten(1).t()
    return path


@contextmanager
def record_calls(
    task: Task, modules: Sequence[nn.Module], *, with_gradients: bool
) -> Iterator[list[Call]]:
    """Record arguments and outputs of modules; ``with_gradients``, as tensors that these reach."""
    calls: list[Call] = []
    copy = bool(task.overwritten)

    def keep(place: int, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if not with_gradients:
            calls.append(Call(place, inputs, output.clone() if copy else output))
            return None
        if not torch.is_grad_enabled():  # a search for a steady state, before its last step
            return None
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        calls.append(Call(place, inputs, output))
        return output.clone() if copy else output

    with hooked(dict(enumerate(modules)), keep), torch.set_grad_enabled(with_gradients):
        yield calls
