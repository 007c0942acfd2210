"""What is a feature and what only stands beside them."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.study._ask import read_samples
from edge2torch.study._data import from_anndata, read_dataset
from edge2torch.study._features import choose_features, sample_names
from edge2torch.study._saved import read_saved
from tests.cli.running import run

_GENES = ["g0", "g1", "g2", "g3"]


@pytest.fixture
def counts() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.poisson(40, size=(24, 4)), columns=_GENES)
    frame.insert(0, "cell", [f"c{k}" for k in range(24)])
    frame["age"] = rng.integers(20, 80, 24)
    frame["nCount_RNA"] = frame[_GENES].sum(axis=1) + 1000
    frame["barcode_id"] = 100_000 * np.arange(24)
    frame["y"] = ["a", "b", "b"] * 8
    frame["y_code"] = (frame["y"] == "b").astype(int) + 1
    frame["ratio"] = rng.uniform(size=24)
    frame["donor"] = "d1"
    return frame


def _read(frame: pd.DataFrame, folder: Path, **options):
    frame.to_csv(folder / "cells.csv", index=False)
    return read_dataset(folder / "cells.csv", "y", {"g0", "g1", "path"}, **options)


def test_the_library_is_the_sum_of_the_genes(counts, tmp_path):
    found = _read(counts, tmp_path, normalize="counts")
    genes = counts[_GENES].to_numpy(float)
    right = np.log1p(1e4 * genes / genes.sum(axis=1, keepdims=True))
    assert list(found.table.columns) == _GENES
    assert np.allclose(found.table, right, atol=1e-5)
    assert set(found.set_aside) == {"age", "nCount_RNA", "barcode_id", "y_code", "ratio", "donor"}
    (said,) = [note for note in found.notes if "Set aside" in note]
    assert "'age', 'nCount_RNA' (named like metadata); 'barcode_id' (an id)" in said
    assert "'y_code' (says the same as the label); 'ratio' (cannot be counts)" in said
    assert "'donor' (text)" in said
    assert "'g2', 'g3'" in next(note for note in found.notes if "no node" in note)


def test_only_what_is_no_count_is_set_aside_for_counts(counts, tmp_path):
    found = _read(counts, tmp_path)
    assert "ratio" in found.table.columns
    assert "y_code" not in found.table.columns


def test_a_node_of_the_graph_is_a_feature_whatever_its_name(counts, tmp_path):
    counts.to_csv(tmp_path / "cells.csv", index=False)
    found = read_dataset(tmp_path / "cells.csv", "y", {"g0", "age", "y_code"})
    assert {"age", "y_code"} <= set(found.table.columns)
    assert found.copies == ("y_code",)
    assert "WARNING: 1 feature(s) say the same as the label 'y': 'y_code'" in " ".join(found.notes)


def test_all_features_and_metadata_decide_otherwise(counts, tmp_path):
    found = _read(counts, tmp_path, all_features=True, metadata=("age", "donor"))
    assert set(found.set_aside) == {"age", "donor"}
    assert {"nCount_RNA", "barcode_id", "y_code"} <= set(found.table.columns)
    assert "WARNING" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("name", "values", "is_feature"),
    [
        ("percent.mt", np.linspace(0, 1, 12), False),
        ("pct_counts_mt", np.linspace(0, 1, 12), False),
        ("n_genes_by_counts", range(12), False),
        ("SampleID", [3, 1, 2, 5, 9, 8, 7, 6, 0, 4, 11, 10], False),
        ("running", range(12), False),
        ("AGER", range(11, -1, -1), False),  # falls by one in each row
        ("AGER", [5, 2, 9, 4, 11, 0, 3, 10, 1, 8, 7, 6], True),
        ("IDH1", [5, 2, 9, 4, 11, 0, 3, 10, 1, 8, 7, 6], True),
        ("TIMP1", np.linspace(1, 0, 12), True),
        ("SETD2", [1.5, 1.0] * 6, True),
        ("mutated", [True, False] * 6, True),
    ],
)
def test_names_and_numberings(name, values, is_feature):
    frame = pd.DataFrame({name: list(values)})
    label = pd.Series(["a", "a", "b"] * 4)
    assert (choose_features(frame, label, ()).features == [name]) == is_feature


@pytest.mark.parametrize(
    ("label", "column", "copy"),
    [
        (["a", "b", "c"] * 4, [7, 0, 3] * 4, True),
        (["a", "b", "c"] * 4, [7, 0, 0] * 4, False),
        (["a", "b", "c"] * 4, [7, 0, 3] * 3 + [7, 0, 4], False),
        (np.linspace(1, 5, 12), np.log(np.linspace(1, 5, 12)), True),
        (np.linspace(1, 5, 12), -np.linspace(1, 5, 12), True),
        (np.linspace(1, 5, 12), [*range(10), 11, 10], False),
        (["a", "b", None] * 4, [1, 2, 9, 1, 2, 8, 1, 2, 7, 1, 2, 6], True),
        (["a", "b"] * 6, [1.0, np.nan] * 6, False),
    ],
)
def test_copies_of_the_label(label, column, copy):
    found = choose_features(pd.DataFrame({"x": column}), pd.Series(label), ())
    assert (found.aside == {"x": "says the same as the label"}) == copy


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"id": range(12), "g": [1] * 12}, "id"),
        ({"sample": range(12, 0, -1), "g": [1] * 12}, "sample"),
        ({"kind": ["a"] * 12, "patient_id": [f"p{k}" for k in range(12)]}, "patient_id"),
        ({"g": [*range(6), *range(6)], "h": [1] * 12}, None),
        ({"node": range(12), "g": [1] * 12}, None),  # a node of the graph
        ({"g": [5.5, *range(11)], "h": [1] * 12}, None),
    ],
)
def test_the_column_of_names(columns, names):
    assert sample_names(pd.DataFrame(columns), ("kind",), {"node"}) == names


@pytest.mark.parametrize(
    ("genes", "symbols"), [(["TP53", "AGER", "G1"], ["IDS", "SET"]), (["Trp53", "Ager"], ["Set"])]
)
def test_genes_that_are_called_like_metadata(genes, symbols, tmp_path):
    rng = np.random.default_rng(0)
    columns = [symbols[0], *genes, *symbols[1:]]
    counts = pd.DataFrame(rng.poisson(40, (12, len(columns))), columns=columns)
    found = _read(counts.assign(y=["a", "b"] * 6, age=60), tmp_path, normalize="counts")
    assert found.table.columns.tolist() == columns
    right = np.log1p(1e4 * counts.to_numpy() / counts.to_numpy().sum(axis=1, keepdims=True))
    assert np.allclose(found.table, right, atol=1e-5)
    assert found.set_aside == ("age",)
    found = _read((counts / 7).assign(y=["a", "b"] * 6), tmp_path)
    assert not any("names of samples" in note for note in found.notes)
    assert found.table.columns.tolist() == columns


def test_measured_numbers_are_no_ids():
    frame = pd.DataFrame({"case": np.linspace(-1, 1, 12), "g": [1.5, 2] * 6})
    label = pd.Series(["a", "a", "b"] * 4)
    assert sample_names(frame, (), ()) is None
    assert choose_features(frame, label, ()).features == ["case", "g"]
    frame = pd.DataFrame({"SET": [1, 2] * 6, "a": 1.5, "b": 2.5})  # train and test
    assert choose_features(frame, label, ()).aside == {"SET": "named like metadata"}


@pytest.mark.parametrize(
    "name",
    ["sum", "total", "Counts", "detected", "mapped", "weight_kg", "height_cm", "treatment",
     "vital_status", "eid", "MRN", "code", "subsets_mito_percent"],
)  # fmt: skip
def test_columns_of_quality_and_of_persons_are_no_genes(counts, tmp_path, name):
    counts[name] = np.random.default_rng(1).permutation(24) + 900
    found = _read(counts, tmp_path, normalize="counts")
    assert name in found.set_aside
    counts.to_csv(tmp_path / "cells.csv", index=False)
    assert name in read_dataset(tmp_path / "cells.csv", "y", {"g0", name}).table.columns


def test_all_columns_that_may_be_no_features_are_named(tmp_path):
    rng = np.random.default_rng(0)
    genes = ["TP53", "HLA-A", "MYC", *(f"G{k}" for k in range(30))]
    odd = [f"{word}Level" for word in "abcdefgh"]
    frame = pd.DataFrame(rng.poisson(40, (12, 41)), columns=[*genes, *odd]).assign(y=["a", "b"] * 6)
    frame.to_csv(tmp_path / "cells.csv", index=False)
    notes = read_dataset(tmp_path / "cells.csv", "y", {"TP53", "HLA-A", "MYC"}).notes
    told = "Features that are written like no node: " + ", ".join(map(repr, odd)) + "."
    assert told in notes


def test_logarithms_of_logarithms_are_pointed_out(counts, tmp_path):
    found = _read(counts[["cell", "y", *_GENES]], tmp_path, normalize="log1p")
    assert not any("logarithms already" in note for note in found.notes)
    counts[_GENES] = np.log1p(counts[_GENES])
    found = _read(counts[["cell", "y", *_GENES]], tmp_path, normalize="log1p")
    assert "if they were logarithms already" in found.notes[-1]


def test_whole_numbered_logarithms_are_pointed_out(counts, tmp_path):
    whole = counts[["cell", "y", *_GENES]].copy()
    for normalize in ("counts", "log1p"):
        found = _read(whole, tmp_path, normalize=normalize)
        assert not any("logarithms without" in note for note in found.notes)
        logs = whole.assign(**np.log2(whole[_GENES] + 1).round())
        found = _read(logs, tmp_path, normalize=normalize)
        assert "logarithms without their fractions" in found.notes[-1]


def test_logarithms_are_no_counts(counts, tmp_path):
    counts[_GENES] = np.log2(counts[_GENES] + 1)
    with pytest.raises(e2t.Edge2TorchError, match=r"look like logarithms.*normalize='none'"):
        _read(counts, tmp_path, normalize="counts")
    counts[_GENES] = 2 ** counts[_GENES] + 0.25
    found = _read(counts, tmp_path, normalize="counts")
    assert "taken for estimated ones" in found.notes[-1]


def test_counts_that_cannot_be_name_the_columns(counts, tmp_path):
    counts["visits"] = [1, None, 3] * 8
    with pytest.raises(e2t.Edge2TorchError, match=r"8 sample.*of 'visits'.*metadata="):
        _read(counts, tmp_path, normalize="counts")
    assert "visits" in _read(counts, tmp_path, normalize="counts", metadata=["visits"]).set_aside
    with pytest.raises(e2t.Edge2TorchError, match=r"1 feature.*'g0'.*normalize='none'"):
        _read(counts.assign(g0=-counts["g0"]), tmp_path, normalize="log1p")


@pytest.mark.parametrize("normalize", ["none", "log1p", "counts"])
def test_a_table_without_samples_is_read(counts, tmp_path, normalize):
    counts[:0].to_parquet(tmp_path / "cells.parquet")
    found = read_dataset(tmp_path / "cells.parquet", "y", {"g0"}, normalize=normalize)
    assert len(found.table) == 0  # whoever needs samples says so


def test_features_of_an_anndata_that_are_named_as_metadata():
    data = anndata.AnnData(
        np.array([[1, 3, 96.0], [10, 30, 60]]),
        obs=pd.DataFrame({"y": ["a", "b"]}, index=["c", "d"]),
    )
    data.var_names = ["g1", "g2", "ERCC"]
    found = from_anndata(data, "y", {"g1"}, name="x", normalize="counts", metadata=["ERCC"])
    assert np.allclose(found.table, np.log1p([[2500, 7500]] * 2))
    assert found.set_aside == ("ERCC",)


@pytest.mark.usefixtures("no_figures")
def test_a_saved_run_sets_the_same_aside(files, cells):
    genes = [f"g{k}" for k in range(12)]
    cells[genes] = (50 + 10 * cells[genes]).round().clip(lower=0).astype(int)
    cells["kind_code"] = (cells["kind"] == "T").astype(int)
    cells["spike"] = 500
    cells.to_csv(files / "cells.csv", index=False)
    printed = run(files, "--normalize", "counts", "--metadata", "spike")
    assert "'spike' (set aside by name)" in printed
    saved = read_saved(files / "out", "MODEL")
    assert {"kind_code", "spike"} <= set(saved.recipe.set_aside)
    cells.drop(columns=["kind"]).to_csv(files / "new.csv", index=False)  # no label to compare with
    before = read_dataset(
        files / "cells.csv", "kind", set(genes), normalize="counts", metadata=["spike"]
    )
    after = read_samples(saved, files / "new.csv", None, None, None)
    assert np.allclose(before.table[genes], after.table[genes])


@pytest.mark.parametrize("name", ["nothing", "g0", "kind"])
def test_metadata_that_cannot_be_left_out(files, name):
    with pytest.raises(e2t.Edge2TorchError, match=f"^metadata: .* left out: '{name}'"):
        run(files, "--metadata", name)


@pytest.mark.parametrize(("n", "warned"), [(24, True), (200, False)])
def test_sums_of_few_features_are_warned_of(n, warned):
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson(40, (20, n)), columns=[f"G{k}" for k in range(n)])
    counts["kind"] = ["a", "b"] * 10
    dataset = read_dataset(counts, "kind", ["G0"], normalize="counts")
    assert (
        any("WARNING" in note and "normalize='log1p'" in note for note in dataset.notes) is warned
    )
