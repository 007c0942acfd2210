"""``iVAE``: data in, a fitted and readable latent space out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import kind_of
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._compile import compile_vae, restore
from edge2torch.vae._fit import FitReport
from edge2torch.vae._folder import write_vae


class iVAE:  # noqa: N801 - the reference's name
    """A VAE with an interpretative bottleneck, on an AnnData or a table of cells by genes.

    Parameters
    ----------
    data : AnnData or DataFrame
        Cells by genes; sparse and backed matrices are read a mini-batch at a time.
    layer : str, optional
        Layer of an AnnData, such as ``"counts"``.
    percent : float, optional
        Share of the cells in a mini-batch, at least 32; 128 cells by default.
    irecon, beta, dip, tc, info : float
        Weights of reconstruction through the bottleneck, of the divergence, of DIP-VAE-II, of
        total correlation, and of the maximum mean discrepancy.
    hidden_dim, latent_dim, i_dim : int
        Nodes of each hidden layer, latents, and nodes of the bottleneck.
    lr : float
        Learning rate.
    seed : int
        Fixes initial weights, the split and every sample.
    **design
        Further options of :func:`compile_vae`, such as ``decoder_edges`` or ``likelihood``.

    Attributes
    ----------
    model : EdgeVAE
        What does the work.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rates = np.repeat([[1, 1, 1, 9, 9, 9], [9, 9, 9, 1, 1, 1]], 60, axis=0)
    >>> counts = pd.DataFrame(np.random.default_rng(0).poisson(rates), columns=list("abcdef"))
    >>> model = iVAE(counts, hidden_dim=16, latent_dim=3, lr=2e-2)
    >>> report = model.fit(max_epochs=30, warmup=5)
    >>> report.gain.beats_mean_profile
    True
    >>> model.get_latent().shape, model.get_iembed().shape
    ((120, 3), (120, 2))
    """

    def __init__(
        self,
        data: Any,
        layer: str | None = None,
        *,
        percent: float | None = None,
        irecon: float = 1.0,
        beta: float = 1.0,
        dip: float = 0.0,
        tc: float = 0.0,
        info: float = 0.0,
        hidden_dim: int = 128,
        latent_dim: int = 10,
        i_dim: int = 2,
        lr: float = 1e-3,
        seed: int = 0,
        **design: Any,
    ) -> None:
        if percent is not None and not 0 < percent <= 1:
            raise Edge2TorchError(f"percent must be a share in (0, 1], found {percent!r}.")
        names = getattr(data, "var_names", getattr(data, "columns", None))
        if names is None or isinstance(
            getattr(data, "mod", None), Mapping
        ):  # MuData names all parts' features
            raise Edge2TorchError(
                f"data: found a {kind_of(data)}. Give an AnnData or a DataFrame, whose columns "
                "have names."
            )
        edges = any(design.get(half) is not None for half in ("encoder_edges", "decoder_edges"))
        self.model, self.artifact = compile_vae(
            features=list(names),
            latents=None if edges else latent_dim,
            interpretative=i_dim,
            hidden_dim=hidden_dim,
            seed=seed,
            **design,
        )
        self._data, self._layer = data, layer
        self._settings = {
            "percent": percent, "lr": lr, "seed": seed, "irecon": irecon, "beta": beta,
            "dip": dip, "tc": tc, "info": info,
        }  # fmt: skip

    def fit(self, max_epochs: int = 300, **options: Any) -> FitReport:
        """Train; an epoch is a pass over the cells. Options are those of ``EdgeVAE.fit``."""
        data = self._own(None)
        own = dict(self._settings)
        percent, own["learning_rate"] = own.pop("percent"), own.pop("lr")
        if percent is not None:
            own["batch_size"] = max(32, round(percent * len(data)))
        return self.model.fit(
            data, layer=self._layer, **{**own, "max_epochs": max_epochs, **options}
        )

    def get_latent(self, data: Any = None, **options: Any) -> np.ndarray:
        """Return the posterior means (cells, latents), of the own cells or of others."""
        return self.latent_table(data, **options).to_numpy()

    def latent_table(self, data: Any = None, **options: Any) -> pd.DataFrame:
        """Return ``get_latent`` with names; options are those of ``EdgeVAE.latent_table``."""
        return self.model.latent_table(self._own(data), layer=self._layer, **options)

    def get_iembed(self, data: Any = None, **options: Any) -> np.ndarray:
        """Return the interpretative embedding (cells, i_dim) of the posterior means."""
        own = self._own(data)
        table = self.model.interpretative_table(own, layer=self._layer, **options)
        return table.to_numpy()

    def _own(self, data: Any) -> Any:
        found = self._data if data is None else data
        if found is None:
            raise Edge2TorchError("A loaded iVAE has no cells of its own. Give data=.")
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder of safetensors and JSON, without the cells."""
        return write_vae(path, self.model, {"settings": self._settings, "layer": self._layer})

    @classmethod
    def load(cls, path: str | os.PathLike[str], data: Any = None) -> iVAE:
        """Read a folder that ``save`` wrote, perhaps with cells to go on with."""
        model, extra = restore(path)
        if not {"settings", "layer"} <= set(extra):
            raise Edge2TorchError(f"{path} was saved by compile_vae's model. Use load_vae(path).")
        own = cls.__new__(cls)
        own.model, own.artifact = model, model.artifact
        own._data, own._layer, own._settings = data, extra["layer"], extra["settings"]
        return own
