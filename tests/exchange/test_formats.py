"""cyjs, GraphML, SIF and HCX: what each of them cannot hold, and that the rest comes back."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.exchange import write_network
from edge2torch.priors import read_graphml, read_sif
from tests.exchange.files import Cx2, strict_json

EDGES = pd.DataFrame(
    {
        "source": ["g1", "g2", "g3", "tf"],
        "target": ["tf", "tf", "path", "out"],
        "sign": [1, -1, 0, 1],
        "weight": [0.1, np.nan, 1e-300, -1 / 3],
    }
)
HOSTILE = pd.DataFrame(
    {
        "source": ['"quoted" <b>', "a & b", "Ω µ 漢", "1", "x" * 10**5, "n0", "e0"],
        "target": ["it's", "it's", "it's", "n0", "n0", "out", "out"],
        "sign": [1, -1, 0, 1, 1, -1, 1],
    }
)


def test_cyjs_keeps_the_ids_of_nodes_and_edges_apart(tmp_path: Path):
    nodes = pd.DataFrame({"score": [1.0], "parent": ["x"], "selected": [True]}, index=["tf"])
    found = strict_json(write_network(EDGES, tmp_path / "a.cyjs", nodes=nodes, quiet=True))
    elements = found["elements"]
    ids = [one["data"]["id"] for part in elements.values() for one in part]
    assert len(set(ids)) == len(ids) == 10
    assert all(isinstance(one, str) and one for one in ids)
    tf = next(one for one in elements["nodes"] if one["data"]["represents"] == "tf")
    assert (tf["data"]["parent_"], tf["data"]["selected_"]) == ("x", True)
    assert set(tf["position"]) == {"x", "y"}
    names = {one["data"]["id"]: one["data"]["represents"] for one in elements["nodes"]}
    rows = [one["data"] for one in elements["edges"]]
    pairs = {(names[row["source"]], names[row["target"]]): row.get("weight") for row in rows}
    wanted = {
        (s, t): None if np.isnan(w) else w
        for s, t, w in EDGES[["source", "target", "weight"]].itertuples(index=False)
    }
    assert pairs == wanted


def test_graphml_comes_back_as_it_went(tmp_path: Path):
    path = write_network(EDGES, tmp_path / "a.graphml", quiet=True)
    back = read_graphml(path, quiet=True)
    key = ["source", "target"]
    pd.testing.assert_frame_equal(
        back.sort_values(key, ignore_index=True), EDGES.sort_values(key, ignore_index=True)
    )
    named = EDGES.drop(columns="weight").assign(
        source_name=["a", "b", "c", "d"], target_name=["d", "d", "p", "o"]
    )
    path = write_network(named, tmp_path / "a.graphml", quiet=True)
    back = read_graphml(path, quiet=True).infer_objects()  # text of pandas 3 has a type of its own
    pd.testing.assert_frame_equal(
        back[list(named)].sort_values(key, ignore_index=True),
        named.sort_values(key, ignore_index=True),
    )


def test_graphml_declares_each_attribute_once(tmp_path: Path):
    nodes = pd.DataFrame(
        {
            "mixed": pd.Series([1, 2.5], dtype=object).to_numpy(),
            "flag": pd.Series([np.bool_(True), None], dtype=object).to_numpy(),
            "list": pd.Series([["a", "b"], None], dtype=object).to_numpy(),
            "bad": [np.nan, np.inf],
        },
        index=["tf", "path"],
    )
    text = write_network(EDGES, tmp_path / "a.graphml", nodes=nodes, quiet=True).read_text()
    assert text.count('attr.name="mixed"') == 1
    assert "nan" not in text.lower().replace("name", "")
    graph = nx.parse_graphml(text)
    assert graph.nodes["tf"]["mixed"] == 1.0
    assert graph.nodes["tf"]["flag"] is True
    assert graph.nodes["tf"]["list"] == "a|b"
    assert "bad" not in graph.nodes["path"]
    for bad in (EDGES.assign(word="a\x01"), EDGES.replace("g1", "g\x01")):
        with pytest.raises(e2t.Edge2TorchError, match="control characters"):
            write_network(bad, tmp_path / "b.graphml", quiet=True)
    assert not (tmp_path / "b.graphml").exists()


def test_sif_has_its_tables_beside_it_and_nodes_without_edges_alone_on_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    graph = nx.DiGraph([("a", "b", {"sign": -1, "weight": 0.5}), ("b", "c")])
    graph.add_node("alone", score=2.0)
    path = write_network(graph, tmp_path / "net.sif")
    assert "with net.nodes.tsv and net.edges.tsv" in capsys.readouterr().out
    assert path.read_text() == "a\tinhibits\tb\nb\tto\tc\nalone\n"
    back = read_sif(path)
    assert back["sign"].tolist() == [-1, 0]
    assert "'alone'" in capsys.readouterr().out
    nodes = pd.read_table(tmp_path / "net.nodes.tsv", index_col="name")
    assert nodes.loc["alone", "score"] == 2.0
    edges = pd.read_table(tmp_path / "net.edges.tsv")
    assert edges["name"].tolist() == ["a (inhibits) b", "b (to) c"]
    assert edges["weight"].tolist()[0] == 0.5
    signs = write_network(graph, tmp_path / "net.sif", relations="signs", quiet=True)
    assert signs.read_text().splitlines() == ["a\t-1\tb", "b\t0\tc", "alone"]
    capsys.readouterr()
    bound = EDGES.assign(relation="binds")
    words = write_network(bound, tmp_path / "w.sif")
    assert "signs are in w.edges.tsv, and relations='signs' writes them" in capsys.readouterr().out
    again = write_network(bound, tmp_path / "s.sif", relations="signs")
    assert "signs are in" not in capsys.readouterr().out
    assert read_sif(again, quiet=True)["sign"].tolist() == EDGES["sign"].tolist()
    assert words.read_text().splitlines()[0] == "g1\tbinds\ttf"
    with pytest.raises(e2t.Edge2TorchError, match=r"tabs or line ends: 'a\\tb'"):
        write_network(nx.DiGraph([("a\tb", "c")]), tmp_path / "net.sif")


@pytest.mark.parametrize("ending", ["cx2", "cyjs", "graphml", "sif"])
def test_hostile_names_come_back(tmp_path: Path, ending: str):
    path = write_network(HOSTILE, tmp_path / f"a.{ending}", quiet=True)
    wanted = set(HOSTILE.itertuples(index=False, name=None))
    if ending == "cx2":
        file = Cx2(path)
        signs = [one["v"]["sign"] for one in file.edges]
        assert {(*pair, sign) for pair, sign in zip(file.pairs(), signs, strict=True)} == wanted
    elif ending == "cyjs":
        part = json.loads(path.read_text())["elements"]
        name = {one["data"]["id"]: one["data"]["represents"] for one in part["nodes"]}
        rows = [one["data"] for one in part["edges"]]
        assert {(name[r["source"]], name[r["target"]], r["sign"]) for r in rows} == wanted
    else:
        read = read_graphml if ending == "graphml" else read_sif
        back = read(path, quiet=True)[["source", "target", "sign"]]
        assert set(back.itertuples(index=False, name=None)) == wanted


def test_hcx_points_from_parent_to_child_and_lists_all_inputs_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    edges = pd.DataFrame(
        {
            "source": ["g1", "g2", "g3", "low", "mid", "g3"],
            "target": ["low", "low", "mid", "mid", "root", "other"],
        }
    )
    below = pd.DataFrame({"source": ["g1", "g9"], "target": ["g2", "g2"]})
    path = write_network(
        edges, tmp_path / "tree.cx2", format="hcx", interactome=below, nodes={"mid": 1.0}
    )
    said = capsys.readouterr().out
    assert (
        "for the hierarchy view upload tree_interactome.cx2 to NDEx, and give interactome_uuid="
        in said
    )
    file, second = Cx2(path), Cx2(tmp_path / "tree_interactome.cx2")
    assert set(file.nodes) == {"low", "mid", "root", "other"}
    assert set(file.pairs()) == {("root", "mid"), ("mid", "low")}
    rows = {name: one["v"] for name, one in file.nodes.items()}
    assert [rows[n]["HCX::isRoot"] for n in ("low", "mid", "root", "other")] == [
        False,
        False,
        True,
        True,
    ]
    assert rows["mid"]["HCX::memberNames"] == ["g1", "g2", "g3"]
    assert rows["low"]["CD_MemberList"] == "g1 g2"
    ids = {name: one["id"] for name, one in second.nodes.items()}
    assert rows["root"]["HCX::members"] == [ids["g1"], ids["g2"]]
    assert file.declared["nodes"]["HCX::members"] == {"d": "list_of_long"}
    assert file.about["ndexSchema"] == "hierarchy_v0.1"
    assert file.about["HCX::modelFileCount"] == 2
    assert file.declared["networkAttributes"]["HCX::modelFileCount"] == {"d": "integer"}
    assert file.about["HCX::interactionNetworkName"] == second.about["name"] == "tree_interactome"
    # roots stand above what belongs to them, and y points down
    assert file.nodes["root"]["y"] < file.nodes["mid"]["y"] < file.nodes["low"]["y"]
    named = write_network(edges, tmp_path / "t.hcx", interactome_uuid="u-1", quiet=True)
    assert Cx2(named).about["HCX::interactionNetworkUUID"] == "u-1"


def test_hcx_of_what_is_not_a_hierarchy_is_refused(tmp_path: Path):
    ring = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "a"]})
    with pytest.raises(e2t.Edge2TorchError, match=r"cycle.*'a'"):
        write_network(ring, tmp_path / "a.hcx")
    blank = pd.DataFrame({"source": ["gene one"], "target": ["set"]})
    with pytest.raises(e2t.Edge2TorchError, match="blanks in their names: 'gene one'"):
        write_network(blank, tmp_path / "a.hcx")
