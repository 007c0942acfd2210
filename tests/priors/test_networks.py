"""Networks of other programs: every odd case of a format gives the table that it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors

FILES = Path(__file__).parent / "files"


def expected(name: str, **types: Any) -> pd.DataFrame:
    """Return a table that stands beside a file, its blanks missing."""
    table = pd.read_csv(FILES / name, sep="\t", dtype={"source": str, "target": str, **types})
    return (
        table.astype({c: object for c in table if table[c].dtype == object})
        .where(table.notna(), None)
        .astype({c: table[c].dtype for c in table if table[c].dtype != object})
    )


def rows(edges: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(edges[["source", "target", *columns]].itertuples(index=False, name=None))


# --------------------------------------------------------------------------------- KGML


def test_every_odd_case_of_kgml(capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_kgml(FILES / "corners.kgml")
    pd.testing.assert_frame_equal(edges, expected("corners.kgml.expected.tsv"))
    said = capsys.readouterr().out
    assert "opposite signs, now 0, at 'hsa:6' -> 'hsa:7', 'ko:K00001' -> 'hsa:3'" in said
    assert "2 relation(s) with compounds, 2 link(s) to other maps, 1 missing interaction(s)" in said


def test_boxes_compounds_and_maps_as_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_kgml(
        FILES / "corners.kgml", genes="entry", compounds="node", maps="keep", strip=True, names=True
    )
    found = {(source, target): sign for source, target, sign in rows(edges, "sign")}
    assert found["hsa:1|hsa:2", "hsa:3"] == 1
    assert ("hsa:3", "hsa:6") not in found  # by way of the compound, not directly
    assert found["hsa:3", "cpd:C00001"] == found["cpd:C00001", "hsa:6"] == 0
    assert found["hsa:6", "cpd:C00001"] == 1
    assert found["hsa:5", "path:hsa88888"] == 1
    names = dict(zip(edges["target"], edges["target_name"], strict=True))
    assert names["path:hsa88888"] == "Other map"
    assert names["hsa:3"] == "BBB"
    assert names["hsa:1|hsa:2"] is None  # the drawing names the first of two genes alone
    assert "prefixes differ (hsa:, cpd:, path:, ko:) and stay" in capsys.readouterr().out


def test_a_prefix_that_all_share_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "map.xml"
    path.write_text(
        '<pathway><relation entry1="1" entry2="2"/><entry id="1" name="hsa:1 hsa:2"/>'
        '<entry id="2" name="hsa:3"/></pathway>'  # a relation may come before its entries
    )
    edges = priors.read_kgml(path, strip=True, quiet=True)
    assert rows(edges, "sign") == [("1", "3", 0), ("2", "3", 0)]


def test_boxes_that_claim_too_many_edges(tmp_path: Path) -> None:
    ids = " ".join(f"hsa:{k}" for k in range(3_000))
    path = tmp_path / "map.xml"
    path.write_text(
        f'<pathway><entry id="1" name="{ids}"/><entry id="2" name="{ids}"/>'
        '<relation entry1="1" entry2="2"/></pathway>'
    )
    with pytest.raises(Edge2TorchError, match=r"line 1: over 5,000,000 edges.*genes='entry'"):
        priors.read_kgml(path, quiet=True)
    assert len(priors.read_kgml(path, genes="entry", quiet=True)) == 1


def test_a_group_that_contains_itself(tmp_path: Path) -> None:
    path = tmp_path / "map.xml"
    path.write_text(
        '<pathway>\n<entry id="1" name="undefined" type="group"><component id="1"/></entry>'
        '<relation entry1="1" entry2="1"/></pathway>'
    )
    with pytest.raises(Edge2TorchError, match="line 2: group '1' contains itself"):
        priors.read_kgml(path, quiet=True)


# ---------------------------------------------------------------------------------- CX2


def test_every_odd_case_of_cx2(capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_cx2(FILES / "corners.cx2")
    pd.testing.assert_frame_equal(edges, expected("corners.cx2.expected.tsv", pmids=object))
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


# --------------------------------------------------------------------------------- GPML

CORNERS_OF_GPML = [
    ("ncbigene:1", "B beta", 0, "conversion"),
    ("chebi:CHEBI:3", "B beta", 1, "catalysis"),  # at an anchor: acts on the target of that line
    ("wikipathways:WP9", "B beta", 0, "input"),  # without a head, at an anchor
    ("B beta", "uniprot:P2", -1, "inhibition"),  # from a state, head on the first point, at a group
    ("B beta", "uniprot:P1", -1, "inhibition"),  # of a group in the group
    ("chebi:CHEBI:3", "uniprot:P2", 1, "inhibition"),  # inhibits that inhibition
    ("chebi:CHEBI:3", "uniprot:P1", 1, "inhibition"),
    ("ncbigene:1", "wikipathways:WP9", 0, "directed"),  # from an anchor: from the line's source
    ("ncbigene:1", "chebi:CHEBI:3", 0, "conversion"),  # heads on both ends: an edge each way
    ("chebi:CHEBI:3", "ncbigene:1", 0, "directed"),
]


@pytest.mark.parametrize("name", ["corners.gpml", "corners.2021.gpml"])
def test_every_odd_case_of_gpml_in_both_dialects(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edges = priors.read_gpml(FILES / name)
    assert rows(edges, "sign", "relation") == CORNERS_OF_GPML
    assert edges["target_name"].tolist()[:4] == ["B beta", "B beta", "B beta", "E"]
    said = capsys.readouterr().out
    assert "1 line(s) without a direction, 1 open end(s)" in said
    assert "3 end(s) at a label, a shape or nothing, 1 graphical line(s)" in said
    other = priors.read_gpml(FILES / name, names="label", groups="node", undirected="both")
    assert rows(other, "sign")[3] == ("B beta", "E|D", -1)
    assert rows(other)[-2:] == [("A", "E"), ("E", "A")]
    assert ("A again", "C") in rows(other)  # another label of the same entry


def test_lines_on_lines_without_end(tmp_path: Path) -> None:
    lines = "".join(
        f'<Interaction GraphId="i{k}"><Graphics><Point GraphRef="a"/>'
        f'<Point GraphRef="x{k + 1}" ArrowHead="TBar"/><Anchor GraphId="x{k}"/></Graphics></Interaction>'
        for k in range(3_000)
    )
    path = tmp_path / "deep.gpml"
    path.write_text(
        '<Pathway xmlns="http://pathvisio.org/GPML/2013a"><DataNode TextLabel="A" GraphId="a"/>'
        f"{lines}</Pathway>"
    )
    with pytest.raises(Edge2TorchError, match="parts refer to others over 100 deep"):
        priors.read_gpml(path, quiet=True)


# --------------------------------------------------------------------------- SBML-qual

DECLARED = [  # source, target, the file's word, threshold, sign as declared, and by the function
    ("in1", "a", None, 1.0, 0, 1),
    ("in2", "a", None, None, 0, 0),  # rises and falls: exclusive or
    ("b", "a", None, None, 0, 0),
    ("a", "a", "unknown", None, 0, 0),  # not in the formula
    ("a", "b", "negative", 2.0, -1, 1),  # contradicted
    ("a", "d", "negative", 2.0, -1, 1),
    ("d", "b", "dual", None, 0, 1),
    ("d", "d", "dual", None, 0, 1),  # one of several inputs: no copy of itself
    ("in2", "b", "positive|negative", None, 0, 0),
    ("in2", "d", "positive|negative", None, 0, 0),
]


@pytest.mark.parametrize("signs", ["auto", "declared", "function"])
def test_every_odd_case_of_sbml_qual(signs: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    edges = priors.read_sbml_qual(FILES / "corners.sbml", signs=signs)  # type: ignore[arg-type]
    own = edges[edges["source"] != edges["target"]] if signs == "declared" else edges
    wanted = [row for row in DECLARED if signs != "declared" or row[0] != row[1]]
    assert rows(own, "relation") == [row[:3] for row in wanted]
    assert own["level"].fillna(0).tolist() == [row[3] or 0 for row in wanted]
    by = {"declared": [4] * 10, "function": [5] * 10, "auto": [5] * 4 + [4] * 6}[signs]
    found = dict(zip(rows(edges), edges["sign"], strict=True))
    assert (
        found.items()
        >= {(row[0], row[1]): row[k] for row, k in zip(DECLARED, by, strict=True)}.items()
    )
    assert ("in1", "in1") in found if signs == "declared" else ("in1", "in1") not in found
    said = capsys.readouterr().out
    assert "1 transition(s) without inputs" in said
    assert ("1 sign(s) declared and contradicted by the function" in said) == (signs != "declared")


def test_names_and_loops_of_sbml_qual() -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    path = FILES / "corners.sbml"
    edges = priors.read_sbml_qual(path, names="name", input_loops="keep", quiet=True)
    assert rows(edges, "sign")[:2] == [("Ligand & co", "Ligand & co", 1), ("Ligand & co", "A", 1)]
    assert rows(edges)[2] == ("in2", "A")  # has no name
    by_id = priors.read_sbml_qual(path, quiet=True)
    assert rows(by_id, "source_name", "target_name")[0] == ("in1", "a", "Ligand & co", "A")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('qualitativeSpecies="d" qual:tr', 'qualitativeSpecies="x" qual:tr', "line 40: there is no species 'x'"),
        ('qual:id="d"', 'qual:id="b"', "line 12: species 'b' is there twice, first on line 11"),
        ('qual:name="D"', 'qual:name="B"', "species share a name: 'B' (b), 'B' (d)"),
        ("qual/version1", "fbc/version2", "this SBML holds no logical model, no package qual"),
        ("level3/version1/core", "level2/version4", "this is SBML of level 2: reactions"),
        ("<sbml", "<!DOCTYPE sbml><sbml", "line 3: the file has a DOCTYPE"),
    ],
)  # fmt: skip
def test_what_sbml_qual_may_not_be(tmp_path: Path, old: str, new: str, words: str) -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    text = (FILES / "corners.sbml").read_text()
    assert old in text
    text = text.replace(old, new) if "version" in old else text.replace(old, new, 1)
    path = tmp_path / "model.sbml"
    path.write_text(text.replace(' level="3"', ' level="2"') if "level2" in new else text)
    with pytest.raises(Edge2TorchError) as caught:
        priors.read_sbml_qual(path, names="name", quiet=True)
    assert words in str(caught.value)


def test_models_of_other_programs_name_the_exporter(tmp_path: Path) -> None:
    (tmp_path / "model.zginml").write_bytes(b"PK\x03\x04")
    with pytest.raises(Edge2TorchError, match=r"GINsim's own format. Export"):
        priors.read_sbml_qual(tmp_path / "model.zginml")
    (tmp_path / "map.xml").write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" '
        'xmlns:cd="http://www.sbml.org/2001/ns/celldesigner"><model><cd:extension/></model></sbml>'
    )
    with pytest.raises(Edge2TorchError, match=r"CellDesigner's own kind of SBML. The program casq"):
        priors.read_sbml_qual(tmp_path / "map.xml")


def test_functions_that_are_nested_deeply_are_computed(tmp_path: Path) -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    text = (FILES / "corners.sbml").read_text()
    plain = '<apply><eq/><ci>in1</ci><cn type="integer">1</cn></apply>'
    assert plain in text
    nested = "<apply><or/>" * 600 + plain + f"{plain}</apply>" * 600
    (tmp_path / "model.sbml").write_text(text.replace(plain, nested))
    edges = priors.read_sbml_qual(tmp_path / "model.sbml", input_loops="keep", quiet=True)
    assert rows(edges, "sign")[0] == ("in1", "in1", 1)


def test_functions_with_too_many_combinations_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    text = (FILES / "corners.sbml").read_text().replace('qual:maxLevel="2"', 'qual:maxLevel="5000"')
    path = tmp_path / "model.sbml"
    path.write_text(text)
    edges = priors.read_sbml_qual(path)
    assert edges["sign"].tolist()[:4] == [0, 0, 0, 0]
    assert "8 sign(s) cannot be computed (over 4,096 combinations)" in capsys.readouterr().out


# ---------------------------------------------------------------------------------- SIF

GATES = "TNFa\t1\tTRAF6\ncJun\t-1\tand1\nTRAF6\t1\tand1\nand1\t-1\tJnk\n"


def test_gates_are_nodes_or_dissolved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pkn.sif"
    path.write_text(GATES)
    assert ("and1", "Jnk", -1) in rows(priors.read_sif(path, quiet=True), "sign")
    edges = priors.read_sif(path, gates="dissolve")
    assert rows(edges, "relation", "sign") == [
        ("TNFa", "TRAF6", "1", 1),
        ("cJun", "Jnk", "and1", 1),  # two negatives
        ("TRAF6", "Jnk", "and1", -1),
    ]
    assert "1 gate(s) were dissolved: 'and1'" in capsys.readouterr().out
    path.write_text(GATES + "and1\t1\tand2\nX\t1\tand2\nand2\t1\tY\nand3\t1\tY\nX\t1\tand4\n")
    edges = priors.read_sif(path, gates="dissolve")
    assert rows(edges, "sign")[3:] == [("cJun", "Y", -1), ("TRAF6", "Y", 1), ("X", "Y", 1)]
    said = capsys.readouterr().out
    assert "1 edge(s) to gates that lead nowhere, 1 edge(s) from gates that nothing enters" in said
    path.write_text("X 1 and1\nand1 1 and2\nand2 1 and1\nand2 1 Y\n")
    with pytest.raises(Edge2TorchError, match="gates lead to themselves: 'and2', 'and1', 'and2'"):
        priors.read_sif(path, gates="dissolve", quiet=True)


def test_nodes_alone_and_line_ends_in_sif(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.sif"
    path.write_bytes("A\u2028a\t1\tB\r\nalone\nB\n".encode())  # U+2028 is part of the name
    assert rows(priors.read_sif(path)) == [("A\u2028a", "B")]
    assert "1 node(s) without edges are not in the table: 'alone'" in capsys.readouterr().out
    with pytest.raises(Edge2TorchError, match=r"1 node.s. without edges .*isolated='drop'"):
        priors.read_sif(path, isolated="error")


COMMONS = (
    "PARTICIPANT_A\tINTERACTION_TYPE\tPARTICIPANT_B\tINTERACTION_DATA_SOURCE\n"
    "TP53\tcontrols-expression-of\tBAX\treactome;kegg\n"
    "TP53\tin-complex-with\tMDM2\t\n\n"
    "PARTICIPANT\tPARTICIPANT_TYPE\tPARTICIPANT_NAME\n"
    "TP53\tProteinReference\tp53\nALB\tProteinReference\tAlbumin\n"
)


def test_pathway_commons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pc.sif"
    path.write_text(COMMONS)
    edges = priors.read_sif(path, signs="pathway commons")
    assert edges.to_dict("records") == [
        {"source": "TP53", "target": "BAX", "relation": "controls-expression-of", "sign": 0,
         "INTERACTION_DATA_SOURCE": "reactome;kegg", "source_name": "p53", "target_name": None}
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "left out: 1 row(s) without a direction" in said
    assert "'ALB'" in said
    both = priors.read_sif(path, signs="pathway commons", undirected="both", quiet=True)
    assert rows(both, "source_name")[1:] == [("TP53", "MDM2", "p53"), ("MDM2", "TP53", None)]
    path.write_text("TP53\tcontrols-expression-of\tBAX\n")
    with pytest.raises(Edge2TorchError, match=r"one of Pathway Commons: signs='pathway commons'"):
        priors.read_sif(path, quiet=True)
    assert len(priors.read_sif(path, signs="pathway commons", quiet=True)) == 1
    with pytest.raises(Edge2TorchError, match="signs must be one of 'pathway commons'"):
        priors.read_sif(path, signs="omnipath")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- GO-CAM


def test_activities_lead_from_enabler_to_enabler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def links(*pairs: str) -> list[dict[str, str]]:
        return [
            {"predicate": f"RO:{word}", "downstream_activity": to}
            for word, to in (pair.split() for pair in pairs)
        ]

    parts = [{"term": "P1"}, {"term": "P2"}]
    activities = [
        {"id": "a", "enabled_by": {"term": "GO:1", "has_part": parts}, "causal_associations": links("0002629 b")},
        {"id": "b", "enabled_by": {"term": "P3"},
         "causal_associations": links("0002407 d", "0002409 e", "0002413 c", "0002629 gone", "0002413 d")},
        {"id": "c"},
        {"id": "d", "enabled_by": {"term": "P4"}, "provenances": [{"contributor": ["somebody"]}]},
        {"id": "e", "enabled_by": {"term": "P5"}},
    ]  # fmt: skip
    model = {"activities": activities, "objects": [{"id": "P4", "label": "four"}]}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    edges = priors.read_gocam(path)
    assert rows(edges, "sign", "relation", "target_name") == [
        ("P1", "P3", 1, "RO:0002629", None),
        ("P2", "P3", 1, "RO:0002629", None),
        ("P3", "P4", -1, "RO:0002407|RO:0002413", "four"),  # indirectly negative
        ("P3", "P5", 1, "RO:0002409", None),  # indirectly positive
    ]
    assert (
        "left out: 2 relation(s) with an activity that nothing enables" in capsys.readouterr().out
    )
    path.write_text(json.dumps({"activities": [*activities, {"id": "a"}]}))
    with pytest.raises(Edge2TorchError, match="activities: the id 'a' is there twice"):
        priors.read_gocam(path)


# ---------------------------------------------------------------------- the same everywhere

READ_ALL = """
import sys
from edge2torch import priors
files = sys.argv[1]
for kind in ("cx2", "kgml", "gpml"):
    print(getattr(priors, f"read_{kind}")(f"{files}/corners.{kind}").to_csv())
"""


def test_every_process_reads_the_same_bytes() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", READ_ALL, str(FILES)],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert said[0] == said[1]
