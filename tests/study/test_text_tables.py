"""Words, repeated columns and numbers of text tables, as the commands read them."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from edge2torch._core.tables import read_indexed
from edge2torch.errors import Edge2TorchError
from edge2torch.study._data import feature_names, from_anndata, read_dataset
from edge2torch.study._edges import with_names


@pytest.fixture
def table():
    values = np.random.default_rng(0).normal(size=(8, 3))
    frame = pd.DataFrame(values, [f"s{k}" for k in range(8)], ["g0", "g1", "NA"])
    frame["genotype"] = ["wt", "null", "None", "NA"] * 2
    return frame


def test_a_label_keeps_all_its_classes(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index_label="sample")
    data = read_dataset(tmp_path / "t.csv", "genotype", ["g0", "NA"])
    assert data.label.tolist() == ["wt", "null", "None", "NA"] * 2
    assert data.table.columns.tolist() == ["g0", "g1", "NA"]
    note, _ = data.notes  # the other: which features are no node of the graph
    assert note.startswith("'NA', 'None', 'null' are taken as labels (6 sample(s)); where it is")
    table["genotype"] = ["wt", "null", None, "wt"] * 2
    table.to_csv(tmp_path / "t.csv", index_label="sample")
    data = read_dataset(tmp_path / "t.csv", "genotype", ["g0"])
    assert sorted(set(data.label)) == ["null", "wt"]
    assert "2 of 8 samples have no label: left out." in data.notes


def test_words_for_missing_in_an_anndata_are_pointed_out(table):
    table["genotype"] = pd.Categorical(["wt", "nan", None, "NA"] * 2)
    cells = AnnData(table.drop(columns="genotype"), table[["genotype"]])
    notes = from_anndata(cells, "genotype", ["g0"], name="x").notes
    assert any(note.startswith("'NA', 'nan' are taken as labels (4 sample(s))") for note in notes)


def test_a_run_keeps_the_zeros_of_ids(table, tmp_path):
    table.insert(1, "PatientID", [f"{k:05d}" for k in range(8)])
    table.to_csv(tmp_path / "t.csv", index=False)
    data = read_dataset(tmp_path / "t.csv", "genotype", ["g0"])
    assert data.table.index.tolist() == [f"{k:05d}" for k in range(8)]


def test_a_label_of_numbers_may_say_that_it_is_missing(table, tmp_path):
    table["age"] = [30.5, "NA", 40, 50, 60, 70, 80, 90]
    table.to_csv(tmp_path / "t.csv", index_label="sample")
    data = read_dataset(tmp_path / "t.csv", "age", ["g0"])
    assert data.label.tolist() == [30.5, 40, 50, 60, 70, 80, 90]


def test_a_feature_twice_is_refused(table, tmp_path):
    table["again"] = 1.0
    table.rename(columns={"again": "g0"}).to_csv(tmp_path / "t.csv", index_label="sample")
    for read in (
        lambda path: read_dataset(path, "genotype", ["g1"]),
        lambda path: feature_names(path, "--features"),
    ):
        with pytest.raises(Edge2TorchError, match=r"names 1 column\(s\) more than once: 'g0'"):
            read(tmp_path / "t.csv")


def test_names_and_ids_stay_as_they_are_written(tmp_path):
    edges = pd.DataFrame({"source": ["NA", "7157"], "target": ["null", "null"]})
    (tmp_path / "names.csv").write_text("node,name\nNA,nan\n7157,007\nnull,None\n")
    named, _ = with_names(edges, tmp_path / "names.csv")
    assert named["source_name"].tolist() == ["nan", "007"]
    assert named["target_name"].tolist() == ["None", "None"]
    (tmp_path / "scores.csv").write_text("sample,NA::abundance\n001,0.5\nNA,1.5\n")
    assert read_indexed(tmp_path / "scores.csv", "--feature-table").index.tolist() == ["001", "NA"]


def test_reads_of_no_gene_are_no_features(table, tmp_path):
    table["__no_feature"], table["N_unmapped"] = 900.5, 800.5
    table.to_csv(tmp_path / "t.csv", index_label="sample")
    data = read_dataset(tmp_path / "t.csv", "genotype", ["g0"])
    assert data.table.columns.tolist() == ["g0", "g1", "NA"]
    assert "'__no_feature', 'N_unmapped' (reads of no gene)" in " ".join(data.notes)
    cells = AnnData(table.drop(columns="genotype"), table[["genotype"]])
    data = from_anndata(cells, "genotype", ["g0"], name="x")
    assert data.table.columns.tolist() == ["g0", "g1", "NA"]
    assert "'__no_feature', 'N_unmapped' (reads of no gene)" in " ".join(data.notes)
    assert data.set_aside == ("__no_feature", "N_unmapped")
