"""Latents of cells as tables by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch.vae._cells import Cells, open_cells, survey
from edge2torch.vae._losses import posterior_sd
from edge2torch.vae._named import NamedVAE


def query_cells(vae: NamedVAE, data: Any, layer: str | None, obs: Any, missing: Any) -> Cells:
    """Open and check cells that are not trained on."""
    cells = open_cells(data, vae.design, layer=layer, obs=obs, missing=missing)
    survey(cells, vae.design.likelihood, empty="keep")
    return cells


def encoded(vae: NamedVAE, cells: Cells) -> Iterator[tuple[Tensor, Tensor | None, Tensor, Tensor]]:
    """Yield values, conditions, q_m and q_s, a chunk of cells at a time, without gradients."""
    like = next(vae.parameters())
    was_training = vae.training
    vae.eval()
    try:
        with torch.no_grad():
            for rows in cells.chunks(256):
                values = cells.read(rows).to(like)
                conditions = cells.conditions(rows)
                conditions = None if conditions is None else conditions.to(like)
                yield values, conditions, *vae.encode(vae.encoder_input(values), conditions)
    finally:
        vae.train(was_training)


def posterior(vae: NamedVAE, cells: Cells) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of every cell's latents, each (cells, k)."""
    parts = [
        (q_m[:, : vae.n_latents].cpu(), posterior_sd(q_s[:, : vae.n_latents]).cpu())
        for _, _, q_m, q_s in encoded(vae, cells)
    ]
    means, sds = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(sds)


def latent_frame(vae: NamedVAE, cells: Cells, samples: int, seed: int) -> pd.DataFrame:
    """Return posterior means, or samples with a first index level for their number."""
    mean, sd = posterior(vae, cells)
    names = pd.Index(vae.artifact.latent_names, name="latent")
    if not samples:
        return pd.DataFrame(mean.numpy(), index=cells.names, columns=names)
    generator = torch.Generator().manual_seed(seed)
    drawn = mean + sd * torch.randn(samples, *mean.shape, generator=generator)
    index = pd.MultiIndex.from_product([range(samples), cells.names], names=["sample", None])
    return pd.DataFrame(drawn.flatten(0, 1).numpy(), index=index, columns=names)


def bottleneck_frame(bottleneck: nn.Linear, latents: pd.DataFrame) -> pd.DataFrame:
    """Return the interpretative embedding of latent means."""
    with torch.no_grad():
        values = bottleneck(torch.from_numpy(np.ascontiguousarray(latents)).to(bottleneck.weight))
    names = [f"I{k + 1}" for k in range(values.shape[1])]
    return pd.DataFrame(values.cpu().numpy(), index=latents.index, columns=names)
