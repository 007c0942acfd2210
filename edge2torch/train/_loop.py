"""One training loop: stop by held-out data, keep the best weights, go on where it stopped.

A plain loop and not Lightning's: importing that and torch's optimizer classes takes more than a
second and a half of processor time, a `make demo` or a fit of a small table has a few, and what it
would be needed for (several devices, mixed precision) no model of these sizes gains from.
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from edge2torch._core.checks import check_count, check_number, check_seed
from edge2torch._core.console import Console, is_watched
from edge2torch._core.files import path_of
from edge2torch._core.randomness import seeded
from edge2torch._core.tensor_file import read_tensors, write_tensors
from edge2torch.errors import Edge2TorchError
from edge2torch.train._adam import Adam
from edge2torch.train._history import learning_rate_after, reason_to_stop

_PAUSE = 1.0  # seconds between two checkpoints, so that short epochs stay short
_ANEW = "To begin anew give another file, or delete it."

Batches = Callable[[torch.Generator], Iterable[Tensor]]
# Takes the epochs to come; gives each with a function that shows a word beside the bar.
Progress = Callable[[range], Iterable[tuple[int, Callable[[str], None]]]]


@dataclass(frozen=True, eq=False)
class Fit:
    """How a training went.

    Parameters
    ----------
    history : DataFrame, one row per epoch
        ``held_out_loss`` (no column without held-out data) and ``learning_rate``.
    epochs : int
        Epochs that were trained.
    best_epoch : int, optional
        The first with the least held-out loss, counted from 0; None without held-out data.
    stopped_by : {"max_epochs", "patience", "not finite"}
        Why it ended.
    """

    history: pd.DataFrame = field(repr=False)
    epochs: int
    best_epoch: int | None
    stopped_by: str


def fit(
    model: nn.Module,
    loss: Callable[[Tensor], Any],
    rows: ArrayLike | Batches,
    *,
    held_out: ArrayLike | Callable[[], float] | None = None,
    max_epochs: int = 300,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.01,
    patience: int = 25,
    min_gain: float = 1e-4,
    plateau: int | None = None,
    keep_best: bool = True,
    seed: int = 0,
    fused: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    on_checkpoint: Callable[[], None] | None = None,
    before_epoch: Callable[[int], None] | None = None,
    progress: bool | Progress | None = None,
) -> Fit:
    """Train a model in place until held-out data gain nothing more; keep its best weights.

    Parameters
    ----------
    model : Module
        Trained where it is: move it and its data to a GPU beforehand. In evaluation mode at the end.
    loss : callable
        Maps row numbers, an int64 tensor (b,), to the mean loss over these rows. Of those to train with
        only ``backward()`` is asked.
    rows : array of int, shape (n,), or callable
        Rows to train with, drawn in another order in each epoch; or a function that takes a
        ``torch.Generator`` and gives the batches of an epoch, each of which ``loss`` takes.
    held_out : array of int, shape (m,), or callable, optional
        Rows that decide when to stop; or a function without arguments that returns their loss, for
        which the model is in evaluation mode. Left out, all epochs are trained.
    max_epochs, batch_size : int
        Passes over the rows at most; rows per step, about: batches are of equal size.
    learning_rate, weight_decay : float
        Of Adam with decoupled weight decay.
    patience, min_gain : int, float
        Stop when the held-out loss has not fallen by ``min_gain`` within so many epochs.
    plateau : int, optional
        Cut the learning rate to a third when the held-out loss has not fallen for so many epochs.
    keep_best : bool
        End with the weights of the best epoch, otherwise with those of the last.
    seed : int
        Fixes the order of rows, and dropout.
    fused : bool
        Take torch's fused step, several times quicker; without it the last digits are others.
    checkpoint : path, optional
        A file, written once a second at most. If it is there, training goes on from it and ends with
        the bits of an unbroken one. ``max_epochs``, ``patience`` and ``min_gain`` may have changed.
    on_checkpoint, before_epoch : callable, optional
        Called when a checkpoint was written; and with the number of each epoch that begins.
    progress : bool, optional
        Show a bar; by default on a terminal and in notebooks. A function of the epochs to come that
        gives each with a function to show a word beside it stands for a bar of your own.

    Returns
    -------
    Fit

    Raises
    ------
    Edge2TorchError
        When the loss is not finite from the first epoch on, for settings out of their range, and for
        a checkpoint that is damaged, of another model, or of other settings or rows.

    References
    ----------
    Kingma & Ba 2015, arXiv:1412.6980; decoupled weight decay: Loshchilov & Hutter 2019,
    arXiv:1711.05101.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(-1, 1, 40)[:, None]
    >>> _ = torch.manual_seed(0)  # the start; seed= fixes the training only
    >>> model = torch.nn.Linear(1, 1)
    >>> fitted = fit(
    ...     model, lambda rows: (model(x[rows]) - 2 * x[rows]).square().mean(), range(0, 40, 2),
    ...     held_out=range(1, 40, 2), learning_rate=0.1, weight_decay=0, progress=False)
    >>> fitted.history["held_out_loss"].min() < 0.01
    np.True_
    """
    counts = {"max_epochs": max_epochs, "batch_size": batch_size, "patience": patience}
    for name, value in {**counts, "plateau": 1 if plateau is None else plateau}.items():
        check_count(name, value)
    check_number("learning_rate", learning_rate, above=0)
    check_number("weight_decay", weight_decay, least=0)
    check_number("min_gain", min_gain)
    check_seed("seed", seed)
    kept = _file(checkpoint)
    batches = rows if callable(rows) else _shuffled(_row_numbers("rows", rows), batch_size)
    evaluate = held_out if callable(held_out) else _mean_loss(loss, held_out)
    asked = {
        "rows": _told_apart(rows),
        "held_out": _told_apart(held_out),
        "batch_size": None if callable(rows) else int(batch_size),
        "learning_rate": float(learning_rate),
        "weight_decay": float(weight_decay),
        "plateau": None if plateau is None else int(plateau),
        "keep_best": bool(keep_best),
        "seed": int(seed),
        "fused": bool(fused),
    }
    devices = sorted({one.device for one in model.parameters() if one.is_cuda}, key=str)
    with seeded(seed):  # dropout draws from torch's own generators
        state = _State(
            model,
            Adam(model.parameters(), learning_rate, weight_decay, fused=fused),
            torch.Generator().manual_seed(seed),
            devices,
            kept,
            on_checkpoint or _pass,
            asked,
        )
        state.restore()
        if state.reason == "max_epochs" and state.epoch < max_epochs:
            state.reason = ""  # more are asked for than then
        if state.reason == "patience":  # there may be more of it now
            state.reason = reason_to_stop(state.history, patience, min_gain)
            if not state.reason and state.epoch >= max_epochs:
                state.reason = "max_epochs"
        todo = range(max_epochs if state.reason else state.epoch, max_epochs)
        for epoch, show in _shown(progress)(todo):
            (before_epoch or _pass)(epoch)
            state.optimizer.lr = learning_rate_after(state.history, learning_rate, plateau)
            model.train()
            for batch in batches(state.generator):
                _single(loss(batch)).backward()
                state.optimizer.step()
            state.rates.append(state.optimizer.lr)
            if evaluate is not None:
                model.eval()
                with torch.no_grad():
                    state.note(float(evaluate()), keep_best=keep_best)
                show(f"held-out loss {state.history[-1]:.3f}")
                state.reason = reason_to_stop(state.history, patience, min_gain)
            if not state.reason and epoch + 1 == max_epochs:
                state.reason = "max_epochs"
            state.end_epoch()
            if state.reason:
                break
    return state.finish()


def _single(loss: Any) -> Any:
    """Return a loss, which has to be one number."""
    if isinstance(loss, Tensor) and loss.numel() != 1:
        raise Edge2TorchError(
            f"loss returned a tensor of shape {tuple(loss.shape)}. It has to be one number, the mean over the rows: "
            "of a criterion that gives one for each row, its .mean()."
        )
    return loss


def _file(checkpoint: Any) -> Path | None:
    if checkpoint is None:
        return None
    path = path_of(checkpoint, "checkpoint")
    if path.is_dir():
        raise Edge2TorchError(f"checkpoint: {str(checkpoint)!r} is a folder. Name a file in it.")
    return path


@dataclass
class _State:
    """All that a training would need to go on, bit for bit."""

    model: nn.Module
    optimizer: Adam
    generator: torch.Generator
    devices: Sequence[torch.device]
    path: Path | None
    on_checkpoint: Callable[[], None]
    asked: Mapping[str, Any]  # what has to be the same to go on
    epoch: int = 0
    history: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    first: dict[str, Tensor] = field(default_factory=dict)  # what training began with
    best: dict[str, Tensor] = field(default_factory=dict)
    reason: str = ""  # why the training ended; empty while it goes on
    _written: float = field(default_factory=time.monotonic)

    def note(self, loss: float, *, keep_best: bool) -> None:
        """Add the held-out loss of an epoch; copy the weights if they are the best so far."""
        if keep_best and loss < min(self.history, default=math.inf):
            self.best = copy.deepcopy(self.model.state_dict())
        self.history.append(loss)
        if not math.isfinite(loss) and not self.best:
            self.model.load_state_dict(self.first)  # to be trained again
            raise Edge2TorchError(
                f"Training diverged: the held-out loss after epoch {len(self.history) - 1} is not finite. "
                "Choose a smaller learning_rate, and check that the data are finite. The model has the weights "
                "that it began with."
            )

    def end_epoch(self) -> None:
        """Write a checkpoint, but not more often than once a second."""
        self.epoch += 1
        if self.path is None or not (self.reason or time.monotonic() - self._written > _PAUSE):
            return
        parts = {
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.tensors(),
            "random": {
                "rows": self.generator.get_state(),
                "cpu": torch.get_rng_state(),
                **{str(one): torch.cuda.get_rng_state(one) for one in self.devices},
            },
        }
        tensors = {f"{part}.{k}": value for part, own in parts.items() for k, value in own.items()}
        header = {name: getattr(self, name) for name in ("epoch", "history", "rates", "reason")}
        header["asked"] = dict(self.asked)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(self.path, tensors, header)
        self.on_checkpoint()
        self._written = time.monotonic()

    def restore(self) -> None:
        """Go to where the checkpoint stands, if there is one; keep what the model began with."""
        self.first = copy.deepcopy(self.model.state_dict())
        if self.path is None or not self.path.exists():
            return
        try:
            tensors, header = read_tensors(self.path)
        except Edge2TorchError as error:
            raise Edge2TorchError(f"checkpoint: {error} {_ANEW}") from error
        before = header.get("asked", self.asked)  # files of older versions do not say
        if odd := [name for name in self.asked if before.get(name) != self.asked[name]]:
            raise Edge2TorchError(
                f"checkpoint: {str(self.path)!r} is of a training with "
                f"{_differences(odd, before, self.asked)}. Give what it was begun with. {_ANEW}"
            )
        try:
            parts: dict[str, dict[str, Tensor]] = {"best": {}}
            for key, value in tensors.items():
                part, _, name = key.partition(".")
                parts.setdefault(part, {})[name] = value
            self.model.load_state_dict(parts["model"])
            self.optimizer.restore(parts.get("optimizer", {}))
            self.generator.set_state(parts["random"]["rows"])
            torch.set_rng_state(parts["random"]["cpu"])
            for one in self.devices:
                torch.cuda.set_rng_state(parts["random"][str(one)], one)
            for name in ("epoch", "history", "rates", "reason"):
                setattr(self, name, header[name])
        except (Edge2TorchError, KeyError, IndexError, ValueError, RuntimeError) as error:
            raise Edge2TorchError(
                f"checkpoint: {str(self.path)!r} is of another model or version, or damaged ({error}). {_ANEW}"
            ) from error
        self.best = parts["best"]

    def finish(self) -> Fit:
        """Set the best weights, if they were kept."""
        if self.best:
            self.model.load_state_dict(self.best)
        self.model.eval()
        columns = {"held_out_loss": self.history} if self.history else {}
        table = pd.DataFrame({**columns, "learning_rate": self.rates}).rename_axis("epoch")
        best = int(np.nanargmin(self.history)) if self.history else None
        return Fit(table, self.epoch, best, self.reason)


def _told_apart(rows: Any) -> str | None:
    """What tells rows from others; of a function nothing does."""
    if rows is None or callable(rows):
        return None if rows is None else "a function"
    return hashlib.sha256(np.asarray(rows).astype(np.int64).tobytes()).hexdigest()


def _differences(names: Sequence[str], before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    words = [
        f"other {name}"
        if name in ("rows", "held_out")
        else f"{name}={before.get(name)}, now {now[name]}"
        for name in names
    ]
    return "; ".join(words)


def _pass(*_: object) -> None:
    """Stand for a function that was not given."""


def _shuffled(rows: Tensor, batch_size: int) -> Batches:
    # equal parts: a last batch of one row would have no variance for batch normalisation
    n_batches = max(1, round(len(rows) / batch_size))

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        return rows[torch.randperm(len(rows), generator=generator)].tensor_split(n_batches)

    return batches


def _mean_loss(
    loss: Callable[[Tensor], Any], held_out: ArrayLike | None
) -> Callable[[], float] | None:
    if held_out is None:
        return None
    rows = _row_numbers("held_out", held_out)
    return lambda: float(loss(rows))


def _row_numbers(argument: str, rows: Any) -> Tensor:
    numbers = np.asarray(rows)
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
        raise Edge2TorchError(
            f"{argument} must be row numbers, one or more, found shape {numbers.shape} of type "
            f"{numbers.dtype}. Turn a mask into numbers with np.flatnonzero."
        )
    return torch.from_numpy(numbers.astype(np.int64))


def _shown(progress: bool | Progress | None) -> Progress:
    if callable(progress):
        return progress
    console = Console(quiet=not (is_watched() if progress is None else progress))
    return lambda epochs: console.count(epochs.stop, "training", "epochs", first=epochs.start)
