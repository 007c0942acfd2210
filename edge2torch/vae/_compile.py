"""``compile_vae`` and ``load_vae``: a VAE from edge tables, or from a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from edge2torch._core.damage import DAMAGE
from edge2torch._core.randomness import seeded
from edge2torch.compile import find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._design import Design, read_design
from edge2torch.vae._folder import read_vae
from edge2torch.vae._graphs import compile_half
from edge2torch.vae._likelihoods import find_likelihood
from edge2torch.vae._model import EdgeVAE
from edge2torch.vae._named import VAEArtifact
from edge2torch.vae._networks import GeneDecoder, LatentEncoder

_LINKS = {"counts": "proportions", "real": "identity", "binary": "probability"}


def compile_vae(
    encoder_edges: pd.DataFrame | str | None = None,
    decoder_edges: pd.DataFrame | str | None = None,
    features: Sequence[Any] | None = None,
    latents: int | Sequence[Any] | None = None,
    likelihood: str = "nb",
    interpretative: int | None = None,
    *,
    hidden_dim: int | Sequence[int] = 128,
    dense_latents: int = 0,
    units: int = 1,
    positive: bool = False,
    soft_mask: float | None = None,
    covariates: Mapping[str, Sequence[Any]] | None = None,
    library: str = "observed",
    activation: str = "relu",
    seed: int = 0,
) -> tuple[EdgeVAE, VAEArtifact]:
    """Compile a variational autoencoder whose halves follow edges, or are dense.

    Parameters
    ----------
    encoder_edges : DataFrame or "mirror", optional
        Gene -> pathway (-> pathway ...); the nodes without outgoing edges are the latents. Dense
        hidden layers if left out.
    decoder_edges : DataFrame or "mirror", optional
        Pathway (-> pathway ...) -> gene; the nodes without incoming edges are the latents.
        ``"mirror"`` stands for the other half's edges turned around.
    features : sequence of names, optional
        Genes in the model's order. Left out: those that the edges name. Genes in no pathway keep
        a bias in the decoder.
    latents : int or sequence of names, optional
        Their number, or names; left out, what the edges say, or 10.
    likelihood : {"nb", "zinb", "poisson", "gaussian", "bernoulli"}
        What a gene's values follow, given the decoder.
    interpretative : int, optional
        Nodes of the interpretative bottleneck.
    hidden_dim : int or sequence of int
        Nodes of each of two hidden layers of a dense half, or of each of several.
    dense_latents : int
        Further latents without annotation, with edges to all genes.
    units : int
        Units per pathway, named ``pathway.1``, ``pathway.2``, ...
    positive : bool
        Constrain the decoder's prior edges to be positive.
    soft_mask : float, optional
        Allow edges from pathways to all genes, with this weight on the sum of their absolute
        values. ``model.outside_edges()`` lists what became of them.
    covariates : mapping of str to levels, optional
        Columns of ``obs`` that both halves are conditioned on, such as ``{"batch": ["a", "b"]}``.
    library : {"observed", "learned"}
        Whether a cell's size is its sum of counts, or has a log-normal posterior of its own.
    activation : str
        At hidden nodes, as in ``customize_model(node_activation=)``.
    seed : int
        Fixes the initial weights.

    Returns
    -------
    model : EdgeVAE
    artifact : VAEArtifact

    Raises
    ------
    Edge2TorchError
        For latents without genes, edges that run the wrong way, and names that are not unique.

    Examples
    --------
    >>> import pandas as pd
    >>> sets = pd.DataFrame({"source": ["g1", "g2", "g3"], "target": ["P1", "P1", "P2"]})
    >>> model, artifact = compile_vae(encoder_edges=sets, decoder_edges="mirror")
    >>> artifact
    VAEArtifact(3 features, 2 latents of which 2 annotated, 0 + 0 hidden nodes)
    >>> artifact.encoder.feature_names, artifact.decoder.output_names
    (['g1', 'g2', 'g3'], ['g1', 'g2', 'g3'])

    References
    ----------
    Pathway decoders: VEGA, Seninge et al. 2021, doi:10.1038/s41467-021-26017-0; soft masks:
    expiMap, Lotfollahi et al. 2023, doi:10.1038/s41556-022-01072-x; counts: scVI, Lopez et al.
    2018, doi:10.1038/s41592-018-0229-2.
    """
    design = read_design(
        encoder_edges, decoder_edges, features, latents, likelihood=likelihood,
        interpretative=interpretative, hidden_dim=hidden_dim, covariates=covariates,
        library=library, dense_latents=dense_latents, units=units, positive=positive,
        soft_mask=soft_mask, activation=activation,
    )  # fmt: skip
    model = build_vae(design, seed=seed)
    return model, model.artifact


def build_vae(design: Design, *, seed: int) -> EdgeVAE:
    """Compile both halves of a design."""
    likelihood = find_likelihood(design.likelihood)
    with seeded(seed):
        table, inputs, ends = design.encoder_table()
        fed = pd.Index([*design.features, *design.conditions]).get_indexer(pd.Index(inputs))
        whole = len(fed) == len(design.features) + len(design.conditions)
        columns = None if whole else fed.tolist()
        encoder = LatentEncoder(
            *compile_half(table, inputs, ends, activation=design.activation), columns
        )
        decoder = GeneDecoder(
            *compile_half(*design.decoder_table(), activation=design.activation),
            own=likelihood.own,
            link=_LINKS[likelihood.support],
        )
        if design.decoder_edges is not None:
            _start_positive(decoder)
        return EdgeVAE(design, encoder, decoder)


@torch.no_grad()
def _start_positive(decoder: GeneDecoder) -> None:
    """Let a prior's weights start small and positive, so that no gene starts against its set."""
    layers = find_edge_model(decoder.network, decoder.artifact).edge_layers()
    share = 0.1 ** (1 / len(layers))  # of a path from latent to gene: a tenth
    for layer in layers:
        layer.set_weights(layer.edge_weights().abs() * share)


def load_vae(path: str | os.PathLike[str]) -> EdgeVAE:
    """Read a VAE that ``save`` wrote, bit for bit. No code of the file is run.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    EdgeVAE

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, or written by a newer version.

    Examples
    --------
    >>> import tempfile
    >>> from edge2torch.vae import compile_vae
    >>> model, _ = compile_vae(features=["g1", "g2"], latents=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_vae(model.save(folder))
    >>> again.artifact.latent_names
    ['Z1']
    """
    return restore(path)[0]


def restore(path: str | os.PathLike[str]) -> tuple[EdgeVAE, dict[str, Any]]:
    """Return a saved VAE, and what else was kept with it."""
    design, state, extra = read_vae(path)
    try:
        model = build_vae(design, seed=0)
        model.load_state_dict(state)
    except Edge2TorchError:
        raise
    except DAMAGE as error:
        raise Edge2TorchError(f"{path} is damaged: its weights do not fit: {error}") from error
    return model.eval(), extra
