"""``vae``: a variational autoencoder whose encoder and decoder are compiled graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge2torch.netmodules._autoencoder import (
    Fitted,
    Pair,
    checkpoint_of,
    encode,
    kl,
    latent_names,
    new_pair,
    train,
)
from edge2torch.netmodules._backends._correlation import best_count
from edge2torch.netmodules._similarity import Request, Similarity, standardised

_BY_CHANCE = 0.98  # the best epoch on noise was ahead of the mean profile by 0.6 %
_COLLAPSED = 0.05  # nats of KL below which a latent says nothing


def vae(request: Request) -> Similarity:
    """Pearson correlations of the decoded means and a part of what they leave."""
    config = request.config.vae
    values = request.values
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        fits = [_fit(request, size) for size in _sizes(request)]
    best = min(fits, key=lambda fitted: fitted.loss)
    if not best.loss < _BY_CHANCE * best.report["mean_profile_loss"]:
        request.progress(
            f"On held-out samples the vae's loss, {best.loss:.4g}, is not clearly below that of the mean "
            f"profile, {best.report['mean_profile_loss']:.4g}: whatever modules come out, come from "
            "what it leaves. Train for longer (vae.max_epochs, vae.patience), or take another backend."
        )
    decoded, mean, divergence = _decode(best.pair, values)
    size = mean.shape[1]
    left = values - decoded
    error = np.einsum("sp,sp->p", left, left, dtype=np.float64) / len(values)
    gate = 1 - error if config.residual == 0 else None
    report = {
        **best.report,
        "latent_dim": size,
        "latent_grid": {str(fit.report["latent_dim"]): fit.loss for fit in fits},
        "rmse": float(np.sqrt(error.mean())),
        "kl": dict(zip(latent_names(size), divergence.tolist(), strict=True)),
        "collapsed": [f"z{k}" for k in np.flatnonzero(divergence < _COLLAPSED)],
    }
    with torch.random.fork_rng(devices=[]):
        own = checkpoint_of(best.pair, request.names[: request.n_features], config.hidden_dim, size)
    left *= np.float32(config.residual)
    decoded += left
    vectors = standardised(decoded)
    return Similarity(vectors, report, explained=gate, checkpoint=own)


def _sizes(request: Request) -> list[int]:
    """Latent sizes to try: as given, or the number of factors that the data show."""
    config = request.config
    if config.vae.latent_grid:
        return list(config.vae.latent_grid)
    if config.vae.latent_dim is not None:
        return [config.vae.latent_dim]
    count, _ = best_count(request.values, config.latent, request.seed)
    return [max(count, 1)]


def _fit(request: Request, size: int) -> Fitted:
    config = request.config.vae
    request.progress(f"vae with {size} latents.")
    pair = new_pair(request.names, config.hidden_dim, size)
    epochs = request.track(range(config.max_epochs), f"vae with {size} latents, epochs")
    fitted = train(pair, request.values, config, request.seed, epochs)
    fitted.report["latent_dim"] = size
    return fitted


@torch.no_grad()
def _decode(
    pair: Pair, values: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]:
    """Decoded means, latent means, and the mean KL of each latent."""
    mean, logvar = encode(pair, torch.from_numpy(values))
    return pair.decoder(mean).numpy(), mean.numpy(), kl(mean, logvar).mean(dim=0).numpy()
