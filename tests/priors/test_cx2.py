"""Networks of Cytoscape and NDEx, and hierarchies: types, aliases, names, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import FILES, expected, rows


def test_every_odd_case_of_cx2(capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_cx2(FILES / "corners.cx2")
    pd.testing.assert_frame_equal(edges.infer_objects(), expected("corners.cx2.expected.tsv"))
    said = capsys.readouterr().out
    assert "without a known sign, now 0: 'binds' (1)" in said
    assert "left out: 1 node(s) without edges" in said
    known = priors.read_cx2(FILES / "corners.cx2", signs={"binds": -1}, quiet=True)
    assert known["sign"].tolist() == [1, -1, 1, -1]
    with pytest.raises(Edge2TorchError, match=r"1 have no edges.*'alone'.*isolated='drop'"):
        priors.read_cx2(FILES / "corners.cx2", isolated="error")


def cx2(
    nodes: list[dict[str, Any]],
    edges: list[dict[str, Any]],
    declared: dict[str, dict[str, Any]],
    about: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
) -> str:
    return json.dumps(
        [
            {"CXVersion": "2.0", "hasFragments": False},
            {"attributeDeclarations": [declared]},
            {"networkAttributes": [about or {}]},
            {"nodes": [{"id": k, "v": values} for k, values in enumerate(nodes)]},
            {"edges": [{"id": k, **edge} for k, edge in enumerate(edges)]},
            {"status": [status or {"success": True}]},
        ]
    )


NAMED = {"nodes": {"name": {"d": "string"}, "represents": {"d": "string"}}}


def test_values_of_the_types_that_are_declared_and_text_where_none_is(tmp_path: Path) -> None:
    path = tmp_path / "net.cx2"
    kinds = {"yes": "boolean", "n": "integer", "x": "double", "several": "list_of_double"}
    declared = {**NAMED, "edges": {name: {"d": kind} for name, kind in kinds.items()}}
    edges = [
        {"s": 0, "t": "1", "v": {"yes": "false", "n": "3", "x": 1, "several": [1, 2.5], "free": [1, 2.5]}},
        {"s": 1, "t": 0, "v": {"yes": None, "n": 4, "x": "1e-300", "free": 1}},
    ]  # fmt: skip
    path.write_text(cx2([{"name": "a"}, {"name": "b"}], edges, declared))
    found = priors.read_cx2(path, quiet=True)
    assert list(found)[4:] == ["yes", "n", "x", "free", "several"]
    assert found["yes"].tolist() == [False, None]
    assert found["n"].tolist() == [3, 4]
    assert found["n"].dtype == "int64"
    assert found["x"].tolist() == [1.0, 1e-300]
    assert found["several"].tolist() == ["1.0|2.5", None]
    assert found["free"].tolist() == ["[1, 2.5]", "1"]


@pytest.mark.parametrize(
    ("edge", "nodes", "words"),
    [
        ({"s": 0, "t": 9}, 2, "edge 0: there is no node 9"),
        ({"s": 0, "t": 1, "v": {"x": "many"}}, 2, "'x' is declared as double, found \"many\""),
        ({"s": 0, "t": 1, "v": {"x": 1, "y": 2}}, 2, "'x' is there twice, by name and by alias"),
        ({"s": 0, "t": 1.5}, 2, "a whole number was expected, found 1.5"),
    ],
)
def test_what_a_cx2_file_may_not_hold(
    tmp_path: Path, edge: dict[str, Any], nodes: int, words: str
) -> None:
    path = tmp_path / "net.cx2"
    declared = {**NAMED, "edges": {"x": {"d": "double", "a": "y"}}}
    path.write_text(cx2([{"name": f"n{k}"} for k in range(nodes)], [edge], declared))
    with pytest.raises(Edge2TorchError) as caught:
        priors.read_cx2(path, quiet=True)
    assert words in str(caught.value)


def test_a_cx2_file_that_is_not_whole(tmp_path: Path) -> None:
    path, whole = tmp_path / "net.cx2", (FILES / "corners.cx2").read_text()
    for old, new, words in (
        (
            '"elementCount":4}]',
            '"elementCount":5}]',
            "edges: metaData says 5 element.s., there are 4",
        ),
        (',\n{"status":[{"success":true}]}', "", "status: there is none at the end"),
        ('"success":true', '"success":false,"error":"disk full"', "failed: disk full"),
        ('"id":1,"s"', '"id":0,"s"', "edges: the id 0 is there twice"),
        ('"id":13', '"id":12', "nodes: the id 12 is there twice"),
    ):
        assert old in whole
        path.write_text(whole.replace(old, new))
        with pytest.raises(Edge2TorchError, match=words):
            priors.read_cx2(path, quiet=True)


def test_edges_that_say_they_have_no_direction_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.cx2"
    declared = {**NAMED, "edges": {"directed": {"d": "boolean"}}}
    edges = [{"s": 1, "t": 0, "v": {"directed": way}} for way in (False, True)]
    path.write_text(cx2([{"name": "a"}, {"name": "b"}], edges, declared))
    assert rows(priors.read_cx2(path), "directed") == [("b", "a", True)]
    assert "1 are marked as undirected and lead from first to second" in capsys.readouterr().out


def test_nodes_are_called_by_an_attribute_that_tells_them_apart(tmp_path: Path) -> None:
    path = tmp_path / "net.cx2"
    nodes = [{"name": "p53", "represents": "7157"}, {"name": "p53", "represents": "22059"}]
    nodes = [{"size": k, **node} for k, node in enumerate(nodes)]  # numbers are no names
    declared = {"nodes": {"size": {"d": "double"}, **NAMED["nodes"]}}
    path.write_text(cx2(nodes, [{"s": 0, "t": 1}], declared))
    with pytest.raises(
        Edge2TorchError, match=r"share a 'name': 'p53' \(id 0\), 'p53' \(id 1\). names='represents'"
    ):
        priors.read_cx2(path, quiet=True)
    edges = priors.read_cx2(path, names="represents", quiet=True)
    assert rows(edges, "source_name", "target_name") == [("7157", "22059", "p53", "p53")]
    with pytest.raises(Edge2TorchError, match=r"2 node.s. have no 'symbol'.*There are 'size'"):
        priors.read_cx2(path, names="symbol", quiet=True)


def test_a_sign_of_its_own_comes_before_the_word(tmp_path: Path) -> None:
    path = tmp_path / "net.cx2"
    kinds = {"interaction": "string", "sign": "integer", "relation": "string", "target": "string"}
    declared = {**NAMED, "edges": {name: {"d": kind} for name, kind in kinds.items()}}
    values = {"interaction": "activates", "sign": -1, "relation": "binds", "target": "x"}
    path.write_text(cx2([{"name": "a"}, {"name": "b"}], [{"s": 0, "t": 1, "v": values}], declared))
    edges = priors.read_cx2(path, quiet=True)
    assert edges.to_dict("records") == [
        {"source": "a", "target": "b", "sign": -1, "relation": "binds", "target_": "x", "interaction": "activates"}
    ]  # fmt: skip
    with pytest.raises(Edge2TorchError, match=r"signs says what words mean by 1, -1 or 0.*'binds'"):
        priors.read_cx2(path, signs={"binds": "up"}, quiet=True)


TREE = [
    {"name": "all", "CD_MemberList": "A B C,D"},
    {"name": "left", "CD_MemberList": "A B"},
    {"name": "right", "CD_MemberList": "B,C"},
]
PARTS = [{"s": 0, "t": 1}, {"s": 0, "t": 2}]


def test_a_hierarchy_is_turned_round_and_genes_enter_at_the_lowest_systems(tmp_path: Path) -> None:
    path = tmp_path / "tree.cx2"
    path.write_text(cx2(TREE, PARTS, NAMED, {"ndexSchema": "hierarchy_v0.1"}))
    edges = priors.read_cx2(path, quiet=True)
    lowest = [("D", "all"), ("A", "left"), ("B", "left"), ("B", "right"), ("C", "right")]
    assert rows(edges) == [("left", "all"), ("right", "all"), *lowest]
    plain = priors.read_cx2(path, hierarchy=False, quiet=True)
    assert rows(plain) == [("all", "left"), ("all", "right")]
    path.write_text(cx2(TREE, PARTS, NAMED))
    assert len(priors.read_cx2(path, quiet=True)) == 2
    assert len(priors.read_cx2(path, hierarchy=True, quiet=True)) == 7


def test_a_list_of_names_is_one_of_whole_names(tmp_path: Path) -> None:
    declared = {"nodes": {**NAMED["nodes"], "HCX::memberNames": {"d": "list_of_string"}}}
    nodes = [{"name": "all", "HCX::memberNames": ["a b", "c,d"]}, {"name": "left"}]
    path = tmp_path / "tree.cx2"
    path.write_text(cx2(nodes, [{"s": 0, "t": 1}], declared, {"ndexSchema": "hierarchy_v0.1"}))
    edges = priors.read_cx2(path, quiet=True)
    assert rows(edges) == [("left", "all"), ("a b", "all"), ("c,d", "all")]


def test_genes_by_number_are_named_by_the_interactome(tmp_path: Path) -> None:
    path, below = tmp_path / "tree.cx2", tmp_path / "below.cx2"
    declared = {"nodes": {**NAMED["nodes"], "HCX::members": {"d": "list_of_long"}}}
    nodes = [{"name": "all", "HCX::members": [0, 1]}, {"name": "left", "HCX::members": [0]}]
    path.write_text(cx2(nodes, [{"s": 0, "t": 1}], declared, {"ndexSchema": "hierarchy_v0.1"}))
    below.write_text(cx2([{"name": "A"}, {"name": "B"}], [], NAMED))
    with pytest.raises(Edge2TorchError, match=r"by number alone.*Give interactome="):
        priors.read_cx2(path, quiet=True)
    edges = priors.read_cx2(path, interactome=below, quiet=True)
    assert rows(edges) == [("left", "all"), ("B", "all"), ("A", "left")]
