"""One way to read columns out of everything that holds named data.

A source hands the wanted columns over feature by feature, as an array (i, b). Columns are chosen
before anything is made dense, so the cost follows what is wanted and not what is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp

from edge2torch._core.h5ad import anndata_matrix
from edge2torch._core.messages import kind_of, listing
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Float: TypeAlias = type[np.float32] | type[np.float64]
    Take: TypeAlias = Callable[[Ints, Float], NDArray[Any]]

_READ_AT_ONCE = 64 * 2**20  # bytes of a file on disk that are held in memory at one time


@dataclass(frozen=True)
class Source:
    """Data with ``b`` samples whose columns can be picked by position.

    Parameters
    ----------
    label : str
        What to call it in messages.
    shape : tuple of int
        Samples and columns.
    names : list of str or None
        Name of each column; ``None`` when their order is the caller's word.
    take : callable
        ``take(positions (i,), float type)`` gives the values (i, b), missing ones as NaN.
    """

    label: str
    shape: tuple[int, int]
    names: list[str] | None
    take: Take


def open_source(data: Any, layer: str | None = None) -> Source:
    """Choose how to read ``data`` by its class."""
    anndata = sys.modules.get("anndata")  # an AnnData can only be here when anndata is loaded
    if anndata is not None and isinstance(data, anndata.AnnData):
        return _open_anndata(data, layer)
    if layer is not None:
        raise Edge2TorchError(
            f"layer: {layer!r} was given, but data is a {kind_of(data)}, which has no "
            "layers. Leave layer out, or pass an AnnData."
        )
    if isinstance(data, pd.DataFrame):
        return Source("DataFrame", data.shape, _as_names(data.columns), _from_frame(data))
    if isinstance(data, np.ndarray) or sp.issparse(data):
        label = "array" if isinstance(data, np.ndarray) else "sparse matrix"
        check_two_dimensional(label, data.shape)
        matrix = data.tocsc() if sp.issparse(data) else data  # not every sparse one gives columns
        return Source(label, data.shape, None, _from_matrix(matrix, label))
    hint = " One sample is data.to_frame().T." if isinstance(data, pd.Series) else ""
    raise Edge2TorchError(
        f"data: found a {kind_of(data)}. Pass a pandas DataFrame, an AnnData, an array, "
        f"a sparse matrix or a tensor.{hint}"
    )


def check_two_dimensional(label: str, shape: tuple[int, ...]) -> None:
    """Refuse anything but samples by columns."""
    if len(shape) != 2:
        hint = " One sample is data.reshape(1, -1)." if len(shape) == 1 else ""
        raise Edge2TorchError(
            f"data: found a {len(shape)}-D {label} of shape {tuple(shape)}. Pass one row per "
            f"sample and one column per input node.{hint}"
        )


def _as_names(labels: Iterable[object]) -> list[str]:
    return [str(label).strip() for label in labels]


def _from_frame(frame: pd.DataFrame) -> Take:
    def take(positions: Ints, dtype: Float) -> NDArray[Any]:
        wanted = frame.iloc[:, positions]
        refused = {kind for kind in set(wanted.dtypes) if not _is_real(kind)}
        if refused:
            bad = [
                c for c, kind in zip(wanted.columns, wanted.dtypes, strict=True) if kind in refused
            ]
            raise Edge2TorchError(
                f"data: {len(bad)} column(s) of the DataFrame do not hold numbers: {listing(bad)} "
                f"(dtype {listing(sorted(set(map(str, refused))))}). Convert them, for example with "
                "pandas.to_numeric, or encode them as numbers."
            )
        return wanted.to_numpy(dtype=dtype, na_value=np.nan, copy=True).T

    return take


def _is_real(kind: Any) -> bool:
    types = pd.api.types
    is_number = types.is_numeric_dtype(kind) or kind.kind == "b"  # truth values of Arrow are none
    return bool(is_number and not types.is_complex_dtype(kind))


def _open_anndata(data: Any, layer: str | None) -> Source:
    label = "AnnData.X" if layer is None else f"AnnData.layers[{layer!r}]"
    matrix = anndata_matrix(data, layer)
    return Source(label, data.shape, _as_names(data.var_names), _from_matrix(matrix, label))


def _from_matrix(matrix: Any, label: str) -> Take:
    """Read from one matrix (b, columns): dense or sparse, in memory or on disk."""
    if matrix.dtype.kind not in "biuf":
        raise Edge2TorchError(
            f"data: {label} holds values of dtype {matrix.dtype}, not numbers. Convert it, for "
            "example with .astype('float32')."
        )
    if isinstance(matrix, np.ma.MaskedArray):
        matrix = np.ma.filled(matrix.astype(np.float64), np.nan)
    if isinstance(matrix, np.ndarray):
        return lambda positions, dtype: np.asarray(matrix).T[positions].astype(dtype)
    if sp.issparse(matrix):
        return lambda positions, dtype: _densify(matrix[:, positions], dtype)
    return _from_disk(matrix)


def _densify(part: Any, dtype: Float) -> NDArray[Any]:
    dense: NDArray[Any] = part.T.astype(dtype).toarray()
    return dense


def _from_disk(matrix: Any) -> Take:
    """Read an HDF5 or Zarr matrix: by columns where they lie together, else by runs of rows."""

    def take(positions: Ints, dtype: Float) -> NDArray[Any]:
        n_samples, n_columns = matrix.shape
        if getattr(matrix, "format", None) == "csc":
            increasing, back = np.unique(positions, return_inverse=True)
            return _densify(matrix[:, increasing], dtype)[back]
        values = np.empty((positions.size, n_samples), dtype)
        rows = max(1, _READ_AT_ONCE // (n_columns * matrix.dtype.itemsize))
        for start in range(0, n_samples, rows):
            run = matrix[start : start + rows][:, positions]
            values[:, start : start + rows] = _densify(run, dtype) if sp.issparse(run) else run.T
        return values

    return take
