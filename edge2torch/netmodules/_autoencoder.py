"""Encoder and decoder as compiled graphs, and their training."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import customize_model
from edge2torch.netmodules._adam import Adam, Plateau
from edge2torch.netmodules._checkpoint import ACTIVATION, Checkpoint
from edge2torch.netmodules._config import VaeConfig

_SLOWER = 1 / 3
_CLEARLY = 1e-3  # the share by which the held-out loss has to fall within the patience


def dense_edges(*layers: list[str]) -> pd.DataFrame:
    """Every node of a layer to every node of the next."""
    parts = []
    for here, there in itertools.pairwise(layers):
        source = np.tile(np.array(here, dtype=object), len(there))
        target = np.repeat(np.array(there, dtype=object), len(here))
        parts.append(pd.DataFrame({"source": source, "target": target}))
    return pd.concat(parts, ignore_index=True)


def latent_names(count: int) -> list[str]:
    """``z0``, ``z1``, ..."""
    return [f"z{k}" for k in range(count)]


@dataclass(frozen=True, eq=False)
class Pair:
    """Encoder and decoder in training, each with the node names of its layers.

    What else a compiled graph comes with grows with its edges and is not needed here.
    """

    encoder: nn.Module
    decoder: nn.Module
    encoder_names: list[list[str]]
    decoder_names: list[list[str]]


def new_pair(features: list[str], hidden: int, latents: int) -> Pair:
    """An untrained pair; weights come from torch's generator."""
    encoder, encoder_names = _without_artifact(*_encoder(features, hidden, latents))
    decoder, decoder_names = _without_artifact(*_decoder(features, hidden, latents))
    return Pair(encoder, decoder, encoder_names, decoder_names)


def _without_artifact(
    model: nn.Module, artifact: CompileArtifact
) -> tuple[nn.Module, list[list[str]]]:
    return model, list(artifact.node_names_by_layer.values())


def _encoder(features: list[str], hidden: int, latents: int) -> tuple[nn.Module, CompileArtifact]:
    z = latent_names(latents)
    both = [*z, *(f"logvar:{name}" for name in z)]
    return _compiled(dense_edges(features, _inner("h", hidden), both), features, both)


def _decoder(features: list[str], hidden: int, latents: int) -> tuple[nn.Module, CompileArtifact]:
    z = latent_names(latents)
    return _compiled(dense_edges(z, _inner("d", hidden), features), z, features)


def _inner(letter: str, hidden: int) -> list[str]:
    return [f"{letter}{k}" for k in range(hidden)]


def _compiled(
    edges: pd.DataFrame, inputs: list[str], outputs: list[str]
) -> tuple[nn.Module, CompileArtifact]:
    model, artifact = compile_graph(
        edges, quiet=True, inputs=inputs, outputs=outputs, init="dense", kernel="dense"
    )
    return customize_model(model, node_activation=ACTIVATION), artifact


def checkpoint_of(pair: Pair, features: list[str], hidden: int, latents: int) -> Checkpoint:
    """The same pair as compiled graphs of some of its features, with the weights that it has."""
    encoder, its = _encoder(features, hidden, latents)
    _copy(pair.encoder, pair.encoder_names, encoder, its)
    decoder, theirs = _decoder(features, hidden, latents)
    _copy(pair.decoder, pair.decoder_names, decoder, theirs)
    return Checkpoint(encoder, decoder, its, theirs)


def _copy(
    old: nn.Module, old_names: list[list[str]], new: nn.Module, artifact: CompileArtifact
) -> None:
    """Copy weights and biases between dense blocks, by name."""
    new_names = list(artifact.node_names_by_layer.values())
    blocks = [model.get_submodule("base_model.blocks") for model in (old, new)]
    for k, (mine, its) in enumerate(zip(*blocks, strict=True)):
        rows, columns = (
            torch.from_numpy(pd.Index(old_names[at]).get_indexer(pd.Index(new_names[at])))
            for at in (k + 1, k)
        )
        shape = len(old_names[k + 1]), len(old_names[k])
        weight = mine.linear.weight.detach().reshape(shape)
        its.linear.set_weights(weight[rows][:, columns].reshape(-1))
        with torch.no_grad():
            its.linear.bias.copy_(mine.linear.bias[rows])


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained pair, the least held-out loss, and what happened."""

    pair: Pair
    loss: float
    report: dict[str, Any]


def train(
    pair: Pair, values: NDArray[np.float32], config: VaeConfig, seed: int, epochs: Iterable[int]
) -> Fitted:
    """Train until the held-out loss no longer falls; keep the best weights."""
    n = len(values)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator)
    cut = max(1, round(config.validation_fraction * n))
    x = torch.from_numpy(values)
    test, fit = x[order[:cut]], x[order[cut:]]
    both = nn.ModuleList([pair.encoder, pair.decoder])
    optimizer = Adam(both.parameters(), config.learning_rate)
    schedule = Plateau(optimizer, _SLOWER, patience=max(config.patience // 3, 1))
    best, clear, stale, reason = float("inf"), float("inf"), 0, "all epochs"
    kept = copy.deepcopy(both.state_dict())
    epoch = 0
    for epoch in epochs:
        beta = config.beta * min(1.0, (epoch + 1) / max(config.warmup_epochs, 1))
        _epoch(pair, fit, optimizer, beta, config.batch_size, generator)
        loss = _held_out(pair, test, config.beta)
        if not np.isfinite(loss):
            reason = "a loss that is not finite"
            break
        schedule.step(loss)
        if loss < best:
            best, kept = loss, copy.deepcopy(both.state_dict())
        clear, stale = (loss, 0) if loss < clear * (1 - _CLEARLY) else (clear, stale + 1)
        if stale >= config.patience:
            reason = "the held-out loss stopped falling"
            break
    both.load_state_dict(kept)
    both.eval()
    report = {"epochs": epoch + 1, "stopped_by": reason, "held_out_loss": best}
    report["mean_profile_loss"] = _typical(test.square().sum(dim=1))  # values are standardised
    return Fitted(pair, best, report)


def _epoch(
    pair: Pair,
    x: Tensor,
    optimizer: Adam,
    beta: float,
    batch_size: int,
    generator: torch.Generator,
) -> None:
    for rows in torch.randperm(len(x), generator=generator).split(batch_size):
        batch = x[rows]
        mean, logvar = encode(pair, batch)
        noise = torch.randn(mean.shape, generator=generator)
        found = pair.decoder(mean + noise * (0.5 * logvar).exp())
        loss = _loss(batch, found, mean, logvar, beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def encode(pair: Pair, x: Tensor) -> tuple[Tensor, Tensor]:
    """Means and log-variances of the latents, (b, k) each."""
    mean, logvar = pair.encoder(x).chunk(2, dim=1)
    return mean, logvar.clamp(-10, 10)


def _loss(x: Tensor, found: Tensor, mean: Tensor, logvar: Tensor, beta: float) -> Tensor:
    """P × MSE + beta × KL, per sample."""
    return _losses(x, found, mean, logvar, beta).mean()


def _losses(x: Tensor, found: Tensor, mean: Tensor, logvar: Tensor, beta: float) -> Tensor:
    return (x - found).square().sum(dim=1) + beta * kl(mean, logvar).sum(dim=1)


def kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Of each latent from the standard normal, (b, k)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


@torch.no_grad()
def _held_out(pair: Pair, x: Tensor, beta: float) -> float:
    mean, logvar = encode(pair, x)
    return _typical(_losses(x, pair.decoder(mean), mean, logvar, beta))


def _typical(losses: Tensor) -> float:
    """The mean without a tenth at either end, and at least one: no single sample decides."""
    n = len(losses)
    cut = math.ceil(0.1 * n) if n > 2 else 0
    kept = losses.sort().values[cut : n - cut]
    return float(kept.mean() if losses.isfinite().all() else losses.mean())
