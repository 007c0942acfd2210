"""Fit a VAE through Lightning."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from edge2torch._core.checks import check_count, check_number, check_seed
from edge2torch._core.console import is_watched
from edge2torch._core.files import lock_folder, path_of
from edge2torch._core.messages import require, warn
from edge2torch._core.randomness import seeded
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._cells import Cells, open_cells, survey
from edge2torch.vae._folder import design_key
from edge2torch.vae._gain import ProfileGain
from edge2torch.vae._named import NamedVAE
from edge2torch.vae._resume import check_resume, is_rank_zero
from edge2torch.vae._start import MeanProfile, mean_profile, start_from, warn_of_rare

_MAY_CHANGE = ("max_epochs", "patience")
# What the losses weigh where nothing else is said.
WEIGHTS = {"beta": 1.0, "irecon": 1.0, "dip": 0.0, "tc": 0.0, "info": 0.0}


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Parameters
    ----------
    history : DataFrame
        One row per epoch; ``val_elbo`` is the evidence lower bound of held-out cells, per cell, and
        ``val_gain``, by which the best epoch is chosen, what they gain over the mean profile: the
        mean without the tenth of the cells that gains least and the tenth that gains most.
    best_epoch : int
        The epoch whose weights the model has now.
    best_elbo : float
        Its held-out ELBO, per cell.
    stopped_early : bool
        Whether fewer epochs than asked for were enough.
    gain : ProfileGain, optional
        Whether the model beats the mean profile on the held-out cells; where it does not, the fit
        has warned.

    Examples
    --------
    >>> FitReport(pd.DataFrame(), best_epoch=7, best_elbo=-12.5, stopped_early=True)
    FitReport(best_epoch=7, best_elbo=-12.5, stopped_early=True, gain=None)
    """

    history: pd.DataFrame = field(repr=False)
    best_epoch: int
    best_elbo: float
    stopped_early: bool
    gain: ProfileGain | None = None


@dataclass(frozen=True)
class Training:
    """Checked settings of a fit; see ``EdgeVAE.fit``."""

    max_epochs: int
    batch_size: int
    lr: float
    validation: float
    patience: int
    warmup: int
    gradient_clip: float | None
    seed: int
    together: int | None
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        for argument in ("max_epochs", "batch_size", "patience"):
            check_count(argument, getattr(self, argument), 1)
        check_count("warmup", self.warmup, 0)
        if self.together is not None:
            check_count("together", self.together, 1)
        check_seed("seed", self.seed)
        check_number("validation_fraction", self.validation, above=0, below=1)
        for name, value in self.weights.items():
            check_number(name, value, least=0)


def fit_vae(
    vae: NamedVAE,
    data: Any,
    settings: Training,
    *,
    layer: str | None,
    obs: pd.DataFrame | None,
    folder: str | Path | None,
    resume: bool,
    progress: bool | None,
    trainer: Mapping[str, Any] | None,
) -> FitReport:
    """Train until held-out cells gain nothing more, and keep the best weights."""
    require("lightning.pytorch", extra="train")
    if resume and folder is None:
        raise Edge2TorchError("resume=True needs folder=, the one of the fit to go on with.")
    cells = open_cells(data, vae.design, layer=layer, obs=obs)
    rows = _split(len(cells), settings)
    found = survey(cells, vae.design.likelihood, training=rows[0])
    warn_of_rare(vae, found)
    profile = mean_profile(vae.likelihood, cells, rows[0], found)
    with seeded(settings.seed), _quiet(), tempfile.TemporaryDirectory() as aside:
        home = Path(aside) if folder is None else path_of(folder, "folder")
        last = home / "last.ckpt"
        if resume and not last.is_file():
            raise Edge2TorchError(f"folder={str(folder)!r} holds no fit to resume: no last.ckpt.")
        own = {k: v for k, v in vars(settings).items() if k not in {*_MAY_CHANGE, "weights"}}
        identity = {
            "model": design_key(vae.design), "cells": len(cells), **own, **settings.weights
        }  # fmt: skip
        with lock_folder(home) if is_rank_zero() else nullcontext():
            check_resume(home, identity, resume=resume)
            if not resume:
                start_from(vae, profile, found)
            report = _run(
                vae, cells, rows, profile, settings, home, last if resume else None, progress,
                trainer or {}, is_kept=folder is not None,
            )  # fmt: skip
    _warn_of_no_gain(report)
    return report


def _warn_of_no_gain(report: FitReport) -> None:
    if report.gain is not None and not report.gain.beats_mean_profile:
        warn(
            "On held-out cells the model does not beat the mean profile, which takes all cells for "
            f"alike: {report.gain}. Take nothing from its latents. Train for longer (max_epochs, "
            "patience) or with another learning_rate or warmup, hold more cells out (validation_fraction), or check "
            "that the likelihood suits the data; perhaps they have no structure to be found."
        )


def _split(n_cells: int, settings: Training) -> tuple[Any, Any]:
    """Return rows to train with and rows held out, both in increasing order."""
    if n_cells < 2:
        raise Edge2TorchError(
            f"data holds {n_cells} cell(s); a fit needs at least two, one of them held out."
        )
    order = np.random.default_rng(settings.seed).permutation(n_cells)
    held_out = min(max(1, round(settings.validation * n_cells)), n_cells - 1)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def _run(
    vae: NamedVAE,
    cells: Cells,
    rows: tuple[Any, Any],
    profile: MeanProfile,
    settings: Training,
    home: Path,
    last: Path | None,
    progress: bool | None,
    trainer: Mapping[str, Any],
    *,
    is_kept: bool,
) -> FitReport:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger

    from edge2torch.vae._lightning import (
        BestWeights,
        StopLate,
        TrainingModule,
        batches,
        with_whole_files,
    )

    further = trainer.get("callbacks", [])
    # other processes hand their weights over in files, and a trainer keeps checkpoints or none
    asks = {"strategy", "devices", "num_nodes", "enable_checkpointing"} & set(trainer)
    in_files = is_kept or bool(asks) or any(isinstance(one, Checkpoint) for one in further)
    best: BestWeights | ModelCheckpoint = BestWeights()
    if in_files:
        best = ModelCheckpoint(
            dirpath=home, filename="best", monitor="val_gain", mode="max", save_last=is_kept,
            save_weights_only=not is_kept, enable_version_counter=False,
        )  # fmt: skip
    stop = StopLate(settings.warmup, monitor="val_gain", mode="max", patience=settings.patience)
    own = {
        "accelerator": "auto",
        "devices": 1,
        "max_epochs": settings.max_epochs,
        "gradient_clip_val": settings.gradient_clip,
        "logger": CSVLogger(home, name="", version="log") if is_kept else False,
        "enable_progress_bar": is_watched() if progress is None else progress,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "enable_checkpointing": in_files,
        "log_every_n_steps": 1,
    }
    given = with_whole_files(trainer) if is_kept else trainer
    engine = pl.Trainer(**{**own, **given, "callbacks": [best, stop, *further]})
    module = TrainingModule(
        vae, profile, settings.weights, settings.lr, settings.warmup, settings.seed
    )
    held_out = batches(cells, rows[1], max(settings.batch_size, 64), seed=None)
    done = -1 if last is None else int(torch.load(last, weights_only=True)["epoch"])
    engine.fit(
        module,
        batches(
            cells,
            rows[0],
            settings.batch_size,
            seed=settings.seed,
            epoch=done + 1,
            together=settings.together,
        ),
        held_out,
        ckpt_path=last,
        weights_only=True,
    )
    if isinstance(best, BestWeights):
        state, epoch = best.state, best.epoch
    else:
        kept = torch.load(best.best_model_path, weights_only=True, map_location="cpu")
        state, epoch = kept["state_dict"], kept["epoch"]
    vae.cpu().load_state_dict({name.removeprefix("vae."): value for name, value in state.items()})
    vae.eval()
    gain = module.cpu().gain(held_out)
    return FitReport(
        history=pd.DataFrame(module.history),
        best_epoch=int(epoch),
        best_elbo=gain.elbo,
        stopped_early=engine.current_epoch < settings.max_epochs,
        gain=gain,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice; its errors stay."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
            warnings.filterwarnings(
                "ignore", category=UserWarning, message=".*(workers|Checkpoint).*"
            )
            yield
    finally:
        logger.setLevel(level)
