"""A VAE that knows what its nodes are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor

from edge2torch.compile import CompileArtifact
from edge2torch.vae._core import VAECore
from edge2torch.vae._design import Design
from edge2torch.vae._networks import GeneDecoder, LatentEncoder


@dataclass(frozen=True, eq=False)
class VAEArtifact:
    """Names for every latent and hidden node of a VAE.

    Parameters
    ----------
    encoder, decoder : CompileArtifact
        As of any compiled graph: use them with ``model.encoder.network`` and
        ``model.decoder.network``.
    feature_names, latent_names : list of str
        Genes, and latents in the order of the posterior's columns.
    annotated_names : list of str
        The latents that the prior knows.
    condition_names : list of str
        Input nodes of the covariates.

    Examples
    --------
    >>> from edge2torch.vae import compile_vae
    >>> compile_vae(features=["g1", "g2", "g3"], latents=2)[1]
    VAEArtifact(3 features, 2 latents of which 0 annotated, 256 + 256 hidden nodes)
    """

    encoder: CompileArtifact = field(repr=False)
    decoder: CompileArtifact = field(repr=False)
    feature_names: list[str]
    latent_names: list[str]
    annotated_names: list[str]
    condition_names: list[str]

    def hidden_names(self, half: str) -> list[str]:
        """Return the hidden nodes of the ``"encoder"`` or the ``"decoder"``, layer by layer."""
        own: CompileArtifact = getattr(self, half)
        ends = {*own.feature_names, *own.output_names}
        layers = own.node_names_by_layer.values()
        return [name for layer in layers for name in layer if name not in ends]

    def __repr__(self) -> str:
        hidden = " + ".join(str(len(self.hidden_names(half))) for half in ("encoder", "decoder"))
        return (
            f"VAEArtifact({len(self.feature_names)} features, {len(self.latent_names)} latents of "
            f"which {len(self.annotated_names)} annotated, {hidden} hidden nodes)"
        )


class NamedVAE(VAECore):
    """A VAE with its design and artifact, and the L1 of what the prior does not have."""

    def __init__(self, design: Design, encoder: LatentEncoder, decoder: GeneDecoder) -> None:
        super().__init__(
            encoder,
            decoder,
            likelihood=design.likelihood,
            n_latents=len(design.latents),
            interpretative=design.interpretative,
            learned_library=design.library == "learned",
        )
        self.design = design
        self.artifact = VAEArtifact(
            encoder=encoder.artifact,
            decoder=decoder.artifact,
            feature_names=list(design.features),
            latent_names=list(design.latents),
            annotated_names=list(design.annotated),
            condition_names=design.conditions,
        )
        self._outside = self._outside_places() if design.soft_mask is not None else []

    @property
    def is_outside(self) -> np.ndarray:
        """Rows of the decoder's edge table that a soft mask added, (e,)."""
        edges = self.artifact.decoder.graph.edges
        prior = self.design.decoder_edges
        if prior is None or self.design.soft_mask is None:
            return np.zeros(len(edges), bool)
        by_prior = edges["source"].isin(set(prior["source"])).to_numpy()
        return by_prior & (
            np.arange(len(edges)) >= len(prior.drop_duplicates(["source", "target"]))
        )

    def _outside_places(self) -> list[Tensor]:
        is_outside = self.is_outside
        bound = self.artifact.decoder.bind(self.decoder.network)
        return [
            torch.from_numpy(np.flatnonzero(is_outside[rows])) for rows, _ in bound.edge_values()
        ]

    def outside_l1(self) -> Tensor:
        """Return the sum of absolute weights of edges that the prior does not have."""
        values = self.artifact.decoder.bind(self.decoder.network).edge_values()
        parts = [
            own[places.to(own.device)].abs().sum()
            for (_, own), places in zip(values, self._outside, strict=True)
        ]
        return cast(Tensor, sum(parts))
