"""Train replicates: side by side, in turn, or wherever an executor wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn

from edge2torch._core.console import progress_bar
from edge2torch._core.executor import PickledModel, Workers, map_on_executor
from edge2torch._core.messages import note
from edge2torch._core.randomness import seeded
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._kept import Kept
from edge2torch.interpret._trust._stack import ReplicateStack

TrainFunction: TypeAlias = (
    Callable[[nn.Module, int], float | None] | Callable[[ReplicateStack, int], ArrayLike | None]
)


def _train(train_fn: Callable[[Any, int], Any], model: nn.Module, seed: int) -> Any:
    with seeded(seed):
        return train_fn(model, seed)


def train_together(
    train_fn: Callable[[Any, int], Any],
    stack: ReplicateStack,
    seed: int,
    known: Kept,
    *,
    quiet: bool,
) -> pd.Series:
    """Train side by side; a loop written for one network usually fails on shapes."""
    name = f"together-{len(stack)}"
    if (stored := known.load(name, stack)) is not None:
        known.say_read(len(stack), len(stack), quiet=quiet)
        return _qualities(stored, len(stack))
    try:
        with _counting(stack, quiet=quiet):
            returned = _train(train_fn, stack, seed)
    except Edge2TorchError:
        raise
    except (RuntimeError, ValueError) as error:
        raise Edge2TorchError(
            f"train_fn failed on a stack of networks: {str(error).rstrip('. ')}. With together=True the output has "
            "shape (n, b, o), networks first: add up their losses, "
            "sum(criterion(y, target) for y in model(x)). Or leave together out."
        ) from error
    quality = _qualities(returned, len(stack))
    known.save(name, stack, quality)
    return quality


class _Count:
    """A hook that counts on a bar. Those of copies, which a loop may save, have none."""

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def __call__(self, *_: Any) -> None:
        if self._bar is not None and not torch.compiler.is_compiling():
            self._bar.update()


@contextmanager
def _counting(stack: ReplicateStack, *, quiet: bool) -> Iterator[None]:
    """Show how often the networks were computed: how often they will be only the user's loop knows."""
    with progress_bar(f"{len(stack)} networks together", None, quiet=quiet) as bar:
        if bar.disable:  # a hook that does nothing takes time, too
            yield
            return

        handle = stack.register_forward_hook(_Count(bar))
        try:
            yield
        finally:
            handle.remove()


def train_separately(
    train_fn: Callable[[Any, int], Any],
    models: Sequence[nn.Module],
    seeds: Sequence[int],
    executor: Workers,
    known: Kept,
    *,
    quiet: bool,
) -> tuple[list[nn.Module], pd.Series]:
    names = [f"replicate-{k:04d}" for k in range(len(models))]
    done = {
        k: (models[k], stored)
        for k, name in enumerate(names)
        if (stored := known.load(name, models[k])) is not None
    }
    known.say_read(len(done), len(models), quiet=quiet)
    todo = {k: (PickledModel(models[k]), seeds[k]) for k in range(len(models)) if k not in done}
    with progress_bar("replicates", len(models), quiet=quiet, done=len(done)) as progress:
        for k, (pickled, returned) in map_on_executor(
            executor, partial(_train_pickled, train_fn), todo
        ):
            quality = _qualities([returned], 1)
            known.save(names[k], pickled.model, quality)
            done[k] = (pickled.model, quality.tolist())
            progress.update()
    trained = [done[k] for k in range(len(models))]
    return [model for model, _ in trained], _qualities([q for _, (q,) in trained], len(trained))


def _train_pickled(
    train_fn: Callable[[Any, int], Any], pickled: PickledModel, seed: int
) -> tuple[PickledModel, Any]:
    """Train where an executor wants it; a process of its own works on a copy, so send it back."""
    returned = _train(train_fn, pickled.model, seed)
    return pickled, returned


def _qualities(returned: Any, n: int) -> pd.Series:
    index = pd.RangeIndex(n, name="replicate")
    if returned is None:
        returned = [None] * n
    try:
        values = np.array([np.nan if value is None else float(value) for value in returned])
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"train_fn must return a number (together=True: {n} numbers), its quality on held-out "
            f"data, or None; found {returned!r}."
        ) from error
    if len(values) != n:
        raise Edge2TorchError(f"train_fn returned {len(values)} qualities for {n} replicates.")
    return pd.Series(values, index, name="quality")


def passing_quality(quality: pd.Series, least: float | None, *, quiet: bool) -> pd.Series:
    """Mark the replicates that are good enough; say how many are not."""
    unknown = quality.isna()
    if least is None:
        return (~unknown if not unknown.all() else unknown).rename("kept")
    if unknown.all():
        raise Edge2TorchError("min_quality needs a train_fn that returns its quality.")
    kept = (quality >= least).rename("kept")
    if not kept.any():
        raise Edge2TorchError(
            f"min_quality={least}: none of {len(quality)} replicates reaches it; the best has "
            f"{quality.max():.3g}. Train longer, or lower it."
        )
    dropped = int((~kept).sum())
    note(
        f"{dropped} of {len(quality)} replicate(s) dropped: quality below {least}.",
        quiet=quiet or not dropped,
    )
    return kept
