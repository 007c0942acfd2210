"""The networks of one fold of a run over pairs, each trained twice: to find its epochs, and to predict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.console import Console
from edge2torch._core.messages import plural
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import JoinedModel, NodeHeads, customize_model, join_branches
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import drop_values, head_loss
from edge2torch.study._judge_pairs import JOINED
from edge2torch.study._network import _quietly
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import still_falling
from edge2torch.train import Fit, Pairs, Scaler, fit, fit_scaler

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# What the branch is joined to. Interactions of cells and drugs pass through here, and six units, as
# published, hold no more than six of them: chosen on simulated tables of 12 pathways as targets.
ROOT_UNITS = 24
_PARTS = 5  # into which trained pairs are divided to find the number of epochs
_BRANCH = (100, 50)
_BATCH = 256
_APART = 1_000  # between the seeds of the networks of a fold: folds are fewer
_STEPS = 480  # waited for at least without a better validation loss: it has long plateaus


@dataclass(frozen=True)
class FoldRun:
    """The networks of one fold, and what their mean and the baselines predict."""

    models: list[JoinedModel]
    scalers: list[Scaler]  # of cells and of drugs
    response: tuple[float, float]  # mean and standard deviation
    drugs: Tensor
    held_out: Ints
    predicted: dict[str, Floats]
    epochs: list[int]
    is_cut: list[bool]  # whether the validation loss was still falling at the last epoch


def run_fold(
    both: Pairs,
    artifact: CompileArtifact,
    rows: Ints,
    held_out: Ints,
    hold_out: str,
    settings: StudySettings,
    seed: int,
    console: Console,
) -> FoldRun:
    # what is fitted to cells and drugs is fitted to those of the training part
    scalers = [
        fit_scaler(table, np.unique(both.index[rows, k]))
        for k, table in enumerate((both.cells, both.drugs))
    ]
    x = align_features_to_input_nodes(scalers[0](both.cells), artifact)
    z = torch.from_numpy(scalers[1](both.drugs).to_numpy(np.float32, copy=True))
    level, spread = float(both.y[rows].mean()), float(both.y[rows].std()) or 1.0
    y = torch.from_numpy((both.y - level) / spread).float()[:, None]
    part = Pairs(both.index[rows], both.y[rows], both.cells, both.drugs, both.entities)

    def trained(
        own: Ints, judged: Ints | None, epochs: int, size: int, seed: int, name: str
    ) -> tuple[JoinedModel, Fit]:
        model = _joined(artifact, z.shape[1], settings, seed)
        return model, fit(
            model,
            partial(_loss, model, both, x, z, y, settings),
            own,
            held_out=judged,
            max_epochs=epochs,
            batch_size=size,
            learning_rate=settings.learning_rate_of(pairs=True),
            weight_decay=settings.weight_decay,
            patience=max(settings.patience, -(-_STEPS // max(round(len(own) / size), 1))),
            keep_best=False,  # the number of epochs is what is looked for
            seed=seed,
            progress=lambda to_come: console.count(
                to_come.stop, name, "epochs", first=to_come.start
            ),
        )

    models, said, found, is_cut = [], [], [], []
    for start in range(settings.replicates):
        own = seed + _APART * start
        name = f"fold {seed - settings.seed + 1}, network {start + 1}"
        # As a study does: the epochs are found on a part, then all but the held-out pairs are trained with.
        parts = _parts(part, hold_out)
        fitted, validation = part.folds(cast(Any, hold_out), parts, seed=own)[0]
        size = settings.batch_size or min(_BATCH, max(len(fitted) // 8, 16))
        _, search = trained(rows[fitted], rows[validation], settings.max_epochs, size, own, name)
        epochs = int(search.best_epoch or 0) + 1
        model, _ = trained(rows, None, epochs, size, own, f"{name}, all")
        model.eval()
        with torch.no_grad():
            said.append(model(x, z, both.rows(held_out))[:, 0].double().numpy())
        losses = tuple(search.history["held_out_loss"])
        is_cut.append(search.stopped_by == "max_epochs" and still_falling(losses, epochs))
        models.append(model)
        found.append(epochs)
    predicted = {
        JOINED: np.mean(said, axis=0) * spread + level,
        **both.baselines(rows, held_out),
    }
    return FoldRun(models, scalers, (level, spread), z, held_out, predicted, found, is_cut)


def _parts(part: Pairs, hold_out: str) -> int:
    """Return into how many parts the trained pairs are divided to find the number of epochs."""
    if hold_out != "both":
        return _PARTS
    numbers = [len(np.unique(part.index[:, k])) for k in range(2)]  # both sides are divided
    if min(numbers) < 2:
        named = " and ".join(
            plural(f"{who}", n) for who, n in zip(part.entities, numbers, strict=True)
        )
        raise Edge2TorchError(
            f"hold_out='both' leaves {named} to train with, and two of each are needed: the epochs are "
            "found on others than are fitted. Take more test_folds=, or hold out one of the two."
        )
    return min(_PARTS, *numbers)


def _loss(
    model: JoinedModel,
    both: Pairs,
    x: Tensor,
    z: Tensor,
    y: Tensor,
    settings: StudySettings,
    batch: Tensor,
) -> Tensor:
    """Return the mean squared error of some pairs, and of the heads where there are any."""
    seen = drop_values(x, settings.input_dropout or 0.0) if model.training else x
    which = both.rows(batch.numpy())
    for k, who in enumerate(both.entities if model.training else ()):
        if bool((which[:, k] == which[0, k]).all()):
            raise Edge2TorchError(
                f"A step of training has pairs of one {who} alone, and batch normalisation compares two or "
                f"more: give more {who}s, or larger batches by batch_size=."
            )
    if not (settings.node_heads and model.training):
        return nn.functional.mse_loss(model(seen, z, which), y[batch])
    output, heads = model.with_heads(seen, z, which)
    return head_loss(nn.functional.mse_loss, output, heads, y[batch], alpha=settings.head_weight)


def _joined(
    artifact: CompileArtifact, features: int, settings: StudySettings, seed: int
) -> JoinedModel:
    with torch.random.fork_rng(devices=[]), _quietly():
        torch.manual_seed(seed)
        graph, _ = compile_graph(
            artifact.graph.edges,
            inputs=artifact.feature_names,
            outputs=artifact.output_names,
            units=artifact.options.get("units"),
            quiet=True,
        )
        hidden = bool(artifact.topology.hidden)
        model = customize_model(
            graph,
            node_activation=settings.node_activation,
            node_normalization="batch",
            norm_first=False,
            node_dropout=settings.node_dropout_of(pairs=True),
            node_heads=NodeHeads() if settings.node_heads and hidden else None,
        )
        width = max(settings.units, ROOT_UNITS)
        return join_branches(
            model, artifact, other=(*_BRANCH, width), features=features, width=width
        )
