"""``EdgeVAE``: a VAE along named edges, and what can be asked of it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd

from edge2torch._core.names import nearest
from edge2torch.compile import edge_weights
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._activity import explain
from edge2torch.vae._cells import open_cells, survey
from edge2torch.vae._diagnose import VAEDiagnostics, diagnose_cells
from edge2torch.vae._fit import WEIGHTS, FitReport, Training, fit_vae
from edge2torch.vae._folder import write_vae
from edge2torch.vae._named import NamedVAE
from edge2torch.vae._tables import bottleneck_frame, latent_frame, query_cells

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Losses(TypedDict, total=False):
    """Weights of the losses; and former names of two settings, deprecated."""

    beta: float
    irecon: float
    dip: float
    tc: float
    info: float
    lr: float
    validation: float


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
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.1,
        patience: int = 20,
        warmup: int = 20,
        gradient_clip: float | None = 5.0,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool | None = None,
        seed: int = 0,
        together: int | None = None,
        trainer: Mapping[str, Any] | None = None,
        **losses: Unpack[_Losses],
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
        learning_rate : float
            Of Adam.
        validation_fraction : float
            Share of cells held out, by which the best weights are chosen.
        patience : int
            Epochs without a better held-out ELBO after which training stops.
        warmup : int
            Epochs in which the weight of the divergence grows to ``beta``.
        gradient_clip : float, optional
            Largest norm of a step's gradient, of the loss per value.
        folder : path, optional
            Keeps Lightning's checkpoints ``best.ckpt`` and ``last.ckpt`` and a CSV log.
        resume : bool
            Go on from ``folder``'s last checkpoint.
        progress : bool, optional
            Show a progress bar; by default on a terminal and in notebooks.
        seed : int
            Fixes the split, the order of cells and every sample.
        together : int, optional
            Neighbouring cells that stay together when cells are shuffled: by default 1 in memory
            and 16 on disk. With the same number both give the same bits.
        trainer : mapping, optional
            Further arguments of ``lightning.pytorch.Trainer``, such as ``{"devices": 2}`` or
            ``{"precision": "bf16-mixed"}``.
        **losses : float
            Weights: ``beta=1`` of the divergence, ``irecon=1`` of reconstruction through the
            bottleneck, ``dip=0`` of DIP-VAE-II, ``tc=0`` of total correlation, ``info=0`` of the
            maximum mean discrepancy. (``lr`` and ``validation``: former names of
            ``learning_rate`` and ``validation_fraction``.)

        Returns
        -------
        FitReport

        Raises
        ------
        Edge2TorchError
            For data that do not suit the likelihood, and settings out of range.
        """
        given: dict[str, Any] = dict(losses)
        learning_rate = given.pop("lr", learning_rate)
        validation_fraction = given.pop("validation", validation_fraction)
        for name in given.keys() - WEIGHTS.keys():
            known = [*inspect.signature(self.fit).parameters, *WEIGHTS]
            raise Edge2TorchError(f"fit has no argument {name!r}.{nearest(name, known)}")
        settings = Training(
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=learning_rate,
            validation=validation_fraction,
            patience=patience,
            warmup=warmup,
            gradient_clip=gradient_clip,
            seed=seed,
            together=together,
            weights={**WEIGHTS, **given, "soft_mask": self.design.soft_mask or 0.0},
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
        return bottleneck_frame(self.latent_encoder, self.latent_table(data, **options))

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
        """Return collapse per latent, reconstruction per gene, clusters, and the gain over the mean."""
        cells = open_cells(data, self.design, layer=layer, obs=obs)
        found = survey(cells, self.design.likelihood, empty="keep")
        return diagnose_cells(self, cells, found, labels, clusters, seed)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder of safetensors and JSON; :func:`load_vae` reads it."""
        return write_vae(path, self, {})
