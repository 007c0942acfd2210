"""``compile_vae``, the model that it gives, and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from edge2torch.compile import edge_weights, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._activity import compare, explain
from edge2torch.vae._design import Design, read_design
from edge2torch.vae._diagnose import VAEDiagnostics, diagnose_cells
from edge2torch.vae._fit import FitReport, Training, fit_vae
from edge2torch.vae._folder import read_vae, write_vae
from edge2torch.vae._graphs import compile_half
from edge2torch.vae._likelihoods import find_likelihood
from edge2torch.vae._named import NamedVAE, VAEArtifact
from edge2torch.vae._networks import GeneDecoder, LatentEncoder
from edge2torch.vae._tables import bottleneck_frame, latent_frame, query_cells

_LINKS = {"counts": "proportions", "real": "identity", "binary": "probability"}


class EdgeVAE(NamedVAE):
    """A variational autoencoder along named edges; made by :func:`compile_vae`.

    An ordinary module: ``model(x, conditions)`` gives the seven tensors of :class:`VAE`, as a named tuple.
    ``model.design`` is what it was compiled from, ``model.artifact`` its names.

    Parameters
    ----------
    design : Design
        What to compile; checked.
    encoder, decoder : Module
        The compiled halves.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from edge2torch.vae import compile_vae
    >>> sets = pd.DataFrame({"source": ["P1", "P1", "P2"], "target": ["g1", "g2", "g3"]})
    >>> model, artifact = compile_vae(decoder_edges=sets)
    >>> counts = pd.DataFrame(np.random.default_rng(0).poisson(2, (8, 3)), columns=["g1", "g2", "g3"])
    >>> model.latent_table(counts).columns.tolist()
    ['P1', 'P2']
    """

    def fit(
        self,
        data: Any,
        *,
        layer: str | None = None,
        obs: pd.DataFrame | None = None,
        max_epochs: int = 300,
        batch_size: int = 128,
        lr: float = 1e-3,
        validation: float = 0.1,
        patience: int = 20,
        warmup: int = 20,
        gradient_clip: float | None = 5.0,
        beta: float = 1.0,
        irecon: float = 1.0,
        dip: float = 0.0,
        tc: float = 0.0,
        info: float = 0.0,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        seed: int = 0,
        trainer: Mapping[str, Any] | None = None,
    ) -> FitReport:
        """Train until held-out cells gain nothing more, and keep the best weights.

        Parameters
        ----------
        data : AnnData, DataFrame, ndarray or sparse matrix, shape (cells, genes)
            Sparse and backed matrices are read a mini-batch at a time.
        layer : str, optional
            Layer of an AnnData.
        obs : DataFrame, optional
            Covariates of the cells, where data is no AnnData.
        max_epochs, batch_size : int
            Passes over the training cells at most, and cells per step.
        lr : float
            Learning rate of Adam.
        validation : float
            Share of cells held out, by which the best weights are chosen.
        patience : int
            Epochs without a better held-out ELBO after which training stops.
        warmup : int
            Epochs in which the weight of the divergence grows to ``beta``.
        gradient_clip : float, optional
            Largest norm of a step's gradient, of the loss per value.
        beta, irecon, dip, tc, info : float
            Weights of the divergence, of reconstruction through the bottleneck, of DIP-VAE-II,
            of total correlation, and of the maximum mean discrepancy.
        folder : path, optional
            Keeps Lightning's checkpoints ``best.ckpt`` and ``last.ckpt`` and a CSV log.
        resume : bool
            Go on from ``folder``'s last checkpoint.
        progress : bool
            Show a progress bar.
        seed : int
            Fixes the split, the order of cells and every sample.
        trainer : mapping, optional
            Further arguments of ``lightning.pytorch.Trainer``, such as ``{"devices": 2}`` or
            ``{"precision": "bf16-mixed"}``.

        Returns
        -------
        FitReport

        Raises
        ------
        Edge2TorchError
            For data that do not suit the likelihood, and settings out of range.
        """
        own = {"beta": beta, "irecon": irecon, "dip": dip, "tc": tc, "info": info}
        settings = Training(
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            validation=validation,
            patience=patience,
            warmup=warmup,
            gradient_clip=gradient_clip,
            seed=seed,
            weights={**own, "soft_mask": self.design.soft_mask or 0.0},
        )
        return fit_vae(
            self, data, settings, layer=layer, obs=obs, folder=folder, resume=resume,
            progress=progress, trainer=trainer,
        )  # fmt: skip

    def latent_table(
        self,
        data: Any,
        *,
        layer: str | None = None,
        obs: pd.DataFrame | None = None,
        missing: str | float = "error",
        samples: int = 0,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return the posterior mean of every cell's latents, cells by latents, by name.

        The same each time. ``samples=n`` gives n draws instead, with their number as a first
        index level. ``missing=0.0`` maps cells of a study that lacks some features, and names them
        in a warning.
        """
        cells = query_cells(self, data, layer, obs, missing)
        return latent_frame(self, cells, samples, seed)

    def interpretative_table(self, data: Any, **options: Any) -> pd.DataFrame:
        """Return the interpretative embedding; options are those of ``latent_table``."""
        if self.latent_encoder is None:
            raise Edge2TorchError("The model has no bottleneck. Compile with interpretative=2.")
        return bottleneck_frame(self, self.latent_table(data, **options))

    def explain_latent(self, name: str, *, top: int | None = None) -> pd.DataFrame:
        """Return the genes of a latent with their signed path weights, heaviest first.

        A path's weight is the product of its edges' weights; a gene gets the sum over its paths.
        ``in_prior`` tells genes that the prior knows from those that a soft mask let in.
        """
        return explain(self, name, top)

    def outside_edges(self) -> pd.DataFrame:
        """Return the edges that a soft mask added to the prior, heaviest first."""
        table = edge_weights(self.decoder.network, self.artifact.decoder)[self.is_outside]
        order = table["weight"].abs().sort_values(ascending=False).index
        return table.loc[order].reset_index(drop=True)

    def diagnose(
        self,
        data: Any,
        labels: Any = None,
        *,
        layer: str | None = None,
        obs: pd.DataFrame | None = None,
        clusters: int | None = None,
        seed: int = 0,
    ) -> VAEDiagnostics:
        """Return collapse per latent, reconstruction per gene, and clusters against labels."""
        cells = query_cells(self, data, layer, obs, "error")
        return diagnose_cells(self, cells, labels, clusters, seed)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder of safetensors and JSON; :func:`load_vae` reads it."""
        return write_vae(path, self, {})


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
        soft_mask=soft_mask,
    )  # fmt: skip
    model = build_vae(design, seed=seed)
    return model, model.artifact


def build_vae(design: Design, *, seed: int) -> EdgeVAE:
    """Compile both halves of a design."""
    likelihood = find_likelihood(design.likelihood)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        table, inputs, ends = design.encoder_table()
        fed = pd.Index([*design.features, *design.conditions]).get_indexer(pd.Index(inputs))
        whole = len(fed) == len(design.features) + len(design.conditions)
        columns = None if whole else fed.tolist()
        encoder = LatentEncoder(*compile_half(table, inputs, ends), columns)
        decoder = GeneDecoder(
            *compile_half(*design.decoder_table()),
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
    model = build_vae(design, seed=0)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise Edge2TorchError(f"{path} is damaged: its weights do not fit: {error}") from error
    return model.eval(), extra


def differential_activity(
    model: EdgeVAE,
    data: Any,
    groupby: str | Sequence[Any],
    *,
    layer: str | None = None,
    obs: pd.DataFrame | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each group's latents with those of all other cells.

    Latents are turned so that their genes go up with them on the whole, by the sum of their path
    weights in the decoder.

    Parameters
    ----------
    model : EdgeVAE
        A fitted model.
    data : AnnData, DataFrame, ndarray or sparse matrix
        Cells.
    groupby : str or sequence
        A column of ``obs``, or a label per cell; cells without one take no part.
    layer : str, optional
        Layer of an AnnData.
    obs : DataFrame, optional
        The cells' table, where data is no AnnData.
    samples : int
        Pairs of posterior samples, one of a cell in the group and one of a cell outside.
    seed : int
        Fixes the samples.

    Returns
    -------
    DataFrame
        By group and latent, most active first: ``mean`` and ``mean_rest`` of posterior means,
        ``effect_size`` (their difference in pooled standard deviations), ``log_bayes_factor``
        (log of the odds that a cell in the group has the higher value), ``p_value`` of the rank
        sum test of posterior means, and ``fdr``, Benjamini-Hochberg over a group's latents.

    Raises
    ------
    Edge2TorchError
        For groups of fewer than two cells, and an unknown column.

    Examples
    --------
    >>> import numpy as np
    >>> from edge2torch.vae import compile_vae
    >>> model, _ = compile_vae(features=["g1", "g2"], latents=2)
    >>> counts = np.random.default_rng(0).poisson(3, (12, 2))
    >>> table = differential_activity(model, counts, ["a", "b"] * 6)
    >>> table["group"].tolist()
    ['a', 'a', 'b', 'b']

    References
    ----------
    Bayes factors: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.
    """
    cells = query_cells(model, data, layer, obs, "error")
    if isinstance(groupby, str):
        table = getattr(data, "obs", None) if obs is None else obs
        if table is None or groupby not in table:
            raise Edge2TorchError(f"groupby={groupby!r} is not a column of the cells' table.")
        groupby = table[groupby].tolist()
    labels = pd.Series(list(groupby), index=cells.names, dtype=object)
    if len(labels) != len(cells):
        raise Edge2TorchError(f"groupby has {len(labels)} labels for {len(cells)} cell(s).")
    return compare(model, cells, labels, samples, seed)
