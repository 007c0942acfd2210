"""Annotations in all the files they come in; what is negated never becomes an edge."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors

FIELDS = ("involved_in", "NOT|involved_in", "not|enables", "NOT", "Not involved_in", "enables|NOT")


def gaf(qualifiers: tuple[str, ...] = FIELDS, width: int = 17, symbols: str = "ABCDEF") -> str:
    rows = [
        *(["UniProtKB", f"P{k}", symbol, qualifier, f"GO:{k}", "PMID:1", "IDA", "", "P", "", ""]
          for k, (qualifier, symbol) in enumerate(zip(qualifiers, symbols, strict=False))),
    ]  # fmt: skip
    return "".join("\t".join([*row, *[""] * (width - len(row))]) + "\n" for row in rows)


def read(folder: Path, text: str, **options: object) -> pd.DataFrame:
    path = folder / "genes.txt"
    path.write_text(text)
    return priors.read_annotations(path, **options)


def pairs(edges: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(edges["source"], edges["target"], strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "!gaf-version: 1.0\n" + gaf(width=15),
        "!gaf-version: 2.0\n" + gaf(width=16),
        "!" + "x" * 3_000 + "\n! GAF-Version : 2.2\n" + gaf(),
        "!CVS Version: Revision: 1.1\n" + gaf(width=15),  # of before versions were written
        gaf(),  # without its comments
        gaf(width=15),
    ],
)
def test_gaf_of_every_age_without_what_is_negated(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edges = read(tmp_path, text)
    assert pairs(edges) == [("A", "GO:0")]
    assert edges["aspect"].tolist() == ["biological_process"]
    assert "5 with NOT were left out" in capsys.readouterr().out


def test_no_qualifier_that_only_contains_the_letters(tmp_path: Path) -> None:
    assert len(read(tmp_path, gaf(("annotated", "notable", "")), quiet=True)) == 3


GPAD1 = "UniProtKB\tP1\t{}\tGO:2\tr\tECO:1" + "\t" * 6 + "\n"
GPAD2 = "UniProtKB:P1\t{}\tRO:1\tGO:2\tr\tECO:1" + "\t" * 6 + "\n"


@pytest.mark.parametrize(("row", "gene"), [(GPAD1, "P1"), (GPAD2, "UniProtKB:P1")], ids=["1", "2"])
@pytest.mark.parametrize("comment", [True, False])
def test_gpad_with_and_without_comments(tmp_path: Path, row: str, gene: str, comment: bool) -> None:
    head = f"!gpad-version: {2 if row is GPAD2 else 1}.0\n" if comment else ""
    rows = row.format("enables") + row.replace("GO:2", "GO:3").format("NOT|enables")
    assert pairs(read(tmp_path, head + rows, quiet=True)) == [(gene, "GO:2")]


GENE2GO = """#tax_id\tGeneID\tGO_ID\tEvidence\tQualifier\tGO_term\tPubMed\tCategory
9606\t1\tGO:1\tND\tenables\tx\t-\tFunction
9606\t2\tGO:2\tIDA\tNOT involved_in\tx\t1\tProcess
9606\t2\tGO:3\tIPI\tenables\tx\t1\tFunction
"""


def test_gene2go_is_known_by_its_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ({}, {"gene": "GeneID", "term": "GO_ID"}):
        assert pairs(read(tmp_path, GENE2GO, **options)) == [("2", "GO:3")]
        assert "1 with NOT were left out; 1 with evidence 'ND'" in capsys.readouterr().out


def test_tables_whose_qualifiers_are_known_by_what_they_hold(tmp_path: Path) -> None:
    text = "A\tGO:1\tenables\nB\tGO:2\tNOT enables\nC\tGO:3\t-\n"
    assert pairs(read(tmp_path, text, quiet=True)) == [("A", "GO:1"), ("C", "GO:3")]
    words = text.replace("enables", "is known")  # a remark
    assert len(read(tmp_path, words, quiet=True)) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gene\tgo\nA\tGO:1\nB\tGO:2\n", "line 1: this looks like a header.*gene='gene', term='go'"),
        (GENE2GO.replace("GO_ID", "term"), r"the terms, such as 'GO:3', are in column 2 .*'GeneID'"),
        (GENE2GO.partition("\n")[2], r"column 2 \(counted from 0\), not in column 1"),
    ],
)  # fmt: skip
def test_columns_by_place_that_are_not_there(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        read(tmp_path, text, quiet=True)


def test_a_gene_without_a_symbol_is_called_by_its_identifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = gaf(("enables", "enables"), symbols="A ")
    assert pairs(read(tmp_path, text)) == [("A", "GO:0"), ("P1", "GO:1")]
    assert "1 without a symbol are called by identifier: 'P1'" in capsys.readouterr().out
    with pytest.raises(Edge2TorchError, match="line 2: neither a symbol nor an identifier"):
        read(tmp_path, text.replace("P1", ""), quiet=True)


def test_a_line_of_tabs_is_read_in_seconds(tmp_path: Path) -> None:
    """A damaged file may have any number of columns; each took milliseconds."""
    names = [f"c{k}" for k in range(20_000)]
    lines = ["\t".join(["gene", "term", *names]), "\t".join(["TP53", "GO:1", *["NOT"] * 20_000])]
    (tmp_path / "wide.tsv").write_text("\n".join(lines) + "\n")
    start = time.process_time()
    assert priors.read_annotations(
        tmp_path / "wide.tsv", gene="gene", term="term", quiet=True
    ).empty
    assert time.process_time() - start < 5
