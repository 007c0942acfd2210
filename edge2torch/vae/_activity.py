"""Which latents differ between groups of cells, and which genes a latent speaks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from edge2torch.compile import find_edge_model
from edge2torch.errors import Edge2TorchError, listing
from edge2torch.vae._cells import Cells
from edge2torch.vae._named import NamedVAE
from edge2torch.vae._tables import posterior


def path_weights(vae: NamedVAE, latents: list[str]) -> pd.DataFrame:
    """Return the sum over paths of the product of weights, latents by genes."""
    artifact = vae.artifact.decoder
    linear = find_edge_model(vae.decoder.network, artifact).with_stages({})
    places = [artifact.feature_names.index(name) for name in latents]
    like = next(vae.parameters())
    ask = torch.zeros(len(places) + 1, len(artifact.feature_names)).to(like)
    ask[torch.arange(len(places)), places] = 1
    with torch.no_grad():
        told = linear(ask)
    values = (told[:-1] - told[-1]).cpu().numpy()
    return pd.DataFrame(values, index=latents, columns=artifact.output_names)


def orientation(vae: NamedVAE) -> NDArray[np.float64]:
    """Return +1 where a latent's genes go up with it on the whole, -1 where they go down (k,)."""
    total = path_weights(vae, vae.artifact.latent_names).sum(axis=1).to_numpy()
    return np.where(total < 0, -1.0, 1.0)


def mean_weight(vae: NamedVAE) -> NDArray[np.float64]:
    """Return the absolute mean path weight over a latent's genes (k,)."""
    weights = path_weights(vae, vae.artifact.latent_names).to_numpy(np.float64)
    reached = np.maximum((weights != 0).sum(axis=1), 1)
    return np.asarray(np.abs(weights.sum(axis=1)) / reached)


def explain(vae: NamedVAE, name: str, top: int | None) -> pd.DataFrame:
    """Return a latent's genes, heaviest first."""
    if name not in vae.artifact.latent_names:
        raise Edge2TorchError(
            f"latent {name!r} is not in the model. It has {listing(vae.artifact.latent_names)}."
        )
    weights = path_weights(vae, [name]).iloc[0]
    table = pd.DataFrame({"gene": weights.index, "weight": weights.to_numpy()})
    prior = vae.design.decoder_edges
    if prior is not None and name in vae.artifact.annotated_names:
        inside, below = set(), {name}
        while below:  # one turn per level of the hierarchy
            inside |= below
            below = set(prior.loc[prior["source"].isin(below), "target"]) - inside
        table["in_prior"] = table["gene"].isin(inside)
    table = table[table["weight"] != 0]
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].iloc[:top].reset_index(drop=True)


def compare(
    vae: NamedVAE, cells: Cells, labels: pd.Series, samples: int, seed: int
) -> pd.DataFrame:
    """Return one row per group and latent; see :func:`differential_activity`."""
    mean, sd = posterior(vae, cells)
    sign = torch.from_numpy(orientation(vae)).to(mean)
    mean = mean * sign
    generator = torch.Generator().manual_seed(seed)
    tables = []
    for group in sorted(labels.dropna().unique(), key=str):
        own = torch.from_numpy((labels == group).to_numpy())
        rest = torch.from_numpy((labels.notna() & (labels != group)).to_numpy())
        if int(own.sum()) < 2 or int(rest.sum()) < 2:
            raise Edge2TorchError(
                f"groupby: group {group!r} has {int(own.sum())} cell(s) and the others "
                f"{int(rest.sum())}; at least two of each are needed. Join it to another group."
            )
        tables.append(_one_group(vae, group, mean, sd, own, rest, samples, generator))
    return pd.concat(tables, ignore_index=True)


def _one_group(
    vae: NamedVAE,
    group: Any,
    mean: torch.Tensor,
    sd: torch.Tensor,
    own: torch.Tensor,
    rest: torch.Tensor,
    samples: int,
    generator: torch.Generator,
) -> pd.DataFrame:
    def draw(chosen: torch.Tensor) -> torch.Tensor:
        rows = torch.nonzero(chosen).flatten()
        rows = rows[torch.randint(len(rows), (samples,), generator=generator)]
        return mean[rows] + sd[rows] * torch.randn(samples, mean.shape[1], generator=generator)

    above = ((draw(own) > draw(rest)).double().mean(0).numpy() * samples + 0.5) / (samples + 1)
    a, b = mean[own].double().numpy(), mean[rest].double().numpy()
    pooled = np.sqrt(
        ((len(a) - 1) * a.var(0, ddof=1) + (len(b) - 1) * b.var(0, ddof=1)) / (len(a) + len(b) - 2)
    )
    p_value = np.asarray(stats.mannwhitneyu(a, b, axis=0).pvalue)
    table = pd.DataFrame(
        {
            "group": group,
            "latent": vae.artifact.latent_names,
            "mean": a.mean(0),
            "mean_rest": b.mean(0),
            "effect_size": (a.mean(0) - b.mean(0)) / np.maximum(pooled, 1e-12),
            "log_bayes_factor": np.log(above) - np.log1p(-above),
            "p_value": p_value,
            "fdr": stats.false_discovery_control(p_value),
        }
    )
    return table.sort_values("log_bayes_factor", ascending=False, kind="stable", ignore_index=True)
