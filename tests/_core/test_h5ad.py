"""h5ad files that claim more than they hold, or point outside."""

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse

from edge2torch import Edge2TorchError
from edge2torch._core.h5ad import read_h5ad


@pytest.fixture
def path(tmp_path):
    data = anndata.AnnData(sparse.csr_matrix(np.eye(4, dtype="f4")))
    data.layers["twice"] = data.X * 2
    data.raw = data.copy()
    data.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_whole_and_backed(path):
    assert (read_h5ad(path).layers["twice"].toarray() == 2 * np.eye(4)).all()
    backed = read_h5ad(path, backed="r")
    assert backed.isbacked
    backed.file.close()


@pytest.mark.parametrize("backed", [None, "r"])
def test_an_array_that_was_never_written(path, backed):
    with h5py.File(path, "a") as file:
        file.create_dataset("obsm/huge", (4, 1 << 40), "f8", chunks=(1, 1 << 16))
    with pytest.raises(Edge2TorchError, match=r"claims arrays of .* out of proportion"):
        read_h5ad(path, backed=backed)


@pytest.mark.parametrize("matrix", ["X", "raw/X", "layers/twice"])
def test_indices_outside(path, matrix):
    with h5py.File(path, "a") as file:
        file[f"{matrix}/indices"][2] = 1_000_000
    with pytest.raises(Edge2TorchError, match="cannot be read"):
        read_h5ad(path)


@pytest.mark.parametrize("content", [b"", b"not this", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_hdf5(path, content):
    path.write_bytes(content)
    with pytest.raises(Edge2TorchError, match="cannot be read"):
        read_h5ad(path)


def test_cut_short(path):
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(Edge2TorchError, match="cannot be read"):
        read_h5ad(path)
