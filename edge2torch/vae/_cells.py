"""Cells from AnnData (in memory or on disk), a data frame or an array, read a few rows at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.h5ad import anndata_matrix
from edge2torch._core.messages import kind_of, listing, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._design import Design
from edge2torch.vae._likelihoods import find_likelihood

_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows of data in the order of a VAE's features.

    Parameters
    ----------
    names : Index
        One per cell.
    matrix : array, sparse matrix, or either on disk, shape (cells, columns)
        Values.
    columns : ndarray of int64, shape (g,)
        Where each feature stands; -1 for a missing one, which reads as ``fill``.
    fill : float
        What a missing feature reads as.
    levels : ndarray of int64, shape (cells, covariates)
        Which condition node each cell has, per covariate.
    n_conditions : int
        Condition nodes.
    """

    names: pd.Index
    matrix: Any
    columns: NDArray[np.int64]
    fill: float
    levels: NDArray[np.int64]
    n_conditions: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_on_disk(self) -> bool:
        """Whether rows that lie together are cheaper to read."""
        return not isinstance(self.matrix, np.ndarray) and not sp.issparse(self.matrix)

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the values (b, g) of rows, given in increasing order."""
        block = self._block(rows)
        dense = block.toarray() if sp.issparse(block) else np.asarray(block)
        if not self._as_it_stands:
            there = self.columns >= 0
            dense = np.where(there, dense[:, np.where(there, self.columns, 0)], self.fill)
        return torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32))

    @property
    def _as_it_stands(self) -> bool:
        n_columns = self.matrix.shape[1]
        return len(self.columns) == n_columns and bool((self.columns == np.arange(n_columns)).all())

    def _block(self, rows: NDArray[np.int64]) -> Any:
        """Return rows of the matrix; on disk, one read per run of neighbours."""
        if not self.is_on_disk:
            return self.matrix[rows]
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        runs = [self.matrix[run[0] : run[-1] + 1] for run in np.split(rows, breaks)]
        if len(runs) == 1:
            return runs[0]
        return sp.vstack(runs, format="csr") if sp.issparse(runs[0]) else np.concatenate(runs)

    def conditions(self, rows: NDArray[np.int64]) -> Tensor | None:
        """Return the covariates of rows, one column per level (b, c), or None without any."""
        if not self.n_conditions:
            return None
        shown = torch.zeros(len(rows), self.n_conditions)
        return shown.scatter_(1, torch.from_numpy(self.levels[rows]), 1.0)

    def chunks(self, size: int = _CHUNK) -> Iterator[NDArray[np.int64]]:
        """Yield row numbers, a chunk at a time."""
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))


def open_cells(
    data: Any,
    design: Design,
    *,
    layer: str | None = None,
    obs: pd.DataFrame | None = None,
    missing: str | float = "error",
) -> Cells:
    """Find features and covariates in data by name."""
    matrix, columns, names, own_obs = _parts(data, layer)
    if columns is None:
        if matrix.shape[1] != len(design.features):
            raise Edge2TorchError(
                f"data: the array has {matrix.shape[1]} column(s) and the model "
                f"{len(design.features)} features. Give one column per feature, in the model's order."
            )
        places = np.arange(len(design.features))
    else:
        places = _places(columns, design, missing)
    if not len(names):
        raise Edge2TorchError("data holds no cell.")
    return Cells(
        names=names,
        matrix=matrix,
        columns=places,
        fill=0.0 if missing == "error" else float(missing),
        levels=_levels(own_obs if obs is None else obs, design, len(names)),
        n_conditions=len(design.conditions),
    )


def _parts(data: Any, layer: str | None) -> tuple[Any, list[str] | None, pd.Index, Any]:
    anndata = sys.modules.get("anndata")
    if anndata is not None and isinstance(data, anndata.AnnData):
        names = [str(name).strip() for name in data.var_names]
        return _anndata_matrix(data, layer), names, data.obs_names, data.obs
    if layer is not None:
        raise Edge2TorchError(f"layer={layer!r} was given, but only an AnnData has layers.")
    if isinstance(data, pd.DataFrame):
        try:
            matrix = data.to_numpy(dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise Edge2TorchError(
                f"data: the DataFrame holds what is no number: {error}."
            ) from error
        return matrix, [str(name).strip() for name in data.columns], data.index, None
    if isinstance(data, np.ndarray) or sp.issparse(data):
        if data.ndim != 2:
            raise Edge2TorchError(f"data has shape {data.shape}. Give cells by features.")
        matrix = data.tocsr() if sp.issparse(data) else data
        return matrix, None, pd.RangeIndex(data.shape[0]), None
    raise Edge2TorchError(
        f"data: found a {kind_of(data)}. Give an AnnData, a DataFrame, an array or a sparse matrix."
    )


def _anndata_matrix(data: Any, layer: str | None) -> Any:
    """Return X or a layer, in a form whose rows are cheap to read."""
    matrix = anndata_matrix(data, layer)
    if sp.issparse(matrix):
        return matrix.tocsr()
    if getattr(matrix, "format", "csr") == "csc":
        raise Edge2TorchError(
            "data: the matrix on disk is stored by columns (CSC), and cells are read by rows. Read "
            "it into memory with data.to_memory(), or write it as CSR."
        )
    return np.asarray(matrix) if isinstance(matrix, np.ndarray) else matrix


def _places(columns: list[str], design: Design, missing: str | float) -> NDArray[np.int64]:
    index = pd.Index(columns)
    known = set(design.features)
    if index.has_duplicates and (twice := known & set(index[index.duplicated()])):
        raise Edge2TorchError(
            f"data: {len(twice)} feature(s) match more than one column: {listing(sorted(twice))}. "
            "Call adata.var_names_make_unique(), or sum such columns."
        )
    places = index.drop_duplicates().get_indexer(pd.Index(design.features))
    first = np.flatnonzero(~index.duplicated())
    places = np.where(places >= 0, first[places], -1)
    lost = [name for name, place in zip(design.features, places, strict=True) if place < 0]
    if lost and (missing == "error" or len(lost) == len(places)):
        raise Edge2TorchError(
            f"data has no column for {len(lost)} of {len(places)} features: {listing(lost)}. Add "
            "them, or pass missing=0.0 to map cells without them."
        )
    if lost:
        warn(
            f"{len(lost)} of {len(places)} features are missing in data and were read as "
            f"{float(missing)}: {listing(lost)}."
        )
    return places.astype(np.int64)


def _levels(obs: Any, design: Design, n_cells: int) -> NDArray[np.int64]:
    """Return the condition node of every cell and covariate (cells, covariates)."""
    found = np.zeros((n_cells, len(design.covariates)), np.int64)
    start = 0
    for k, (name, levels) in enumerate(design.covariates.items()):
        if obs is None or name not in obs:
            raise Edge2TorchError(
                f"covariate {name!r} is not in the cells' table. Give an AnnData with it in obs, or "
                "obs=, a DataFrame with a row per cell."
            )
        if len(obs) != n_cells:
            raise Edge2TorchError(f"obs has {len(obs)} row(s) for {n_cells} cell(s).")
        own = pd.Index(levels).get_indexer(obs[name].astype(str))
        if (own < 0).any():
            unknown = sorted(set(obs[name].astype(str)) - set(levels))
            raise Edge2TorchError(
                f"covariate {name!r} has levels that the model was not compiled with: "
                f"{listing(unknown)}. It knows {listing(levels)}."
            )
        found[:, k] = own + start
        start += len(levels)
    return found


@dataclass(frozen=True)
class Survey:
    """What one pass over the cells finds.

    Of the ``n`` training cells by gene (g,): ``totals`` are sums, ``usual`` is the value that most
    have where most are alike, ``differing`` the number with another one. ``is_rare`` (g,) are genes
    that all cells but two or fewer show at the usual value (fewer still of fewer than eight cells).
    ``library`` is the mean and standard deviation of all cells' log library.
    """

    n: int
    totals: NDArray[np.float64]
    usual: NDArray[np.float32]
    differing: NDArray[np.int64]
    is_rare: NDArray[np.bool_]
    library: tuple[float, float]


def survey(
    cells: Cells,
    likelihood: str,
    *,
    empty: str = "error",
    training: NDArray[np.int64] | None = None,
) -> Survey:
    """Check every value, a chunk of cells at a time, and sum up the training cells."""
    support = find_likelihood(likelihood).support
    counted = np.ones(len(cells), bool) if training is None else np.zeros(len(cells), bool)
    counted[slice(None) if training is None else training] = True
    totals = np.zeros(len(cells.columns))
    differing, everywhere = np.zeros((2, len(cells.columns)), np.int64)
    usual: NDArray[np.float32] | None = None
    libraries = np.zeros(len(cells))
    for rows in cells.chunks():
        values = cells.read(rows).numpy()
        _check_values(values, cells.names[rows], likelihood, support)
        libraries[rows] = values.sum(1, dtype=np.float64)
        own = values[counted[rows]]
        if usual is None and len(own):  # of a gene that is alike in most cells, the value itself
            usual = np.quantile(own, 0.5, axis=0, method="lower").astype(np.float32)
        if usual is not None:
            totals += own.sum(0, dtype=np.float64)
            other = values != usual
            differing += other[counted[rows]].sum(0)
            everywhere += other.sum(0)
    if support == "counts" and empty == "error" and (libraries == 0).any():
        at = cells.names[libraries == 0]
        raise Edge2TorchError(
            f"data: {len(at)} cell(s) have no count in any feature: {listing(at)}. Drop them, for "
            "example with data[data.X.sum(1) > 0]."
        )
    logs = np.log(np.maximum(libraries, 1)) if support == "counts" else np.zeros(1)
    library = float(logs.mean()), max(float(logs.std()), 1e-2)
    return Survey(
        n=int(counted.sum()),
        totals=totals,
        usual=np.zeros(len(totals), np.float32) if usual is None else usual,
        differing=differing,
        is_rare=everywhere < min(3, 1 + len(cells) // 4),
        library=library,
    )


def _check_values(
    values: NDArray[np.float32], names: pd.Index, likelihood: str, support: str
) -> None:
    def refuse(bad: NDArray[np.bool_], what: str, fix: str) -> None:
        if bad.any():
            raise Edge2TorchError(
                f"data: {what} under likelihood={likelihood!r}, in cell(s) "
                f"{listing(names[np.flatnonzero(bad.any(1))])}. {fix}"
            )

    refuse(~np.isfinite(values), "values are NaN or infinite", "Fill them, or drop those cells.")
    if support == "counts":
        fix = "Give raw counts, perhaps with layer='counts', or use likelihood='gaussian'."
        refuse(values < 0, "values are negative", fix)
        refuse(values != np.rint(values), "values are no whole numbers", fix)
    elif support == "binary":
        refuse((values != 0) & (values != 1), "values are neither 0 nor 1", "Binarize them.")
