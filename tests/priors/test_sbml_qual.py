"""Logical models: signs as declared and as computed, inputs that copy themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import FILES, rows

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
    assert rows(own.fillna({"relation": "-"}), "relation") == [
        (*row[:2], row[2] or "-") for row in wanted
    ]
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
        ("<sbml", '<!DOCTYPE sbml [<!ENTITY a "b">]><sbml', "line 3: the file declares an entity, 'a'"),
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


@pytest.mark.parametrize(
    "declared", ['sbml SYSTEM "http://sbml.invalid/sbml.dtd"', "sbml [<!ELEMENT a\n(b)>]"]
)
def test_a_doctype_is_read_over(tmp_path: Path, declared: str) -> None:
    pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    path, text = tmp_path / "model.sbml", (FILES / "corners.sbml").read_text()
    path.write_text(text.replace("<sbml", f"<!DOCTYPE {declared}><sbml", 1))
    wanted = priors.read_sbml_qual(FILES / "corners.sbml", quiet=True)
    pd.testing.assert_frame_equal(priors.read_sbml_qual(path, quiet=True), wanted)
    with pytest.raises(Edge2TorchError, match="the root is <pathway>, that of SBML is <sbml>"):
        priors.read_sbml_qual(FILES / "corners.kgml")


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
