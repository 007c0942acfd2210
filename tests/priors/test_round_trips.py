"""networkx, PyG, GraphML, Parquet and text: there and back, odd characters included."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, Edge2TorchWarning, priors

ODD = ["a, b", "<tag> & 'quote' \"double\"", "é–漢字🧬", "x|y;z", "NA", "007", "tab\there", "1.50"]

# What XML can hold; what an edge table strips from the ends of a name is not in it.
_names = st.text(
    st.characters(
        min_codepoint=33, max_codepoint=0xFFFD, exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]
    ),
    min_size=1,
    max_size=8,
)


def odd_edges() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": ODD,
            "target": ["p", "p", "q", "q", "p", "q", "p", "out"],
            "sign": [1, -1, 0, 1, 1, -1, 1, 1],
            "score": [0.1, np.nan, 1e-300, 3.5, 2.0, 1 / 3, -1.5, 7.25],
            "evidence": ["x", None, "NA", "", "1", "ü", "a\nb", "c"],
            "curated": [True, False] * 4,
        }
    )


def same(one: pd.DataFrame, two: pd.DataFrame) -> None:
    """Equal but for the order of rows, which an edge table does not mean."""
    order = ["source", "target"]
    one, two = (t.sort_values(order).reset_index(drop=True) for t in (one, two))
    pd.testing.assert_frame_equal(one, two[list(one.columns)])


def test_networkx() -> None:
    same(odd_edges(), priors.from_networkx(priors.to_networkx(odd_edges())))


def test_networkx_with_human_names() -> None:
    edges = pd.DataFrame({"source": ["P1"], "target": ["R1"], "target_name": ["Repair"]})
    graph = priors.to_networkx(edges)
    assert graph.nodes["R1"] == {"name": "Repair"}
    assert priors.from_networkx(graph)["target_name"].tolist() == ["Repair"]


def test_graphml(tmp_path: Path) -> None:
    edges = odd_edges().assign(evidence=["x", None, "NA", "y", "1", "ü", "a b", "c"])
    nx.write_graphml(priors.to_networkx(edges), tmp_path / "odd.graphml")
    same(edges, priors.read_graphml(tmp_path / "odd.graphml", quiet=True))


def test_graphml_of_another_namespace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.graphml"
    nx.write_graphml(nx.DiGraph([("a", "b")]), path)
    path.write_text(path.read_text().replace("graphml.graphdrawing", "graphml.graph{}ng"))
    with pytest.raises(Edge2TorchError, match="networkx cannot read this file"):
        priors.read_graphml(path, quiet=True)


@pytest.mark.parametrize("where", ["</graph>", "<node id='g'>"], ids=["beside", "within a node"])
def test_graphml_of_several_graphs_is_refused(where: str, tmp_path: Path) -> None:
    path = tmp_path / "two.graphml"
    nx.write_graphml(nx.DiGraph([("a", "b")]), path)
    other = "<graph edgedefault='directed'><node id='c'/><node id='d'/><edge source='c' target='d'/></graph>"
    text = path.read_text()
    if where == "</graph>":
        text = text.replace(where, where + other)
    else:
        text = text.replace("</graph>", f"{where}{other}</node></graph>")
    path.write_text(text)
    with pytest.raises(Edge2TorchError, match=r"1 edge\(s\) are in a further graph.*: 'c -> d'"):
        priors.read_graphml(path, quiet=True)


NUMBERED = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="v_name" for="node" attr.name="name" attr.type="string"/>
  <graph edgedefault="directed">
    <node id="{0}1"><data key="v_name">EGFR</data></node>
    <node id="{0}2"><data key="v_name">RAS</data></node>
    <edge source="{0}1" target="{0}2"/>
  </graph>
</graphml>
"""


@pytest.mark.parametrize("prefix", ["", "n"])  # as Cytoscape and igraph number
def test_graphml_whose_nodes_are_numbers(
    tmp_path: Path, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "numbered.graphml"
    path.write_text(NUMBERED.format(prefix))
    edges = priors.read_graphml(path)
    assert edges["source_name"].tolist() == ["EGFR"]
    said = capsys.readouterr().out
    assert f"identifier='name' calls them by name, such as 'EGFR' for '{prefix}1'" in said
    with pytest.raises(Edge2TorchError, match=r"'source_name': read GraphML with identifier="):
        priors.prepare_prior(edges, ["EGFR"])
    named = priors.read_graphml(path, identifier="name")
    assert named.to_dict("list") == {"source": ["EGFR"], "target": ["RAS"]}
    assert "numbers" not in capsys.readouterr().out


def test_an_identifier_that_does_not_tell_nodes_apart() -> None:
    graph = nx.DiGraph([(1, 2), (2, 3)])
    nx.set_node_attributes(graph, {1: "a", 2: "a", 3: "b"}, "name")
    with pytest.raises(Edge2TorchError, match="the same for several nodes: 'a'"):
        priors.from_networkx(graph, identifier="name")
    del graph.nodes[3]["name"]
    with pytest.raises(Edge2TorchError, match=r"1 node.s. have no such attribute: '3'"):
        priors.from_networkx(graph, identifier="name")


def test_names_of_nodes_with_blanks_around_them_and_of_those_left_out() -> None:
    graph = nx.DiGraph([(" a", "b ")])
    graph.add_node("alone", name="Alone")
    assert list(priors.from_networkx(graph, isolated="drop")) == ["source", "target"]
    graph.nodes[" a"]["name"] = "A"
    edges = priors.from_networkx(graph, isolated="drop")
    assert edges.to_dict("list")["source_name"] == ["A"]


def test_parallel_edges_are_joined_when_asked_for() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("a", "b", relation="pp", sign=1)
    graph.add_edge("a", "b", relation="pd", sign=1)
    edges = priors.from_networkx(graph, duplicates="join")
    assert edges.values.tolist() == [["a", "b", "pp|pd", 1]]
    graph.add_edge("a", "b", relation="pd", sign=-1)
    with pytest.warns(Edge2TorchWarning, match="opposite signs, now 0, at 'a' -> 'b'"):
        assert priors.from_networkx(graph, duplicates="join")["sign"].tolist() == [0]


def test_an_identifier_may_be_the_number_of_another_node() -> None:
    graph = nx.DiGraph([("1", "2")])
    nx.set_node_attributes(graph, {"1": "2", "2": "1"}, "name")
    edges = priors.from_networkx(graph, identifier="name")
    assert edges.to_dict("list") == {"source": ["2"], "target": ["1"]}


def test_pyg_data_of_one_type_and_of_several() -> None:
    index = {("g", "to", "t"): torch.tensor([[0, 1], [0, 0]])}
    names = {"g": ["a", "b"], "t": ["y"]}
    hetero = SimpleNamespace(edge_index_dict=index)  # as HeteroData has it
    pd.testing.assert_frame_equal(priors.from_pyg(hetero, names), priors.from_pyg(index, names))
    plain = SimpleNamespace(edge_index=index["g", "to", "t"])
    with pytest.raises(
        Edge2TorchError, match=r"edge_index_dict must be a dict by type.*\{'node': names\}"
    ):
        priors.from_pyg(plain, names)  # type: ignore[arg-type]
    with pytest.raises(Edge2TorchError, match="node_names_dict must be a dict by type, found list"):
        priors.from_pyg(index, ["a", "b"])  # type: ignore[arg-type]


def test_pyg_with_two_relations_between_one_pair() -> None:
    index = {("g", "up", "t"): [[0, 1], [0, 0]], ("g", "down", "t"): [[0], [0]]}
    names = {"g": ["a", "b"], "t": ["y"]}
    edges = priors.from_pyg(index, names)
    assert edges.values.tolist() == [["a", "y", "up|down"], ["b", "y", "up"]]
    columns = {kind: pd.DataFrame({"sign": [1, 1][: len(own[0])]}) for kind, own in index.items()}
    columns["g", "down", "t"]["sign"] = -1
    with pytest.warns(Edge2TorchWarning, match="opposite signs, now 0, at 'a' -> 'y'"):
        edges = priors.from_pyg(index, names, columns)
    assert edges["sign"].tolist() == [0, 1]
    with pytest.raises(Edge2TorchError, match="edges more than once: 'a' -> 'y'"):
        priors.from_pyg({("g", "up", "t"): [[0, 0], [0, 0]]}, names)


@pytest.mark.parametrize("name", ["odd.parquet", "odd.csv", "odd.tsv.gz"])
def test_files(tmp_path: Path, name: str) -> None:
    edges = odd_edges()
    if not name.endswith("parquet"):  # in text, blank is missing
        edges["evidence"] = edges["evidence"].replace("", None)
    path = priors.write_edges(edges, tmp_path / name)
    assert list(tmp_path.iterdir()) == [path]
    pd.testing.assert_frame_equal(priors.read_edges(path, quiet=True), edges)


def test_pyg() -> None:
    hetero = priors.to_pyg(odd_edges())
    assert list(hetero.node_names_dict) == ["input", "function", "output"]
    assert {index.dtype for index in hetero.edge_index_dict.values()} == {np.dtype("int64")}
    same(odd_edges(), priors.from_pyg(hetero))


def test_pyg_from_tensors() -> None:
    hetero = priors.to_pyg(odd_edges())
    tensors = {kind: torch.from_numpy(index) for kind, index in hetero.edge_index_dict.items()}
    edges = priors.from_pyg(tensors, hetero.node_names_dict)
    same(odd_edges()[["source", "target"]], edges)


def test_a_direct_edge_is_kept_or_refused_by_name() -> None:
    edges = pd.DataFrame({"source": ["g", "h", "g"], "target": ["h", "y", "y"]})
    hetero = priors.to_pyg(edges)
    assert hetero.edge_index_dict["input", "to", "output"].tolist() == [[0], [0]]
    same(edges, priors.from_pyg(hetero))
    with pytest.raises(Edge2TorchError, match="straight to outputs: 'g' -> 'y'"):
        priors.to_pyg(edges, direct="error")


def test_pyg_with_named_ends_keeps_every_edge() -> None:
    ring = pd.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "a"]})
    hetero = priors.to_pyg(ring, inputs=["a"], outputs=["c"])
    assert ("output", "to", "input") in hetero.edge_index_dict
    same(ring, priors.from_pyg(hetero))
    with pytest.raises(Edge2TorchError, match="both name 'a'"):
        priors.to_pyg(ring, inputs=["a"], outputs=["a"])


@pytest.mark.parametrize(
    ("index", "names", "words"),
    [
        ([[0], [5]], {"input": ["g"], "output": ["y"]}, "beyond the 1 names of 'output': 5"),
        ([[0]], {"input": ["g"], "output": ["y"]}, r"shape \(2, e\)"),
        ([[0], [0]], {"input": ["g"]}, "no names of type 'output'"),
        ([[0], [0]], {"input": ["g"], "output": ["g"]}, "names of two nodes: 'g'"),
    ],
)
def test_pyg_that_does_not_fit(index: object, names: dict[str, list[str]], words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        priors.from_pyg({("input", "to", "output"): index}, names)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (nx.Graph([("a", "b")]), "undirected"),
        (nx.MultiDiGraph([("a", "b"), ("a", "b")]), "parallel edges: 'a' -> 'b'"),
        (nx.DiGraph([(1, "1")]), "read the same: '1'"),
        (nx.DiGraph([("a", "b", {"source": 1})]), "attributes called"),
    ],
)
def test_graphs_that_are_no_edge_table(graph: nx.Graph, words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        priors.from_networkx(graph)


def test_a_node_without_edges_is_not_lost_in_silence() -> None:
    graph = nx.DiGraph([("a", "b")])
    graph.add_node("alone")
    with pytest.raises(Edge2TorchError, match=r"without edges.*'alone'"):
        priors.from_networkx(graph)
    assert len(priors.from_networkx(graph, isolated="drop")) == 1


@settings(max_examples=10)
@given(st.lists(_names, min_size=2, max_size=6, unique_by=str.strip))
def test_any_name_survives(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    edges = pd.DataFrame({"source": names[:-1], "target": [names[-1]] * (len(names) - 1)})
    edges = edges.apply(lambda column: column.str.strip())
    folder = tmp_path_factory.mktemp("names")
    nx.write_graphml(priors.to_networkx(edges), folder / "x.graphml")
    same(edges, priors.read_graphml(folder / "x.graphml", quiet=True))
    same(edges, priors.from_pyg(priors.to_pyg(edges)))
    for name in ("x.parquet", "x.csv", "x.tsv"):
        same(edges, priors.read_edges(priors.write_edges(edges, folder / name), quiet=True))
