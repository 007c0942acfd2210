"""AnnData in memory and on disk, dense and sparse."""

import contextlib
import subprocess
import sys
import tracemalloc
from importlib.metadata import version
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from packaging.version import Version

from edge2torch.data import _sources, align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError

GENES = [f"g{k}" for k in range(9)]
WANTED = ["g7", "g2", "g5", "g0"]
ARTIFACT = SimpleNamespace(feature_names=WANTED)
VALUES = sp.random(25, 9, density=0.4, random_state=0, format="csr", dtype=np.float64).toarray()
EXPECTED = VALUES[:, [7, 2, 5, 0]]
MATRICES = {
    "dense": VALUES,
    "dense, by column": np.asfortranarray(VALUES),
    "csr": sp.csr_matrix(VALUES),
    "csc": sp.csc_matrix(VALUES),
    "csr_array": sp.csr_array(VALUES),
    "csc_array": sp.csc_array(VALUES),
}


def cells(matrix, **options):
    data = ad.AnnData(matrix, **options)
    data.var_names = GENES
    return data


def align(data, **options):
    return align_features_to_input_nodes(data, ARTIFACT, dtype=torch.float64, **options).numpy()


@pytest.fixture(params=MATRICES)
def matrix(request):
    return MATRICES[request.param].copy()


def test_x_is_read_by_variable_name(matrix):
    np.testing.assert_array_equal(align(cells(matrix)), EXPECTED)


def test_a_layer_is_read_when_named(matrix):
    data = cells(np.zeros((25, 9)), layers={"counts": matrix})
    np.testing.assert_array_equal(align(data, layer="counts"), EXPECTED)
    assert not align(data).any()
    with pytest.raises(Edge2TorchError, match=r"layer='count' .*'counts'"):
        align(data, layer="count")


def test_a_view_is_read_as_what_it_shows(matrix):
    view = cells(matrix)[[3, 1, 20], ["g0", "g5", "g7", "g2", "g1"]]
    np.testing.assert_array_equal(align(view), EXPECTED[[3, 1, 20]])


def chooses_on_both_axes(matrix):
    """anndata before 0.12 (all of Python 3.10) cannot show such a view of a dense file."""
    return not isinstance(matrix, np.ndarray) or Version(version("anndata")) >= Version("0.12")


@pytest.mark.parametrize("read_at_once", [64 * 2**20, 1, 5 * 9 * 8])
def test_a_backed_file_is_read_in_runs(matrix, tmp_path, monkeypatch, read_at_once):
    monkeypatch.setattr(_sources, "_READ_AT_ONCE", read_at_once)
    path = tmp_path / "cells.h5ad"
    cells(matrix, layers={"twice": matrix * 2}).write_h5ad(path)
    data = ad.read_h5ad(path, backed="r")
    try:
        np.testing.assert_array_equal(align(data), EXPECTED)
        np.testing.assert_array_equal(align(data, layer="twice"), EXPECTED * 2)
        rows = [2, 9] if chooses_on_both_axes(matrix) else slice(2, 10, 7)
        view = data[rows, ["g0", "g5", "g7", "g2", "g1"]]
        np.testing.assert_array_equal(align(view), EXPECTED[[2, 9]])
    finally:
        data.file.close()


def test_a_reversed_view_of_a_file_is_read_or_refused(matrix, tmp_path):
    """HDF5 reads no dense rows backwards, which anndata asks of it."""
    cells(matrix).write_h5ad(tmp_path / "cells.h5ad")
    data = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    try:
        with contextlib.suppress(Edge2TorchError):
            np.testing.assert_array_equal(align(data[::-1]), EXPECTED[::-1])
        if isinstance(matrix, np.ndarray):
            with pytest.raises(Edge2TorchError, match=r"to_memory\(\)"):
                align(data[::-1])
    finally:
        data.file.close()


def test_sparse_blocks_of_dask_are_refused_and_dense_ones_read():
    """As of ``anndata.experimental.read_lazy``; NumPy took each sparse block for one value."""
    dask_array = pytest.importorskip("dask.array")
    blocks = dask_array.from_array(VALUES, chunks=(10, 9))
    np.testing.assert_array_equal(align(cells(blocks)), EXPECTED)
    data = cells(blocks, layers={"counts": blocks.map_blocks(sp.csr_matrix)})
    with pytest.raises(
        Edge2TorchError, match=r"layers\['counts'\].*Dask array of sparse.*to_memory"
    ):
        align(data, layer="counts")
    np.testing.assert_array_equal(align(data.to_memory(), layer="counts"), EXPECTED)


def test_without_x_the_layers_are_named():
    data = ad.AnnData(layers={"counts": VALUES}, shape=VALUES.shape)
    data.var_names = GENES
    with pytest.raises(Edge2TorchError, match=r"no X.*layer=.*'counts'"):
        align(data)
    np.testing.assert_array_equal(align(data, layer="counts"), EXPECTED)


def test_a_matrix_of_another_shape_is_refused_and_none_is_not_a_layer(monkeypatch):
    """As of anndata 0.13: X of a reversed view lacks a row, and X is a layer named None."""
    data = cells(VALUES, layers={"counts": VALUES})
    layers = {None: VALUES, "counts": data.layers["counts"]}
    monkeypatch.setattr(ad.AnnData, "X", VALUES[:-1])
    monkeypatch.setattr(ad.AnnData, "layers", layers)
    with pytest.raises(Edge2TorchError, match=r"shape \(25, 9\).* X as .*\(24, 9\).*to_memory"):
        align(data)
    with pytest.raises(Edge2TorchError, match=r"Its layers: 'counts'\.$"):
        align(data, layer="spliced")
    np.testing.assert_array_equal(align(data, layer="counts"), EXPECTED)


def test_the_report_says_where_the_values_came_from():
    data = cells(VALUES, layers={"counts": VALUES})
    _, report = align_features_to_input_nodes(data, ARTIFACT, layer="counts", report=True)
    assert report.source == "AnnData.layers['counts']"
    assert report.extra == ("g1", "g3", "g4", "g6", "g8")


def test_missing_genes_are_refused_or_filled(matrix):
    data = cells(matrix)[:, GENES[1:]]
    with pytest.raises(Edge2TorchError, match=r"AnnData\.X has no column for 1 of 4 .*'g0'"):
        align(data)
    np.testing.assert_array_equal(align(data, missing=0.5)[:, -1], np.full(25, 0.5))
    with pytest.raises(Edge2TorchError, match=r"data\.T"):
        align(cells(VALUES).T)


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_a_gene_that_is_there_twice_is_refused():
    data = ad.AnnData(VALUES)
    data.var_names = ["g7", *GENES[1:]]
    with pytest.raises(Edge2TorchError, match="more than one column: 'g7'"):
        align(data)


def test_nan_is_found_in_sparse_and_dense(matrix):
    holed = VALUES.copy()
    holed[3, 5] = np.nan
    with pytest.raises(Edge2TorchError, match=r"1 value.*'g5'"):
        align(cells(holed if isinstance(matrix, np.ndarray) else type(matrix)(holed)))


def test_integer_counts_and_booleans_work():
    counts = sp.csr_matrix((VALUES > 0).astype(np.int32))
    np.testing.assert_array_equal(align(cells(counts)), EXPECTED > 0)
    np.testing.assert_array_equal(align(cells(VALUES > 0)), EXPECTED > 0)


def test_wide_sparse_data_is_never_made_dense_whole():
    """20,000 genes × 2,000 cells are 160 MB as float32; 500 of the genes are 4 MB."""
    matrix = sp.random(2000, 20_000, density=0.01, format="csr", random_state=0, dtype=np.float32)
    data = ad.AnnData(matrix)
    data.var_names = [f"g{k}" for k in range(20_000)]
    artifact = SimpleNamespace(feature_names=[f"g{k}" for k in range(0, 20_000, 40)])
    tracemalloc.start()
    try:
        x = align_features_to_input_nodes(data, artifact)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.shape == (2000, 500)
    assert peak < 40e6


def test_aligning_a_frame_does_not_load_anndata():
    program = (
        "import sys, types, numpy\n"
        "from edge2torch.data import align_features_to_input_nodes as align\n"
        "align(numpy.ones((1, 1)), types.SimpleNamespace(feature_names=['a']))\n"
        "sys.exit('anndata' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
