"""CX2: types, missing values, identifiers, places and a style without holes."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.exchange import write_network
from tests.exchange.files import Cx2
from tests.exchange.mapping import shown

BLUE, WHITE, RED, GREY = "#2166ac", "#f7f7f7", "#b2182b", "#cccccc"
EDGES = pd.DataFrame(
    {
        "source": ["g1", "g2", "g1", "tf"],
        "target": ["tf", "tf", "path", "out"],
        "sign": [1, -1, 0, 1],
        "pmids": [["1", "2"], [], None, ["3"]],
    }
)
NODES = pd.DataFrame(
    {"score": [0.5, -2.0, np.nan], "qvalue": [0.01, 0.2, np.nan], "tested": [True, False, None]},
    index=["tf", "path", "g1"],
)


def written(folder: Path, graph: object = EDGES, *, quiet: bool = True, **options: object) -> Cx2:
    return Cx2(write_network(graph, folder / "net.cx2", quiet=quiet, **options))


def test_the_parts_stand_in_the_order_in_which_they_are_needed_with_their_counts(tmp_path: Path):
    file = written(tmp_path, nodes=NODES)
    assert file.head == {"CXVersion": "2.0", "hasFragments": False}
    assert file.order == [
        "metaData",
        "attributeDeclarations",
        "networkAttributes",
        "nodes",
        "edges",
        "visualProperties",
        "visualEditorProperties",
    ]
    assert file.status == {"status": [{"success": True}]}
    counts = {one["name"]: one["elementCount"] for one in file.parts["metaData"]}
    assert counts == {name: len(file.parts[name]) for name in file.order[1:]}
    assert (counts["nodes"], counts["edges"]) == (5, 4)


def test_every_attribute_is_declared_with_the_type_that_its_values_have(tmp_path: Path):
    nodes = pd.DataFrame(
        {
            "small": [1, 2],
            "large": [2**31, -1],
            "huge": [2**63, 1],
            "mixed": pd.Series([1, 2.5], dtype=object).to_numpy(),
            "whole": np.array([3, 4], np.int8),
            "flag": pd.Series([np.bool_(True), np.bool_(False)], dtype=object).to_numpy(),
            "both": pd.Series([True, 1], dtype=object).to_numpy(),
            "text": np.array(["a", "b"], dtype=np.str_),
            "kind": pd.Categorical(["x", "y"]),
            "numbers": pd.Series([(1, 2.5), [3]], dtype=object).to_numpy(),
            "words": pd.Series([{"b", "a"}, None], dtype=object).to_numpy(),
            "day": pd.to_datetime(["2026-01-02", None]),
            "maybe": pd.array([1, None], dtype="Int64"),
        },
        index=["tf", "path"],
    )
    file = written(tmp_path, nodes=nodes)
    kinds = {name: own["d"] for name, own in file.declared["nodes"].items()}
    assert {name: kinds[name] for name in nodes} == {
        "small": "integer",
        "large": "long",
        "huge": "string",
        "mixed": "double",
        "whole": "integer",
        "flag": "boolean",
        "both": "string",
        "text": "string",
        "kind": "string",
        "numbers": "list_of_double",
        "words": "list_of_string",
        "day": "string",
        "maybe": "integer",
    }
    tf = file.nodes["tf"]["v"]
    assert tf["mixed"] == 1.0
    assert tf["flag"] is True
    assert tf["huge"] == str(2**63)
    assert tf["numbers"] == [1.0, 2.5]
    assert tf["words"] == ["a", "b"]
    assert tf["day"] == "2026-01-02 00:00:00"
    assert {"words", "day", "maybe"}.isdisjoint(file.nodes["path"]["v"])
    assert file.declared["edges"]["pmids"] == {"d": "list_of_string"}
    used = {name for one in file.nodes.values() for name in one["v"]}
    assert used == set(kinds)


def test_what_is_missing_or_infinite_is_left_out_and_no_word_for_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nodes = pd.DataFrame(
        {"score": [1.0, np.inf, -np.inf], "sd": [np.nan, 0.1, np.nan]}, index=["tf", "path", "out"]
    )
    path = write_network(EDGES, tmp_path / "net.cx2", nodes=nodes)
    file = Cx2(path)
    assert "2 infinite number(s) left out" in capsys.readouterr().out
    assert file.nodes["tf"]["v"]["score"] == 1.0
    assert "sd" not in file.nodes["tf"]["v"]
    assert "score" not in file.nodes["path"]["v"]
    assert "magnitude" not in file.nodes["out"]["v"]


def test_ids_count_from_zero_in_the_order_of_the_artifact_and_places_point_down(tmp_path: Path):
    _, artifact = e2t.compile_graph(EDGES.drop(columns=["sign", "pmids"]), quiet=True)
    file = written(tmp_path, artifact)
    assert [one["id"] for one in file.nodes.values()] == [0, 1, 2, 3, 4]
    assert list(file.nodes) == artifact.graph.names(np.arange(5))
    assert [one["id"] for one in file.edges] == [0, 1, 2, 3]
    assert all({"x", "y"} <= set(one) for one in file.nodes.values())
    across = {name: one["x"] for name, one in file.nodes.items()}
    assert across["g1"] == across["g2"] < across["tf"] == across["path"] < across["out"]
    assert len({(one["x"], one["y"]) for one in file.nodes.values()}) == 5
    columns = e2t.plot.node_positions(
        artifact.node_columns(), artifact.graph.source, artifact.graph.target
    )
    up = dict(zip(file.nodes, columns[:, 1], strict=True))
    assert (up["g1"] > up["g2"]) == (file.nodes["g1"]["y"] < file.nodes["g2"]["y"])
    bare = written(tmp_path, artifact, positions=False, style=False)
    assert all({"x", "y"}.isdisjoint(one) for one in bare.nodes.values())
    assert bare.style is None


def test_people_read_names_and_readers_come_back_by_the_names_of_the_table(tmp_path: Path):
    edges = pd.DataFrame(
        {
            "source": ["7157", "581", "841"],
            "target": ["GO:1", "GO:1", "GO:1"],
            "source_name": ["TP53", "BAX", "BAX"],
            "target_name": ["apoptosis"] * 3,
        }
    )
    file = written(tmp_path, edges)
    names = {name: one["v"]["name"] for name, one in file.nodes.items()}
    assert names == {
        "581": "BAX",
        "7157": "TP53",
        "841": "BAX",  # as the table says: what tells nodes apart is the other one
        "GO:1": "apoptosis",
    }
    assert written(tmp_path, edges, names={"841": "CASP8"}).nodes["841"]["v"]["name"] == "CASP8"


def test_a_style_shows_what_the_attributes_say_and_leaves_no_hole(tmp_path: Path):
    file = written(tmp_path, nodes=NODES, edges=EDGES.assign(weight=[-3.0, 0, 1.5, np.nan]))
    for one in (*file.parts["visualProperties"][0]["nodeMapping"].values(),):
        assert one["definition"]["attribute"] in file.declared["nodes"]

    def node(name: str, /, **attributes: object) -> object:
        return shown(file.style, "node", name, attributes)

    colour = "NODE_BACKGROUND_COLOR"
    values = {-9: BLUE, -2: BLUE, 0: WHITE, 2: RED, 9: RED, 1: "#d48891", None: GREY}
    assert {value: node(colour, score=value) for value in values} == values
    sizes = {value: node("NODE_WIDTH", magnitude=value) for value in (0, 1, 2, 5)}
    assert sizes == {0: 20, 1: 40, 2: 60, 5: 60}
    assert node("NODE_HEIGHT", magnitude=1) == 40
    pale = {q: node("NODE_BACKGROUND_OPACITY", qvalue=q) for q in (0, 0.05, 1, None)}
    assert pale == {0: 1, 0.05: 1, 1: 0.35, None: 1}
    borders = {found: node("NODE_BORDER_WIDTH", found=found) for found in (True, False)}
    assert borders == {True: 4, False: 0.5}
    shapes = [node("NODE_SHAPE", role=role) for role in ("input", "hidden", "output")]
    assert shapes == ["ellipse", "round-rectangle", "diamond"]
    assert node("NODE_LABEL", name="TP53") == "TP53"

    def edge(name: str, /, **attributes: object) -> object:
        return shown(file.style, "edge", name, attributes)

    heads = [edge("EDGE_TARGET_ARROW_SHAPE", sign=sign) for sign in (1, -1, 0, None)]
    assert heads == ["triangle", "tee", "none", "none"]
    assert [edge("EDGE_LINE_COLOR", weight=w) for w in (-3, 0, 3)] == [BLUE, WHITE, RED]
    assert [edge("EDGE_WIDTH", weight=w) for w in (-3, 0, 1.5)] == [6, 0.5, 3.25]
    assert file.parts["visualEditorProperties"][0]["properties"]["nodeSizeLocked"] is False
    assert "no score" in file.about["description"]


@pytest.mark.parametrize(
    "scores", [{"tf": 0.0, "path": 0.0}, {"tf": 1.0, "path": 1.0}, {"tf": 2.0}]
)
def test_scores_that_tell_no_node_from_another_colour_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scores: dict[str, float]
):
    file = written(tmp_path, nodes=scores, quiet=False)
    assert "NODE_BACKGROUND_COLOR" not in file.style["nodeMapping"]
    assert "NODE_WIDTH" not in file.style["nodeMapping"]
    assert file.nodes["tf"]["v"]["score"] == scores["tf"]
    assert "all scores are equal, and colour nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"tf": "high", "path": 1.0}, "'score' is not a number everywhere, and colours nothing"),
        ({"tf": np.nan, "path": None}, "without any value, left out: 'score'"),
    ],
)
def test_scores_that_are_no_numbers_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scores: dict[str, object], words: str
):
    written(tmp_path, nodes=scores, quiet=False)
    assert words in capsys.readouterr().out


def test_the_attributes_that_a_style_looks_at_follow_from_the_others(tmp_path: Path):
    nodes = written(tmp_path, nodes=NODES, level=0.005).nodes
    tf, path, g1 = (nodes[name]["v"] for name in ("tf", "path", "g1"))
    assert (tf["found"], path["found"]) == (False, False)
    assert "found" not in g1  # nothing was tested there
    assert written(tmp_path, nodes=NODES).nodes["tf"]["v"]["found"] is True
    assert (tf["magnitude"], path["magnitude"]) == (0.5, 2.0)
    assert [nodes[name]["v"]["n_inputs_below"] for name in ("g1", "tf", "path", "out")] == [
        0,
        2,
        1,
        2,
    ]
    assert [nodes[name]["v"]["layer"] for name in ("g1", "tf", "path", "out")] == [0, 1, 1, 2]
    judged = pd.DataFrame({"qvalue": [0.5], "found": [True]}, index=["tf"])
    # who tested says what was found
    assert written(tmp_path, nodes=judged).nodes["tf"]["v"]["found"] is True


def test_a_sign_is_that_of_the_constraint_and_a_weight_has_one_by_another_name(tmp_path: Path):
    edges = EDGES.drop(columns="pmids")
    weights = edges.assign(weight=[0.1, -0.2, -0.3, np.nan])[["source", "target", "weight"]]
    rows = written(tmp_path, edges, edges=weights).edges
    assert [row["v"]["sign"] for row in rows] == [1, -1, 0, 1]
    assert [row["v"].get("weight_sign") for row in rows] == [None, None, -1, None]
    words = [row["v"]["interaction"] for row in rows]
    assert words == ["activates", "inhibits", "to", "activates"]
    constrained = edges.drop(columns="sign").assign(
        constraint=["positive", "negative", "unconstrained", "fixed"],
        initial_weight=[1, -1, 1, -1],
        relation=["a", "b", "c", None],
    )
    _, artifact = e2t.compile_graph(constrained, quiet=True)
    rows = written(tmp_path, artifact).edges
    assert [row["v"]["sign"] for row in rows] == [1, -1, 0, 0]
    assert [row["v"]["interaction"] for row in rows] == ["activates", "inhibits", "c", "to"]
    assert rows[3]["v"]["constraint"] == "fixed"


def test_several_targets_have_a_score_each_and_one_that_is_asked_for_colours(tmp_path: Path):
    index = pd.MultiIndex.from_product([["B", "T"], ["tf", "path"]], names=["target", "node"])
    table = pd.Series([1.0, 2.0, -3.0, 4.0], index)
    plain = written(tmp_path, nodes=table)
    assert plain.nodes["tf"]["v"]["score_T"] == -3.0
    assert "score" not in plain.nodes["tf"]["v"]
    assert "NODE_BACKGROUND_COLOR" not in plain.style["nodeMapping"]
    of_t = written(tmp_path, nodes=table.to_frame("score").assign(sd=0.5), show="T").nodes
    assert (of_t["tf"]["v"]["score"], of_t["tf"]["v"]["score_B"]) == (-3.0, 1.0)
    assert of_t["tf"]["v"]["sd"] == 0.5
    assert written(tmp_path, nodes=table["B"]).nodes["path"]["v"]["score"] == 2.0
    wide = pd.DataFrame({"B": [1.0, 2.0]}, index=["tf", "path"])
    assert written(tmp_path, nodes=wide, show="B").nodes["path"]["v"]["score"] == 2.0


def test_names_that_the_formats_need_themselves_are_changed_and_the_note_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nodes = pd.DataFrame({"id": ["a"], "Name": ["b"], "Score": [1.0], "score": [2.0]}, index=["tf"])
    file = Cx2(write_network(EDGES, tmp_path / "net.cx2", nodes=nodes))
    assert "id to id_, Name to Name_, score to score_" in capsys.readouterr().out
    # Cytoscape does not tell two columns apart that differ in case
    assert {"id_", "Name_", "Score", "score_"} <= set(file.nodes["tf"]["v"])


def test_a_networkx_graph_keeps_what_stands_on_its_nodes_and_edges(tmp_path: Path):
    model, artifact = e2t.compile_graph(EDGES[["source", "target"]], seed=0, quiet=True)
    graph = e2t.interpret.score_graph(
        artifact, nodes={"tf": 0.5, "path": 1.0}, edges=e2t.edge_weights(model, artifact)
    )
    graph.add_node("alone", name="nobody's", role="hidden")
    file = written(tmp_path, graph)
    assert file.nodes["tf"]["v"]["score"] == 0.5
    assert file.nodes["g1"]["v"]["role"] == "input"
    assert file.nodes["alone"]["v"]["name"] == "nobody's"
    weights = dict(zip(file.pairs(), (one["v"]["weight"] for one in file.edges), strict=True))
    assert weights == nx.get_edge_attributes(graph, "weight")


def test_a_graph_with_cycles_has_columns_by_distance_and_counts_what_leads_to_a_node(
    tmp_path: Path,
):
    edges = pd.DataFrame({"source": ["in", "a", "b", "b"], "target": ["a", "b", "a", "out"]})
    nodes = written(tmp_path, edges).nodes
    assert [nodes[name]["v"]["layer"] for name in ("in", "a", "b", "out")] == [0, 1, 2, 3]
    assert [nodes[name]["v"]["n_inputs_below"] for name in ("in", "a", "b", "out")] == [0, 1, 1, 1]
    ring = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"]})
    assert len(written(tmp_path, ring).nodes) == 2


def test_what_the_graph_does_not_have_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "net.cx2"
    cases = {
        r"nodes names 1 node\(s\) that are not in the graph: 'tff'. Nearest to 'tff': 'tf'": {
            "nodes": {"tff": 1.0}
        },
        r"nodes names nodes twice: 'tf'": {"nodes": pd.Series([1.0, 2.0], ["tf", "tf"])},
        "a column per node and a row per sample": {"nodes": pd.DataFrame({"tf": [1.0, 2.0]})},
        r"show='X' is not a column of nodes": {"nodes": NODES, "show": "X"},
        "edges must be a DataFrame": {"edges": pd.DataFrame({"from": ["tf"]})},
        r"edges names 1 edge\(s\) of nodes that are not in the graph": {
            "edges": pd.DataFrame({"source": ["tf"], "target": ["oot"]})
        },
        "level must be a number in": {"level": 1},
        "names must be a Series or dict": {"names": ["a"]},
        "interactome is for HCX, a file that ends in .hcx": {"interactome": EDGES},
        "relations='signs' is for SIF": {"relations": "signs"},
    }
    for words, options in cases.items():
        with pytest.raises(e2t.Edge2TorchError, match=words):
            write_network(EDGES, path, quiet=True, **options)
    assert not path.exists()
    with pytest.raises(e2t.Edge2TorchError, match=r"written as '.cx2', '.hcx'"):
        write_network(EDGES, tmp_path / "net.txt")
    with pytest.raises(e2t.Edge2TorchError, match="read the same: '1'"):
        write_network(nx.DiGraph([(1, "1")]), path)
    with pytest.raises(e2t.Edge2TorchError, match="undirected"):
        write_network(nx.Graph([("a", "b")]), path)
    with pytest.raises(e2t.Edge2TorchError, match=r"graph must be an edge table.*found str"):
        write_network("edges.csv", path)
    with pytest.raises(e2t.Edge2TorchError, match="graph has no column 'target'"):
        write_network(EDGES[["source"]], path)
    with pytest.raises(e2t.Edge2TorchError, match="is a folder"):
        write_network(EDGES, tmp_path, format="cx2")
    with pytest.raises(e2t.Edge2TorchError, match="text files cannot"):
        write_network(EDGES, tmp_path / "a.sif", names={"tf": "\ud800"})
    with pytest.raises(e2t.Edge2TorchError, match=r"folder .* is missing"):
        write_network(EDGES, tmp_path / "nowhere" / "net.cx2")


def test_an_independent_reader_finds_all_of_it(tmp_path: Path):
    factory = pytest.importorskip("ndex2.cx2").RawCX2NetworkFactory()
    path = write_network(EDGES, tmp_path / "net.cx2", nodes=NODES, quiet=True)
    file, network = Cx2(path), factory.get_cx2network(str(path))
    nodes, edges = network.get_nodes(), network.get_edges()
    assert {k: own["v"] for k, own in nodes.items()} == {
        one["id"]: one["v"] for one in file.nodes.values()
    }
    assert {k: (own["s"], own["t"], own["v"]) for k, own in edges.items()} == {
        one["id"]: (one["s"], one["t"], one["v"]) for one in file.edges
    }
    assert network.get_attribute_declarations() == file.declared
    assert network.get_visual_properties() == file.style
