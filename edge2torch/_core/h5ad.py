"""Single-cell data: h5ad files, and the matrices of an AnnData."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from scipy import sparse

from edge2torch._core.messages import listing, require
from edge2torch._core.packed import largest
from edge2torch.errors import Edge2TorchError

_CHOOSE_LATER = (
    "Read the file into memory with .to_memory() before choosing cells or genes, or choose them by "
    "a list of names."
)


def read_h5ad(path: Path, *, backed: Literal["r"] | None = None) -> Any:
    """Read an h5ad file whose memory follows its size."""
    anndata = require("anndata")
    with warnings.catch_warnings():
        # Older files are upgraded while they are read; the file itself stays as it is.
        warnings.filterwarnings("ignore", category=FutureWarning, module="anndata")
        try:
            _check_claims(path)
            data = anndata.read_h5ad(path, backed=backed)
            if not backed:
                _check_indices(data)
        except Edge2TorchError:
            raise
        except Exception as error:  # h5py and anndata raise whatever comes
            reason = " ".join(str(error).split())
            raise Edge2TorchError(f"{path} cannot be read: {reason}") from error
    return data


def layer_names(data: Any) -> list[str]:
    """Return the layers of an AnnData; from anndata 0.13 on its own list has None, which is X."""
    return [name for name in data.layers if name is not None]


def check_layer(data: Any, layer: str | None) -> None:
    """Refuse the name of a layer that is not there."""
    if layer is not None and layer not in layer_names(data):
        raise Edge2TorchError(
            f"layer={layer!r} is not in the AnnData. Its layers: "
            f"{listing(layer_names(data)) or 'none'}."
        )


def anndata_matrix(data: Any, layer: str | None) -> Any:
    """Return X, or a layer, and refuse one that is missing or not of the AnnData's own shape."""
    check_layer(data, layer)
    name = "X" if layer is None else f"layers[{layer!r}]"
    try:
        matrix = data.X if layer is None else data.layers[layer]
    except ValueError as error:  # h5py's, of a view of a dense file that is reversed
        raise Edge2TorchError(
            f"data: {name} of the AnnData cannot be read: {error}. {_CHOOSE_LATER}"
        ) from error
    if matrix is None:
        raise Edge2TorchError(
            "data: the AnnData has no X. Name one of its layers with layer=...; it has "
            f"{listing(layer_names(data)) or 'none'}."
        )
    # anndata 0.13 gives a reversed view of a sparse matrix on disk without its last row
    if tuple(matrix.shape) != tuple(data.shape):
        raise Edge2TorchError(
            f"data: the AnnData has the shape {tuple(data.shape)}, and {name} as anndata reads it "
            f"{tuple(matrix.shape)}. {_CHOOSE_LATER}"
        )
    # anndata's read_lazy gives such; NumPy takes each block for one value
    if hasattr(matrix, "compute") and sparse.issparse(getattr(matrix, "_meta", None)):
        raise Edge2TorchError(
            f"data: {name} of the AnnData is a Dask array of sparse blocks. Compute it, "
            "data.to_memory(), or open the file with anndata.read_h5ad(path, backed='r'), of which "
            "some cells are read at a time."
        )
    return matrix


def _check_indices(data: Any) -> None:
    """Refuse sparse matrices whose indices lie outside: they would be followed anywhere."""
    raw = None if data.raw is None else data.raw.X
    for matrix in (data.X, raw, *(data.layers[name] for name in layer_names(data))):
        if sparse.issparse(matrix) and hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)


def _check_claims(path: Path) -> None:
    """Refuse arrays that are far larger than the file: HDF5 makes up what was never written."""
    h5py = require("h5py")
    sizes = []

    def add(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(int(item.nbytes))

    with h5py.File(path, "r") as file:
        file.visititems(add)
    most = largest(path.stat().st_size)
    if sum(sizes) > most:
        raise Edge2TorchError(
            f"{path} claims arrays of {sum(sizes) >> 20:,} MB, which is out of proportion to its "
            "size. Write it anew without compression if that is right."
        )
