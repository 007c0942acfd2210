"""``edge2torch prior``: files in, an edge table and its account out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import get_args

import anndata
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
import edge2torch.priors as readers
from edge2torch.cli import main
from edge2torch.cli._prior import Format, Reading
from edge2torch.priors._by_kind import BY_SUFFIX, READERS, takes
from edge2torch.study import read_dataset

GMT = "repair\tx\tBRCA1\tATM\tTP53\ndeath\tx\tTP53\tBAX\ngrowth\tx\tMYC\tEGFR\n"
OBO = """format-version: 1.2
ontology: go

[Term]
id: GO:1
name: process
namespace: bp

[Term]
id: GO:2
name: repair
namespace: bp
is_a: GO:1
"""
OMNIPATH = (
    "source\ttarget\tis_directed\tis_stimulation\tis_inhibition\nATM\tp53\tTrue\tFalse\tTrue\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of every kind, and data of five genes; the command runs beside them."""
    texts = {
        "sets.gmt": GMT,
        "go.obo": OBO,
        "genes.tsv": "ATM\tGO:2\nTP53\tGO:2\n",
        "relation.txt": "R-HSA-1\tR-HSA-2\n",
        "members.txt": "ATM\tR-HSA-2\nBAX\tR-HSA-2\n",
        "net.sif": "ATM 1 p53\np53 1 mdm2\nmdm2 -1 p53\np53 1 death\n",
        "omni.tsv": OMNIPATH,
        "inward.csv": "source,target\nATM,TP53\n",
        "own.csv": "from,to\nATM,repair\nTP53,repair\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    genes = ["ATM", "BAX", "BRCA1", "TP53", "ACTB"]
    pd.DataFrame(np.ones((2, 5)), columns=genes).assign(kind="B").to_csv(
        tmp_path / "cells.csv", index=False
    )
    var = pd.DataFrame({"symbol": genes}, index=[f"ENSG{k}" for k in range(5)])
    anndata.AnnData(np.ones((2, 5), np.float32), var=var).write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prior(*arguments: str, features: str = "cells.csv", out: str = "edges.csv") -> pd.DataFrame:
    """Call the command, and read what it wrote."""
    with pytest.raises(SystemExit) as end:
        main(["prior", *arguments, "--features", features, "--out", out])
    assert end.value.code == 0
    return e2t.read_edges(out, quiet=True)


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(edges["source"], edges["target"], strict=True))


def test_gene_sets_become_a_table_that_compiles(folder, capsys):
    options = ["--outputs", "B, T", "--connect", "--min-genes", "2"]
    edges = prior("sets.gmt", *options, out="edges.parquet")
    said = capsys.readouterr().out
    assert "4 of 5 features covered" in said
    assert "filter_sets:" in said
    assert "Written: edges.parquet" in said
    artifact = e2t.compile_graph(edges, quiet=True)[1]
    assert artifact.output_names == ["B", "T"]
    assert artifact.feature_names == ["ATM", "BAX", "BRCA1", "TP53"]


def test_words_below_the_hundredth_row_are_words(folder, capsys):
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.random((150, 2)), columns=["ATM", "batch"]).astype(object)
    cells.loc[149, "batch"] = "second"
    cells.to_csv("long.csv", index=False)
    prior("sets.gmt", features="long.csv")
    assert "Set aside as no features: 'batch' (text)." in capsys.readouterr().out


def test_what_a_run_sets_aside_is_no_feature(folder, capsys):
    """Patients, states and text beside the genes are counted as features by neither of the two."""
    rng = np.random.default_rng(0)
    cells = pd.read_csv("cells.csv").drop(columns="kind")
    cells = pd.concat([cells] * 10, ignore_index=True) + rng.random((20, 5))
    cells.insert(0, "patient", [f"p{k}" for k in range(20)])
    cells = cells.assign(status=rng.integers(0, 2, 20), age=rng.random(20), kind=["T", "B"] * 10)
    cells.to_csv("many.csv", index=False)
    prior("sets.gmt", "--label", "kind", features="many.csv")
    said = capsys.readouterr().out
    aside = "Set aside as no features: 'patient' (names of samples); 'status', 'age' (named like metadata)."
    assert aside in said
    assert "4 of 5 features covered" in said
    run = read_dataset("many.csv", "kind", ["ATM"])
    assert run.table.columns.tolist() == ["ATM", "BAX", "BRCA1", "TP53", "ACTB"]
    assert run.set_aside == ("status", "age")
    # what a node comes to be called is a feature, be it called like metadata
    (folder / "names.tsv").write_text("ATM\tage\n")
    edges = prior("sets.gmt", "--mapping", "names.tsv", features="many.csv")
    assert "age" in set(edges["source"])
    assert "'status', 'age'" not in capsys.readouterr().out
    shouted = pd.read_csv("many.csv").rename(columns={"ATM": "atm"})
    shouted.to_csv("many.csv", index=False)
    assert "atm" in set(prior("sets.gmt", "--clean-names", features="many.csv")["source"])


def test_outputs_are_the_classes_of_a_label(folder, capsys):
    cells = pd.read_csv("cells.csv")
    many = pd.concat([cells] * 20, ignore_index=True).assign(kind=["T", "B"] * 19 + ["rare", None])
    many["age"] = np.linspace(20, 60, 40)
    many.to_csv("many.csv", index=False)
    edges = prior("sets.gmt", "--label", "kind", features="many.csv")
    assert "Outputs, of the label 'kind': 'B', 'T'." in capsys.readouterr().out
    assert pairs(edges) == pairs(
        prior("sets.gmt", "--outputs", "B,T", "--connect", features="many.csv")
    )
    assert set(edges["target"]) > {"B", "T"}
    assert ("repair", "age") in pairs(prior("sets.gmt", "--label", "age", features="many.csv"))
    there = prior("sets.gmt", "--outputs", "repair,death", features="many.csv")
    many["kind"] = ["repair", "death"] * 20
    many.to_csv("many.csv", index=False)
    assert pairs(there) == pairs(prior("sets.gmt", "--label", "kind", features="many.csv"))


def test_it_is_what_prepare_prior_returns(folder):
    edges = prior("sets.gmt", "--root", "root", "--latent", "2", "--merge", "--quiet")
    own, _ = e2t.prepare_prior(
        e2t.read_gmt("sets.gmt", quiet=True),
        pd.read_csv("cells.csv", nrows=0),
        root="root",
        latent=2,
        merge=True,
    )
    assert pairs(edges) == pairs(own)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["relation.txt", "--members", "members.txt", "--species", "HSA"], ("R-HSA-2", "R-HSA-1")),
        (["go.obo", "--annotations", "genes.tsv", "--namespace", "bp"], ("ATM", "GO:2")),
        (["net.sif", "--cycles", "break"], ("p53", "death")),
        (["net.sif", "--cycles", "keep", "--outputs", "death"], ("mdm2", "p53")),
        (["omni.tsv", "--format", "omnipath"], ("ATM", "p53")),
        (["omni.tsv"], ("ATM", "p53")),
        (["own.csv", "--source", "from", "--target", "to"], ("TP53", "repair")),
    ],
)
def test_every_format(folder, arguments, wanted):
    assert wanted in pairs(prior(*arguments, "--quiet"))


def test_graphml(folder):
    networkx = pytest.importorskip("networkx")
    networkx.write_graphml(networkx.DiGraph([("ATM", "repair")]), "net.graphml")
    assert pairs(prior("net.graphml", "--quiet")) == {("ATM", "repair")}


def test_graphml_by_an_attribute_and_sets_without_descriptions(folder):
    networkx = pytest.importorskip("networkx")
    graph = networkx.DiGraph([(1, 2)])
    networkx.set_node_attributes(graph, {1: "ATM", 2: "repair"}, "name")
    networkx.write_graphml(graph, "net.graphml")
    assert pairs(prior("net.graphml", "--identifier", "name", "-q")) == {("ATM", "repair")}
    several = networkx.MultiDiGraph([("ATM", "repair"), ("ATM", "repair")])
    several.add_node("alone")
    networkx.write_graphml(several, "net.graphml")
    joined = prior("net.graphml", "--join", "--isolated", "drop", "-q")
    assert len(joined) == 1
    (folder / "bare.gmt").write_text("repair\tBRCA1\tATM\n")
    assert len(prior("bare.gmt", "--no-description", "-q")) == 2


def test_data_with_features_as_rows_are_told(folder, capsys):
    table = pd.read_csv("cells.csv").drop(columns="kind").T
    table.to_csv("rows.csv", index_label="gene")
    anndata.AnnData(np.ones((5, 2), np.float32), obs=table.iloc[:, :0]).write_h5ad("rows.h5ad")
    for name in ("rows.csv", "rows.h5ad"):
        with pytest.raises(SystemExit):
            main(["prior", "sets.gmt", "--features", name, "--out", "edges.csv"])
        said = capsys.readouterr().err
        assert "looks transposed: 4 of its 5 rows are called as nodes of the graph" in said


def test_names_of_an_h5ad_file(folder, capsys):
    prior("sets.gmt", "--feature-names", "symbol", features="cells.h5ad")
    assert "4 of 5 features covered" in capsys.readouterr().out


def test_outputs_that_lead_on_are_named(folder, capsys):
    prior("net.sif", "--cycles", "keep", "--outputs", "p53,death")
    assert "--outputs death,p53" in capsys.readouterr().out


def test_signs_are_read_or_said_not_to_be(folder, capsys):
    assert prior("omni.tsv")["sign"].tolist() == [-1]
    assert "read as omnipath (--format edges" in capsys.readouterr().out
    with pytest.warns(e2t.Edge2TorchWarning, match="read_omnipath"):  # reading it again
        assert "sign" not in prior("omni.tsv", "--format", "edges")
    assert "'is_inhibition' say signs that are not read" in capsys.readouterr().out
    (folder / "mor.csv").write_text("source,target,mor\nATM,p53,-1\n")
    assert prior("mor.csv", "--sign", "mor", "--quiet")["sign"].tolist() == [-1]
    assert prior("mor.csv", "--sign", "mor", "--hold-signs")["constraint"].tolist() == ["negative"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("words.sif", "ATM\tbinds\tp53\nATM\tblocks more\tmdm2\n"),
        ("words.csv", "source,target,says\nATM,p53,binds\nATM,mdm2,blocks more\n"),
    ],
)
def test_what_words_mean(folder, capsys, name, text):
    (folder / name).write_text(text)
    more = ["--sign", "says"] if name.endswith("csv") else []
    edges = prior(name, "--signs", "binds=+1,blocks more=-1", *more)
    assert edges.set_index("target")["sign"].to_dict() == {"p53": 1, "mdm2": -1}
    refused = {
        None: "with --signs binds=0, or 1, or -1.",  # what to say of a word that is not known
        "binds=2": "as 'binds=0,blocks=-1'; it does not for '2'",
        "binds=1,blocks more": "as 'binds=0,blocks=-1'; it does not for 'blocks more'",
    }
    for signs, message in refused.items():
        given = [] if signs is None else ["--signs", signs]
        with pytest.raises(SystemExit):
            main(["prior", name, "--features", "cells.csv", "--out", "edges.csv", *more, *given])
        assert message in capsys.readouterr().err


def test_quiet_prints_nothing(folder, capsys):
    prior("sets.gmt", "--quiet")
    assert capsys.readouterr().out == ""


def test_where_to_write_is_looked_at_before_the_files(folder, capsys):
    for out, message in (
        ("z.xlsx", "--out z.xlsx has an unknown ending"),
        ("no/z.csv", "--out no/z.csv: there is no folder 'no'"),
    ):
        with pytest.raises(SystemExit):
            main(["prior", "none.gmt", "--features", "none.csv", "--out", out])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["sets.gmt", "--min-genes", "5", "--max-genes", "2"],
            "--min-genes 5 is above --max-genes 2",
        ),
        (["nowhere.gmt"], "there is no file 'nowhere.gmt'"),
        (["sets.gmt", "--species", "HSA"], "--species is for reactome"),
        (["net.sif", "--identifier", "name"], "--identifier is for gmt and graphml"),
        (["own.csv", "--signs", "auto"], "--signs for edges says what words mean"),
        (["own.csv"], "Rename yours, or name them with edge2torch prior --source and --target;"),
        (["sets.gmt", "--hold-signs"], "--hold-signs needs edges with signs"),
        (["sets.gmt", "--join"], "--join is for graphml and edges"),
        (["relation.txt", "--format", "reactome"], "needs --members"),
        (["relation.txt", "--members", "gone.txt"], "--members: there is no file"),
        (["own.csv"], "no column 'source'"),
        (["sets.gmt", "--connect"], "needs --outputs"),
        (["sets.gmt", "--skips", "drop"], "--skips says nothing without --layers. Give both"),
        (["sets.gmt", "--unmapped", "drop"], "--unmapped says nothing without --mapping."),
        (["sets.gmt", "--label", "kinds"], "--label: 'cells.csv' has no column 'kinds'. Nearest"),
        (["sets.gmt", "--label", "kind", "--root", "r"], "leave --outputs and --root out"),
        (["sets.gmt", "--outputs", "repairs"], "repairs"),
        (["net.sif"], "--cycles break"),
        (["inward.csv"], "lead into features"),
        (["sets.gmt", "--features", "cells.csv", "--layer", "raw"], "is for h5ad files"),
        (["sets.gmt", "--out", "nowhere/edges.csv"], "no folder 'nowhere'"),
        (["sets.gmt", "--out", "edges.xlsx"], "unknown ending"),
    ],
)
def test_errors_are_one_line(folder, capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        main(["prior", "--features", "cells.csv", "--out", "edges.csv", *arguments])
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said


FILES = Path(__file__).parents[1] / "priors" / "files"


@pytest.mark.parametrize(
    ("name", "as_name", "options", "gene", "edge"),
    [
        ("corners.kgml", "map.xml", ["--genes", "entry"], "hsa:1|hsa:2", ("hsa:1|hsa:2", "hsa:3")),
        ("corners.kgml", "map.kgml", ["--maps", "keep"], "hsa:5", ("hsa:5", "path:hsa88888")),
        ("corners.2021.gpml", "wp.gpml", ["--names", "label"], "C", ("C", "B beta")),
        ("corners.gpml", "wp.xml", ["--undirected", "both"], "ncbigene:1", ("ncbigene:1", "B beta")),
        ("corners.sbml", "model.xml", ["--signs", "function"], "in1", ("in1", "a")),
    ],
)  # fmt: skip
def test_networks_of_other_programs(folder, name, as_name, options, gene, edge):
    if name.endswith("sbml"):
        pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    (folder / as_name).write_bytes((FILES / name).read_bytes())
    pd.DataFrame({gene: [1.0, 2.0]}).to_csv("gene.csv", index=False)
    wanted = ["--outputs", edge[1], "--cycles", "keep", "-q"]
    edges = prior(as_name, *options, *wanted, features="gene.csv")
    assert edge in pairs(edges)


def test_cx2(folder):
    network = [
        {"CXVersion": "2.0"},
        {"nodes": [{"id": 0, "v": {"n": "ATM"}}, {"id": 1, "v": {"n": "repair"}}, {"id": 2}]},
        {"edges": [{"id": 0, "s": 0, "t": 1}]},
        {"status": [{"success": True}]},
    ]
    (folder / "net.cx2").write_text(json.dumps(network))
    assert pairs(prior("net.cx2", "--names", "n", "-q")) == {("ATM", "repair")}


@pytest.mark.parametrize("ending", ["cx2", "graphml"])
def test_a_network_with_weights_compiles(folder, capsys, ending):
    table = pd.DataFrame({"source": ["ATM", "TP53"], "target": ["repair"] * 2, "weight": [0.5, -2]})
    e2t.write_network(table, f"net.{ending}", quiet=True)
    edges = prior(f"net.{ending}")
    assert "weight" not in edges
    assert "'weight' is left out" in capsys.readouterr().out
    e2t.compile_graph(edges, quiet=True)
    edges = prior(f"net.{ending}", "--weight", "start", "-q")
    assert edges["initial_weight"].tolist() == [0.5, -2]
    e2t.compile_graph(edges, quiet=True)


def test_names_that_fit(folder, capsys):
    (folder / "net.sif").write_text("hsa:472 1 p\nhsa:7157 1 p\n")
    pd.DataFrame({"472": [1.0], "7157": [2.0]}).to_csv("genes.csv", index=False)
    edges = prior("net.sif", "--clean-names", features="genes.csv")
    assert pairs(edges) == {("472", "p"), ("7157", "p")}
    assert "prefix: 0 -> 2 feature(s)" in capsys.readouterr().out
    (folder / "model.json").write_text(
        '{"activities": [{"id": "a", "enabled_by": {"term": "A"}, "causal_associations": '
        '[{"predicate": "RO:0002629", "downstream_activity": "b"}]}, '
        '{"id": "b", "enabled_by": {"term": "B"}}]}'
    )
    pd.DataFrame({"A": [1.0]}).to_csv("genes.csv", index=False)
    assert pairs(prior("model.json", "-q", features="genes.csv")) == {("A", "B")}


def test_xml_of_another_kind(folder, capsys):
    (folder / "page.xml").write_text("<!-- <pathway> --><html/>")
    with pytest.raises(SystemExit):
        main(["prior", "page.xml", "--features", "cells.csv", "--out", "edges.csv"])
    said = " ".join(capsys.readouterr().err.split())
    assert "XML of which kind? Say it with --format: 'kgml', 'gpml', 'sbml_qual', 'graphml'" in said


def test_every_format_has_its_reader_and_every_option_its_format():
    assert get_args(Format) == ("auto", *READERS)
    assert set(BY_SUFFIX.values()) <= set(READERS)
    for kind, reader in READERS.items():
        assert reader is getattr(readers, f"read_{kind}")
    renamed = {"join": "duplicates"}
    for one in dataclasses.fields(Reading):
        assert any(takes(kind, renamed.get(one.name, one.name)) for kind in READERS), one.name
