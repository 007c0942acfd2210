"""The parts of the pipeline, one by one."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import edge2torch as e2t
from edge2torch._core.files import write_file
from edge2torch._core.messages import plural
from edge2torch._core.packed import plain_suffix
from edge2torch.cli import main
from edge2torch.cli._demo import pathway_graph, readable
from edge2torch.interpret import rewire
from edge2torch.study._data import from_anndata
from edge2torch.study._edges import with_names
from edge2torch.study._network import fit_network
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import choose_task
from edge2torch.study._threads import threads_for

# ------------------------------------------------------------------------------ shuffle


@pytest.fixture
def layered():
    """Three layers with skip edges, the last one dense."""
    rng = np.random.default_rng(1)
    pairs = {(f"g{rng.integers(60)}", f"p{k}") for k in range(20) for _ in range(6)}
    pairs |= {(f"p{k}", f"q{rng.integers(8)}") for k in range(20) for _ in range(2)}
    pairs |= {(f"g{rng.integers(60)}", f"q{k}") for k in range(8) for _ in range(2)}
    pairs |= {(f"q{k}", c) for k in range(8) for c in "BT"}
    edges = pd.DataFrame(sorted(pairs), columns=["source", "target"])
    inputs = sorted({s for s, _ in pairs if s.startswith("g")})
    keep = edges["target"].isin({s for s, _ in pairs}) | edges["target"].isin(["B", "T"])
    return e2t.compile_graph(edges[keep], quiet=True, inputs=inputs, unused="prune")[1]


def test_shuffle_keeps_every_degree_and_every_layer(layered):
    before = layered.graph.edges
    after = rewire(layered.graph.edges, "degree", seed=0)
    assert not after.duplicated(["source", "target"]).any()
    layer = {n: k for k, names in layered.node_names_by_layer.items() for n in names}
    for edges in (before, after):
        edges["from"] = edges["source"].map(layer)
        edges["to"] = edges["target"].map(layer)
    for node, other in (("source", "to"), ("target", "from")):
        counts = [e.groupby([node, other]).size().sort_index() for e in (before, after)]
        pd.testing.assert_series_equal(*counts)
    new = after.merge(before, on=["source", "target"], how="left", indicator=True)
    moved = (new["_merge"] == "left_only").to_numpy()
    is_dense = after["target"].isin(["B", "T"]).to_numpy()
    assert moved[~is_dense].mean() > 0.5
    assert not moved[is_dense].any()


def test_shuffle_is_seeded_and_leaves_its_argument(layered):
    before = layered.graph.edges.copy()
    first = rewire(layered.graph.edges, "degree", seed=3)
    again = rewire(layered.graph.edges, "degree", seed=3)
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(layered.graph.edges, before)


# ----------------------------------------------------------------------- label and split


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"] * 10, "classification"),
        (pd.Categorical([1, 2] * 10), "classification"),
        ([True, False] * 10, "classification"),
        ([1, 2] * 10, "classification"),
        ([1.0, 2.0] * 10, "classification"),
        (list(range(20)), "regression"),
        (np.linspace(0, 1, 20), "regression"),
    ],
)
def test_the_task_follows_from_the_label(values, kind):
    task = choose_task(pd.Series(values, name="y"), "auto", 2)
    assert task.kind == kind
    if kind == "classification":
        assert len(task.classes) == 2
        assert len(task.values) == 20


def test_small_classes_are_left_out():
    task = choose_task(pd.Series(list("aaaabbbbc"), name="y"), "auto", 4)
    assert task.classes == ("a", "b")
    assert task.kept.tolist() == [True] * 8 + [False]
    assert "left out" in task.notes[1]


@pytest.mark.parametrize("values", [[], [1.5]])
def test_a_label_without_samples(values):
    with pytest.raises(
        e2t.Edge2TorchError, match=r"sample\(s\) have a value of 'y'; two are needed"
    ):
        choose_task(pd.Series(values, name="y", dtype=float), "auto", 2)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e40, float("nan"), float("inf")])
def test_a_learning_rate_that_cannot_be(rate):
    with pytest.raises(
        e2t.Edge2TorchError, match="learning_rate must be above 0, and at most 1000"
    ):
        StudySettings(learning_rate=rate)


@pytest.mark.parametrize("option", ["seeds", "replicates", "controls"])
def test_more_networks_than_anyone_trains(option):
    StudySettings(**{option: 1000})
    with pytest.raises(e2t.Edge2TorchError, match=f"{option}\\b.*1,000"):
        StudySettings(**{option: 2**31})


# --------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.csv", "node,name,species\ng0, CD3E ,human\nelse,E,human\ng1,,human\n"),
        ("a.tsv", "g0\tCD3E\n"),  # no header
        ("ReactomePathways.txt", "g0\tCD3E\tHomo sapiens\n"),
    ],
)
def test_names_from_a_file(edges, tmp_path, file, text):
    (tmp_path / file).write_text(text)
    named, said = with_names(edges, tmp_path / file)
    assert said == f"Names of 1 of 17 nodes from {file}."
    assert named.loc[named["source"] == "g0", "source_name"].tolist() == ["CD3E"]
    assert named["target_name"].isna().all()


# ------------------------------------------------------------------------------- network


def test_a_network_keeps_the_order_of_the_classes(edges):
    label = pd.Series(["T", "B"] * 10, name="kind")
    task = choose_task(label, "auto", 2)
    network = fit_network(edges, [f"g{k}" for k in range(12)], task)
    assert network.outputs == task.classes == ("B", "T")
    assert network.head == 0
    assert network.inner_nodes == ["noise", "other", "signal"]
    first, again, other = (network.build(StudySettings(), seed) for seed in (0, 0, 1))
    x = torch.ones(2, 12)
    assert torch.equal(first.eval()(x), again.eval()(x))
    assert not torch.equal(first(x), other.eval()(x))


def test_building_leaves_the_global_generator_alone(edges):
    task = choose_task(pd.Series(["T", "B"] * 10, name="kind"), "auto", 2)
    network = fit_network(edges, [f"g{k}" for k in range(12)], task)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    network.build(StudySettings(), 0)
    assert torch.equal(torch.rand(3), wanted)


# ---------------------------------------------------------------------------------- data


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_counts_are_brought_to_one_depth(make):
    counts = np.array([[1, 3], [10, 30]], dtype=np.float32)
    data = anndata.AnnData(make(counts), obs=pd.DataFrame({"y": ["a", "b"]}, index=["c1", "c2"]))
    data.var_names = ["g1", "g2"]
    found = from_anndata(data, "y", {"g1"}, name="x", normalize="counts")
    assert np.allclose(found.table, np.log1p([[2500, 7500]] * 2))
    few, scaled = found.notes
    assert "2 features make up the sums" in few
    assert "10,000" in scaled


def test_raw_counts_used_as_they_are_are_pointed_out():
    data = anndata.AnnData(np.array([[0, 99.0]]), obs=pd.DataFrame({"y": ["a"]}, index=["c"]))
    found = from_anndata(data, "y", (), name="x")
    assert "normalize='counts'" in found.notes[0]


def test_a_file_is_whole_or_not_there(tmp_path):
    def fail(path):
        path.write_text("half")
        raise RuntimeError("power cut")

    (tmp_path / "table.csv").write_text("before")
    with pytest.raises(RuntimeError):
        write_file(tmp_path / "table.csv", fail)
    assert (tmp_path / "table.csv").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_suffixes():
    from pathlib import Path

    found = [plain_suffix(Path(name)) for name in ("a.CSV", "a.b.tsv.gz", "a.h5ad", "a", "a.gz")]
    assert found == [".csv", ".tsv", ".h5ad", "", ""]


# ---------------------------------------------------------------------------------- demo


def test_pathways_are_filtered_merged_and_named(tmp_path):
    path = tmp_path / "sets.gmt"
    lines = [
        "REACTOME_TCR_SIGNALING\turl\ta\tb\tunmeasured",
        "REACTOME_SAME_GENES\turl\tb\ta",
        "REACTOME_TINY\turl\ta",
        "REACTOME_HUGE\turl\ta\tb\tc\td",
    ]
    path.write_text("\n".join(lines) + "\n")
    sets = e2t.read_gmt(path, quiet=True)
    edges, table = pathway_graph(sets, list("abcd"), ["B", "T"], 2, 3)
    assert table["pathway"].tolist() == ["Same genes"]
    assert table["also"].tolist() == ["REACTOME_TCR_SIGNALING"]
    assert edges.to_numpy().tolist() == [
        ["a", "Same genes"],
        ["b", "Same genes"],
        ["Same genes", "B"],
        ["Same genes", "T"],
    ]
    with pytest.raises(e2t.Edge2TorchError, match="min_genes=9"):
        pathway_graph(sets, list("abcd"), ["B", "T"], 9, 10)


def test_readable_names():
    names = {
        "REACTOME_SIGNALING_BY_THE_B_CELL_RECEPTOR_BCR": "Signaling by the B cell receptor BCR",
        "REACTOME_MRNA_SPLICING": "mRNA splicing",
        "REACTOME_PD1_SIGNALING": "PD1 signaling",
        "REACTOME_APOPTOSIS": "Apoptosis",
    }
    assert {name: readable(name) for name in names} == names


def test_absent_demo_data_is_one_clear_error(monkeypatch, capsys):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(SystemExit) as end:
        main(["demo"])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "pip install --no-deps scanpy==" in said
    assert said.count("\n") == 1


# ---------------------------------------------------------------------------- small things


def test_settings_choose_a_batch():
    assert [StudySettings().batch_of(n) for n in (50, 420, 10_000)] == [16, 52, 256]
    assert replace(StudySettings(), batch_size=7).batch_of(420) == 7


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with threads_for(10):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_plural():
    assert [plural("class"), plural("cell", 1), plural("gene", 1200)] == [
        "classes",
        "1 cell",
        "1,200 genes",
    ]
