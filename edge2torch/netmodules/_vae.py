"""``vae``: a variational autoencoder whose encoder and decoder are compiled graphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.randomness import seeded
from edge2torch._core.trimmed import trimmed_mean
from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.netmodules._config import VaeConfig
from edge2torch.netmodules._correlation import best_count
from edge2torch.netmodules._similarity import Checkpoint, Request, Similarity, standardised
from edge2torch.train import fit
from edge2torch.vae import EdgeVAE, compile_vae

_SHUFFLES = 99  # of the held-out samples: in noise, 3 of 200 fits did better than on all
_COLLAPSED = 0.05  # nats of KL below which a latent says nothing
_CLEARLY = 1e-3  # of the mean profile's loss, by which the held-out loss has to fall


def vae(request: Request) -> Similarity:
    """Pearson correlations of the decoded means and a part of what they leave."""
    config = request.config.vae
    values = request.values
    fits = [_fit(request, size) for size in _sizes(request)]
    best = min(fits, key=lambda fitted: fitted.loss)
    if words := no_better_words(best.report):
        request.progress(words)
    decoded, divergence = _decode(best.model, values)
    latents = best.model.artifact.latent_names
    left = values - decoded
    error = np.einsum("sp,sp->p", left, left, dtype=np.float64) / len(values)
    gate = 1 - error if config.residual == 0 else None
    report = {
        **best.report,
        "latent_dim": len(latents),
        "latent_grid": {str(fit.report["latent_dim"]): fit.loss for fit in fits},
        "rmse": float(np.sqrt(error.mean())),
        "kl": dict(zip(latents, divergence.tolist(), strict=True)),
        "collapsed": [latents[k] for k in np.flatnonzero(divergence < _COLLAPSED)],
    }
    without_decoys = _part_of(best.model, request.names[: request.n_features])
    left *= np.float32(config.residual)
    decoded += left
    vectors = standardised(decoded)
    return Similarity(vectors, report, explained=gate, checkpoint=without_decoys)


def no_better_words(report: Mapping[str, Any]) -> str:
    """Say that the decoder brings nothing, or nothing that can be told; nothing where it does.

    A loss below the mean profile's is no proof: of few features, a latent takes its share of the
    squared error of noise as well. Held-out samples whose features are shuffled, each on its own,
    have the same noise and nothing that features share.
    """
    loss, profile, as_good = (
        report[name] for name in ("held_out_loss", "mean_profile_loss", "shuffles_as_good")
    )
    if loss >= profile:
        how = (
            f"On held-out samples the vae's loss, {loss:.4g}, is worse than that of the mean profile, "
            f"{profile:.4g}: whatever modules come out, come from what it leaves"
        )
    elif as_good:
        how = (
            "Whether the vae has learned what features share cannot be told from "
            f"{report['held_out_samples']} held-out sample(s): with every feature shuffled among "
            f"them, its loss is as low in {as_good} of {_SHUFFLES} shuffles"
        )
    else:
        return ""
    return (
        f"{how}. Train for longer (vae.max_epochs, vae.patience), hold more samples out "
        "(vae.validation_fraction), or take another backend."
    )


def _sizes(request: Request) -> list[int]:
    """Latent sizes to try: as given, or the number of factors that the data show."""
    config = request.config
    if config.vae.latent_grid:
        return list(config.vae.latent_grid)
    if config.vae.latent_dim is not None:
        return [config.vae.latent_dim]
    count, _ = best_count(request.values, config.latent, request.seed)
    return [max(count, 1)]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model, the least held-out loss, and what happened."""

    model: EdgeVAE
    loss: float
    report: dict[str, Any]


def _fit(request: Request, size: int) -> Fitted:
    request.progress(f"vae with {size} latents.")

    def show(epochs: range) -> Iterator[tuple[int, Callable[[str], object]]]:
        for epoch in request.track(epochs, f"vae with {size} latents, epochs"):
            yield epoch, str

    model = new_vae(request.names, request.config.vae.hidden_dim, size, request.seed)
    fitted = train(model, request.values, request.config.vae, request.seed, show)
    fitted.report["latent_dim"] = size
    return fitted


@torch.no_grad()
def new_vae(features: list[str], hidden: int, latents: int, seed: int) -> EdgeVAE:
    """An untrained model of standardised scores, with one hidden layer in either half."""
    model, _ = compile_vae(
        features=features, latents=[f"z{k}" for k in range(latents)], likelihood="gaussian",
        hidden_dim=[hidden], activation="elu", seed=seed,
    )  # fmt: skip
    with seeded(seed):
        for half in (model.encoder, model.decoder):
            for layer in find_edge_model(half.network, half.artifact).edge_layers():
                # Graphs start with weights clear of zero, as they have few edges each; with a
                # hundred genes on every node these are noise that a few samples do not unlearn.
                bound = layer.in_features**-0.5
                layer.set_weights(torch.empty(layer.n_edges).uniform_(-bound, bound))
    # A variance of a half for all: its log likelihood is the squared error, and no feature whose
    # values happen to be easy outweighs the others.
    log_sd = model.decoder.own["log_sd"].requires_grad_(False)
    log_sd.fill_(0.5 * math.log(0.5))
    return model


def train(
    model: EdgeVAE,
    values: NDArray[np.float32],
    config: VaeConfig,
    seed: int,
    progress: Callable[[range], Any] | bool = False,
) -> Fitted:
    """Train until the held-out loss no longer falls; keep the best weights."""
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    cut = max(1, round(config.validation_fraction * len(values)))
    x = torch.from_numpy(values)
    held_out = x[order[:cut]]
    weights = {"beta": config.beta}

    def warm_up(epoch: int) -> None:
        weights["beta"] = config.beta * min(1.0, (epoch + 1) / max(config.warmup_epochs, 1))

    # values are standardised, so what the mean profile leaves of a sample is its squared length
    mean_profile = float(trimmed_mean(held_out.square().sum(dim=1)))
    fitted = fit(
        model,
        lambda rows: model.losses(x[rows], None, weights)["total"],
        order[cut:],
        held_out=lambda: float(trimmed_mean(_losses(model, held_out, config.beta))),
        max_epochs=config.max_epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        patience=config.patience,
        min_gain=_CLEARLY * mean_profile,
        plateau=max(config.patience // 3, 1),
        seed=seed,
        fused=True,
        before_epoch=warm_up,
        progress=progress,
    )
    loss = float(fitted.history["held_out_loss"].min())
    report = {
        "epochs": fitted.epochs,
        "stopped_by": fitted.stopped_by,
        "held_out_loss": loss,
        "mean_profile_loss": mean_profile,
        "held_out_samples": cut,
        "shuffles_as_good": _as_good(model, held_out, config.beta, seed),
    }
    return Fitted(model, loss, report)


def _losses(model: EdgeVAE, x: Tensor, beta: float) -> Tensor:
    """Squared error of the decoded mean and its divergence, per sample: nothing is drawn."""
    mean, spread = model.encode(x)
    error = (x - model.decoder.predict(mean)).square().sum(dim=1)
    return error + beta * model.divergence(mean, spread).sum(dim=1)


@torch.no_grad()
def _as_good(model: EdgeVAE, held_out: Tensor, beta: float, seed: int) -> int:
    """In how many shuffles of every feature among the held-out samples the loss is as low."""
    rng, values = np.random.default_rng(seed), held_out.numpy()
    loss = trimmed_mean(_losses(model, held_out, beta))
    shuffled = (torch.from_numpy(rng.permuted(values, axis=0)) for _ in range(_SHUFFLES))
    return sum(bool(trimmed_mean(_losses(model, one, beta)) <= loss) for one in shuffled)


@torch.no_grad()
def _decode(
    model: EdgeVAE, values: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decoded means, and the mean KL of each latent."""
    mean, spread = model.encode(torch.from_numpy(values))
    return model.decoder.predict(mean).numpy(), model.divergence(mean, spread).mean(dim=0).numpy()


def _part_of(model: EdgeVAE, features: list[str]) -> Checkpoint:
    """The model of some of its features, with the weights that it has."""
    old, (hidden,) = model.artifact, model.design.hidden_dim
    new = new_vae(features, hidden, len(old.latent_names), seed=0)
    _copy(model.encoder.network, old.encoder, new.encoder.network, new.artifact.encoder)
    _copy(model.decoder.network, old.decoder, new.decoder.network, new.artifact.decoder)
    halves = new.encoder.network.eval(), new.decoder.network.eval()
    return Checkpoint(*halves, new.artifact.encoder, new.artifact.decoder)


@torch.no_grad()
def _copy(
    old: nn.Module, old_names: CompileArtifact, new: nn.Module, new_names: CompileArtifact
) -> None:
    """Copy weights and biases of dense blocks, by name."""
    before, after = (list(a.node_names_by_layer.values()) for a in (old_names, new_names))
    blocks = [model.get_submodule("base_model.blocks") for model in (old, new)]
    for k, (source, target) in enumerate(zip(*blocks, strict=True)):
        rows, columns = (
            torch.from_numpy(pd.Index(before[at]).get_indexer(pd.Index(after[at])))
            for at in (k + 1, k)
        )
        # a dense block's edges stand target by target, and within one source by source
        weight = source.linear.edge_weights().reshape(len(before[k + 1]), len(before[k]))
        target.linear.set_weights(weight[rows][:, columns].reshape(-1))
        target.linear.bias.copy_(source.linear.bias[rows])
