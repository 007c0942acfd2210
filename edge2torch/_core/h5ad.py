"""Single-cell data in HDF5."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from scipy import sparse

from edge2torch._core.messages import require
from edge2torch._core.packed import largest
from edge2torch.errors import Edge2TorchError


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


def _check_indices(data: Any) -> None:
    """Refuse sparse matrices whose indices lie outside: they would be followed anywhere."""
    raw = None if data.raw is None else data.raw.X
    for matrix in (data.X, raw, *data.layers.values()):
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
