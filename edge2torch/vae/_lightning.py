"""The VAE as a Lightning module, and its mini-batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.plugins.io import CheckpointIO, TorchCheckpointIO
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from edge2torch._core.files import write_file
from edge2torch._core.trimmed import trimmed_mean
from edge2torch.vae._cells import Cells
from edge2torch.vae._core import VAECore
from edge2torch.vae._gain import PROFILES, ProfileGain, gain_of, profiles
from edge2torch.vae._start import MeanProfile

_RUN = 16  # neighbours that are read together from disk


class WholeFiles(TorchCheckpointIO):
    """Checkpoints are whole or absent.

    Lightning's own are drafted in the system's temporary folder, from where they are copied, not
    renamed, to a folder on another disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Draft a checkpoint beside its place."""
        if storage_options is not None:
            raise TypeError("storage_options are for places that are no folders")
        write_file(path, lambda draft: torch.save(checkpoint, draft))


def with_whole_files(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trainer's settings with such checkpoints, unless they name other ones."""
    given = settings.get("plugins") or []
    plugins = list(given) if isinstance(given, list | tuple) else [given]
    if not any(isinstance(one, CheckpointIO) for one in plugins):
        plugins.append(WholeFiles())
    return {**settings, "plugins": plugins}


class TrainingModule(pl.LightningModule):
    """Trains the ELBO with its further terms.

    Every step starts random numbers of its own, so that a resumed fit repeats an unbroken one,
    and every validation draws the same. Figures are logged once an epoch, and only those that are
    watched through Lightning's own means: these take longer than a step of a small model.

    What is watched is ``val_gain``: how much a held-out cell's ELBO is above the log likelihood of
    the mean profile, the mean over cells without a tenth at either end. That a cell is hard to tell
    cancels, and no single cell decides when training stops and which weights are kept.
    """

    def __init__(
        self,
        vae: VAECore,
        profile: MeanProfile,
        weights: Mapping[str, float],
        lr: float,
        warmup: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.vae, self.weights, self.lr = vae, dict(weights), lr
        self.profile, self.warmup, self.seed = profile, warmup, seed
        self.history: list[dict[str, float]] = []
        self._means = {"train": _Means(), "val": _Means()}
        self._gains: list[Tensor] = []
        self._gains_by_epoch: list[Tensor] = []
        self._epoch: dict[str, float] = {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        scaled = self.trainer.precision == "16-mixed"  # a fused step cannot clip scaled gradients
        return torch.optim.Adam(self.parameters(), lr=self.lr, fused=not scaled)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Return the loss per value."""
        share = min(1.0, (self.current_epoch + 1) / (self.warmup + 1))
        weights = {**self.weights, "beta": share * self.weights["beta"]}
        values = batch["values"]
        generator = self._generator(values, self.global_step + 1)
        terms = self.vae.losses(values, batch.get("conditions"), weights, generator)
        self._means["train"].add(terms, len(values))
        total = terms["total"]
        if "log_sd" in self.vae.decoder.own:
            total = total + self.profile.surprise_loss(self.vae.decoder.own["log_sd"])
        return total / values.shape[1]

    def validation_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Evaluate the plain ELBO of held-out cells."""
        found = self._held_out(batch, number)
        means = {name: found[name].mean() for name in ("recon", "kl", "elbo")}
        self._means["val"].add(means, len(batch["values"]))
        self._gains.append(torch.stack([found["elbo"] - found[name] for name in PROFILES]))

    def _held_out(self, batch: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
        """Return the terms of the ELBO and the log likelihood of the mean profile, each (b,)."""
        values = batch["values"]
        terms = self.vae.cell_terms(
            values, batch.get("conditions"), self._generator(values, number)
        )
        return {**terms, **profiles(self.vae, self.profile, values, terms)}

    def _generator(self, like: Tensor, number: int) -> torch.Generator:
        return torch.Generator(like.device).manual_seed(self.seed * 1_000_003 + number)

    @torch.no_grad()
    def gain(self, loader: Iterable[Mapping[str, Tensor]]) -> ProfileGain:
        """Compare the model as it stands with the mean profile, on the samples of validation."""
        parts = (self._held_out(batch, number) for number, batch in enumerate(loader))
        # where several processes trained, each has seen the gains of its own cells only
        return gain_of(parts, self._gains_by_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the held-out cells gained after each epoch."""
        checkpoint["gains_by_epoch"] = self._gains_by_epoch

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with what they gained before."""
        self._gains_by_epoch = list(checkpoint.get("gains_by_epoch", []))

    def on_validation_epoch_end(self) -> None:
        """Log the means over held-out cells, and their gain."""
        gains = torch.cat(self._gains, dim=1)
        self._gains = []
        self._gains_by_epoch.append(gains.cpu())
        gain = trimmed_mean(gains[0])
        self._epoch |= {"val_gain": float(gain)}
        self.log("val_gain", gain, logger=False, sync_dist=True)
        self._log("val")

    def on_train_epoch_end(self) -> None:
        """Log the means over the cells trained on, and keep the epoch's figures."""
        self._log("train")
        self.history.append({"epoch": self.current_epoch, **self._epoch})
        for logger in self.loggers:
            logger.log_metrics(self.history[-1], self.global_step)
        self._epoch = {}

    def _log(self, stage: str) -> None:
        found = {f"{stage}_{name}": value for name, value in self._means[stage].take().items()}
        elbo = f"{stage}_elbo"
        self.log(elbo, found[elbo], prog_bar=True, logger=False, sync_dist=True)
        self._epoch |= {name: float(value) for name, value in found.items()}


class _Means:
    """Means over cells of the terms of a loss."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sums: Tensor | float = 0.0
        self._cells = 0

    def add(self, terms: Mapping[str, Tensor], cells: int) -> None:
        self._names = list(terms)
        self._sums = self._sums + cells * torch.stack([term.detach() for term in terms.values()])
        self._cells += cells

    def take(self) -> dict[str, Tensor]:
        """Return them by name, and start again."""
        means = torch.as_tensor(self._sums) / max(self._cells, 1)
        self._sums, self._cells = 0.0, 0
        return dict(zip(self._names, means, strict=True))


class BestWeights(pl.Callback):
    """Keeps the weights of the best epoch in memory, where nobody asked for a file.

    As ``ModelCheckpoint`` does: the first epoch counts, and then what is strictly better.
    """

    def __init__(self) -> None:
        self.epoch, self.state = 0, dict[str, Tensor]()
        self._gain = -math.inf

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Copy the weights if held-out cells gain more than ever."""
        if trainer.sanity_checking:
            return
        gain = float(trainer.callback_metrics["val_gain"])
        if not self.state or gain > self._gain:
            self._gain = -math.inf if math.isnan(gain) else gain
            self.epoch = trainer.current_epoch
            self.state = {name: value.clone() for name, value in module.state_dict().items()}


class StopLate(EarlyStopping):
    """Early stopping that waits until the divergence has its full weight."""

    def __init__(self, warmup: int, **options: Any) -> None:
        super().__init__(**options)
        self.warm = warmup

    def _should_skip_check(self, trainer: pl.Trainer) -> bool:
        return trainer.current_epoch < self.warm or bool(super()._should_skip_check(trainer))


class _Batches(Dataset[dict[str, Tensor]]):
    """A batch of cells per item, asked for by its row numbers."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells

    def __getitem__(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        batch = {"values": self.cells.read(rows)}
        conditions = self.cells.conditions(rows)
        return batch if conditions is None else {**batch, "conditions": conditions}

    def __len__(self) -> int:
        return len(self.cells)


class _Shuffled(Sampler[NDArray[np.int64]]):
    """Row numbers by batch, anew each time; on disk, neighbours stay together.

    It counts the epochs itself: Lightning starts a resumed fit with the order of epoch 0.
    """

    def __init__(
        self, rows: NDArray[np.int64], size: int, *, seed: int | None, epoch: int, run: int
    ) -> None:
        self.rows, self.size, self.seed, self.run = rows, size, seed, run
        self.next_epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        rows = self.rows
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, self.next_epoch))
            starts = np.arange(0, len(rows), self.run)
            order = rng.permutation(starts)[:, None] + np.arange(self.run)
            rows = rows[order[order < len(rows)]]
        self.next_epoch += 1
        for start in range(0, len(rows), self.size):
            yield np.sort(rows[start : start + self.size])


def batches(
    cells: Cells,
    rows: NDArray[np.int64],
    size: int,
    *,
    seed: int | None,
    epoch: int = 0,
    together: int | None = None,
) -> DataLoader[dict[str, Tensor]]:
    """Return a loader of mini-batches; without a seed, in order."""
    run = together or (min(_RUN, size) if cells.is_on_disk else 1)
    sampler = _Shuffled(rows, size, seed=seed, epoch=epoch, run=run)
    return DataLoader(_Batches(cells), sampler=sampler, batch_size=None)
