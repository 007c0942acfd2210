"""The latent of the variational autoencoder that follows a module."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.messages import listing, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._statistics import correlate
from edge2torch.netmodules import Checkpoint, NetworkModules

_FOLLOWS = 0.5  # below this |r| with the eigengene a latent says little about the module


@dataclass(frozen=True, eq=False)
class Latent:
    """Latent number ``index``, called ``name``; ``r`` with the eigengene; ``mean`` (s, k) of all."""

    index: int
    name: str
    r: float
    mean: NDArray[np.float64]


def checkpoint_of(result: NetworkModules) -> Checkpoint:
    """The fit's own encoder and decoder; an error where there is none or another fit's."""
    pair = result.checkpoint
    if pair is None:
        raise Edge2TorchError(
            f"artifact_dir: these modules were found by backend={result.backend!r}, which has no "
            "vae_checkpoint. Fit with backend='vae', or leave vae_attribution and "
            "integrated_gradients out."
        )
    expected = set(result.feature_scores.columns)
    for side, names in (
        ("encoder", pair.encoder_artifact.feature_names),
        ("decoder", pair.decoder_artifact.output_names),
    ):
        if odd := sorted(expected.symmetric_difference(names)):
            raise Edge2TorchError(
                f"artifact_dir: the {side} of vae_checkpoint belongs to another fit; its features "
                f"and those of feature_scores differ in {listing(odd)}. Fit again, or copy the "
                "whole folder."
            )
    return pair


def encoder_input(pair: Checkpoint, scores: pd.DataFrame) -> pd.DataFrame:
    """Standardised scores, as in the fit, in the encoder's order."""
    return scores[list(pair.encoder_artifact.feature_names)].astype(np.float32)


def find_latent(pair: Checkpoint, scores: pd.DataFrame, eigengene: NDArray[np.float64]) -> Latent:
    """The latent whose mean correlates most with the eigengene (s,)."""
    names = list(pair.decoder_artifact.feature_names)
    # By name: the encoder need not give latents in the order in which the decoder reads them.
    where = pd.Index(pair.encoder_artifact.output_names).get_indexer(pd.Index(names))
    with torch.no_grad():
        encoded = pair.encoder(torch.from_numpy(encoder_input(pair, scores).to_numpy(copy=True)))
    mean = encoded[:, torch.from_numpy(where)].double().numpy()
    r = correlate(mean, eigengene).r
    if np.isnan(r).all():
        raise Edge2TorchError(
            "artifact_dir: no latent of the vae moves with the module: every latent has "
            "collapsed. Fit again with more epochs or a smaller vae.beta."
        )
    index = int(np.nanargmax(np.abs(r)))
    return Latent(index, names[index], float(r[index]), mean)


def follow(
    result: NetworkModules, module_id: str, eigengene: pd.Series | None
) -> tuple[Checkpoint, Latent, pd.DataFrame, NDArray[np.float64]]:
    """The checkpoint, the latent that follows a module, scores and eigengene of common samples."""
    pair = checkpoint_of(result)
    by_sample = result.eigengenes.loc[module_id] if eigengene is None else eigengene
    scores = result.feature_scores.loc[result.feature_scores.index.intersection(by_sample.index)]
    values = by_sample.loc[scores.index].to_numpy(dtype=np.float64)
    latent = find_latent(pair, scores, values)
    if abs(latent.r) < _FOLLOWS:
        warn(
            f"module {module_id}: no latent of the vae follows its eigengene (the nearest, "
            f"{latent.name!r}, has r = {latent.r:.2f}), so attribution through the vae says little "
            "about it. Fit with more epochs or a larger vae.latent_dim."
        )
    return pair, latent, scores, values


def decoded_delta(pair: Checkpoint, latent: Latent, step: float) -> pd.Series:
    """Half the change of decoded scores per unit, between the latent a step up and a step down."""
    centre = torch.from_numpy(latent.mean.mean(axis=0))
    shift = torch.zeros_like(centre)
    shift[latent.index] = step
    ends = torch.stack([centre + shift, centre - shift])
    with torch.no_grad():
        up, down = _in_double(pair, ends)
    values = ((up - down) / (2 * step)).numpy()
    return pd.Series(values, pd.Index(pair.decoder_artifact.output_names, dtype=object))


def _in_double(pair: Checkpoint, z: Tensor) -> Tensor:
    """Decode in double precision, so that small steps keep their digits."""
    kept = next(pair.decoder.parameters()).dtype
    try:
        return torch.as_tensor(pair.decoder.double()(z))
    finally:
        pair.decoder.to(kept)
