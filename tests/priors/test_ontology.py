"""OBO as real files write it: every form that the format allows, and what stands for what."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors

TWO = "[Term]\nid: X:1\nname: root\n\n[Term]\nid: X:2\nname: child\nis_a: X:1\n"


def read(folder: Path, text: str, **options: object) -> pd.DataFrame:
    path = folder / "x.obo"
    path.write_text(text, encoding="utf-8", newline="")
    return priors.read_obo(path, **options)


def pairs(edges: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(edges["source"], edges["target"], strict=True))


@pytest.mark.parametrize(
    "text",
    [
        TWO,  # without a header
        TWO.replace("\n\n", "\n"),  # stanzas that nothing parts
        TWO.replace("id: X:2\n", "id: X:2\n\n"),  # a blank line within one
        TWO.replace("\n", "\r"),
        "! a comment\nformat-version: 1.4\n\n" + TWO,
        TWO.replace("is_a: X:1", "is_a: X:1 ! root"),
        TWO.replace("is_a: X:1", 'is_a: X:1{source="a ! b"} {c="d"} ! root, {once}'),
        TWO.replace("is_a: X:1", "relationship: part_of X:1 ! root {twice}"),
        TWO.replace("is_a: X:1", "is_a: X\\:1"),
        TWO.replace("is_a: X:1", "is_a: \\\nX:1"),  # a line that goes on
        TWO.replace("is_a: X:1", "is_a: X:9").replace("root\n", "root\nalt_id: X:9\n"),
        TWO.replace("is_a", 'def: "one\u2028two\x85three" [a:b]\nis_a'),
        TWO.replace("is_a", 'def: "one\n\ntwo: three\n[see four]" [a:b]\nis_a'),
        TWO + "[Annotation]\nsubject: X:1\n[Instance]\nid: i\ninstance_of: X:1\n",
    ],
)
def test_one_ontology_in_many_forms(tmp_path: Path, text: str) -> None:
    edges = read(tmp_path, text, quiet=True)
    assert pairs(edges) == [("X:2", "X:1")]
    assert edges["target_name"].tolist() == ["root"]
    assert edges["source_name"].tolist() == ["child"]


def test_escapes_comments_and_modifiers_are_no_part_of_a_name(tmp_path: Path) -> None:
    for written, meant in (
        ("a\\: b \\{c\\} ! hidden", "a: b {c}"),
        ('5\\" disk {x="! y"} {z="1"}', '5" disk'),
        ("what\\! no {comment} here", "what! no {comment} here"),
        ("two\\nlines\\Wand\\ttab", "two lines and tab"),
        ("(R)-C!-{2} acid", "(R)-C!-{2} acid"),
    ):
        edges = read(tmp_path, TWO.replace("name: root", f"name: {written}"), quiet=True)
        assert edges["target_name"].tolist() == [meant]


def test_the_default_namespace_is_that_of_terms_without_one(tmp_path: Path) -> None:
    text = "default-namespace: bp\n" + TWO + "[Term]\nid: X:3\nnamespace: cc\nis_a: X:1\n"
    assert pairs(read(tmp_path, text, namespace="bp", quiet=True)) == [("X:2", "X:1")]


GONE = """
[Term]
id: X:3
name: obsolete gone
alt_id: X:33
is_obsolete: true
replaced_by: X:4
consider: X:2

[Term]
id: X:4
is_obsolete: true
replaced_by: X:1

[Term]
id: X:5
is_obsolete: true
consider: X:2

[Term]
id: X:6
is_obsolete: true
replaced_by: X:1
replaced_by: X:2
"""


def test_what_an_obsolete_term_is_replaced_by_takes_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TWO + "is_a: X:5\n[Term]\nid: X:7\nis_a: X:33\n" + GONE
    genes = pd.DataFrame({"source": ["g", "h", "i"], "target": ["X:2", "X:3", "X:33"]})
    edges = read(tmp_path, text, annotations=genes)
    assert pairs(edges) == [
        *[("g", "X:2"), ("h", "X:1"), ("i", "X:1")],
        *[("X:2", "X:1"), ("X:7", "X:1")],
    ]
    said = capsys.readouterr().out
    assert "1 edge(s) lead to what now stands for their parent: 'X:33' -> 'X:1'" in said
    assert "obsolete parent without a single replacement were left out: 'X:2' -> 'X:5'" in said
    assert "2 annotation(s) are to alternative or replaced identifiers: moved" in said


def test_consider_is_proposed_and_never_followed(tmp_path: Path) -> None:
    for term, proposed in (("X:5", "'X:5' -> 'X:2'"), ("X:6", "'X:6' -> 'X:1', 'X:6' -> 'X:2'")):
        genes = pd.DataFrame({"source": ["g", "h"], "target": ["X:2", term]})
        with pytest.raises(Edge2TorchError, match=r"1 term.s. are not in .*or obsolete") as caught:
            read(tmp_path, TWO + GONE, annotations=genes, quiet=True)
        assert f"to be judged one by one: {proposed}." in str(caught.value)


def test_an_identifier_of_two_terms_stands_for_neither(tmp_path: Path) -> None:
    text = TWO.replace("name:", "alt_id: X:9\nname:")
    with pytest.raises(Edge2TorchError, match="'X:9'"):
        read(tmp_path, text, annotations=pd.DataFrame({"source": ["g"], "target": ["X:9"]}))


def test_a_parent_of_another_ontology_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TWO + "is_a: UO:7 ! unit\nrelationship: part_of UO:8\n[Term]\nid: UO:1\n"
    assert pairs(read(tmp_path, text)) == [("X:2", "X:1")]
    said = "2 edge(s) to terms of other ontologies were left out: 'X:2' -> 'UO:7', 'X:2' -> 'UO:8'"
    assert said in capsys.readouterr().out


def test_annotations_that_meet_no_term_that_is_kept(tmp_path: Path) -> None:
    text = "default-namespace: bp\n" + TWO + "[Term]\nid: X:3\nnamespace: cc\nis_a: X:1\n"
    genes = pd.DataFrame({"source": ["g"], "target": ["X:3"]})
    with pytest.raises(Edge2TorchError, match=r"no annotation is to a term of namespace=.*'X:3'"):
        read(tmp_path, text, namespace="bp", annotations=genes, quiet=True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("is_a: X:1 X:3", "line 8: 'X:3' follows the id of is_a. Put '!' before a comment"),
        ("is_a: ! root", "line 8: is_a names a term"),
        ("id: X:3", r"line 8: a second id in the \[Term\] of 'X:2'"),
        ("an end of a line", "line 8: a line is 'tag: value'.*Was a line broken"),
        ("[Terms]", r"line 8: no known kind of entry: '\[Terms\]'"),
    ],
)
def test_a_line_that_says_too_much_or_too_little(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        read(tmp_path, TWO.replace("is_a: X:1", line), quiet=True)


@pytest.mark.parametrize("tag", ["is_a:", "relationship: part_of"])
@pytest.mark.parametrize(
    "behind",
    [
        '{gci_relation="part_of", gci_filler="T:9606"} ! root',
        '{source="a ! b"} {gci_filler="T:9606"}',
    ],
)
def test_what_holds_within_another_term_only_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tag: str, behind: str
) -> None:
    text = f"{TWO}\n[Term]\nid: X:3\nis_a: X:2\n{tag} X:1 {behind}\n"
    assert pairs(read(tmp_path, text)) == [("X:2", "X:1"), ("X:3", "X:2")]
    told = capsys.readouterr().out
    assert "1 edge(s) that hold only within another term (gci_filler) were left out" in told
    assert "X:3" in told
