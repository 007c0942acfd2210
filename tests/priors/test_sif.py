"""SIF of CellNOpt and Pathway Commons: gates, relations without a direction, nodes alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import rows

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


def test_pathway_commons_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All columns of a release, a relation in the passive in both spellings, and what a pathway is called."""
    edges = "INTERACTION_DATA_SOURCE\tINTERACTION_PUBMED_ID\tPATHWAY_NAMES\tMEDIATOR_IDS\n"
    path = tmp_path / "pc.hgnc.txt"
    path.write_text(
        f"PARTICIPANT_A\tINTERACTION_TYPE\tPARTICIPANT_B\t{edges}"
        "CHEBI:15422\tconsumption-controlled-by\tHK1\treactome\t11;12\tGlycolysis;Sugar\tr1\n"
        "CHEBI:17234\tconsumption-controled-by\tHK1\tkegg\t\t\t\n"
        "HK1\tcontrols-production-of\tCHEBI:4170\tkegg\t\t\t\n"
        "\n"
        "PARTICIPANT\tPARTICIPANT_TYPE\tPARTICIPANT_NAME\tUNIFICATION_XREF\tRELATIONSHIP_XREF\n"
        "CHEBI:15422\tSmallMoleculeReference\tATP;atp\tchebi:CHEBI:15422\t\n"
        "HK1\tProteinReference\tHXK1_HUMAN\tuniprot:P19367\thgnc symbol:HK1\n"
        "\n"
        "NAME\tORGANISM\tURI\tDATASOURCE\nGlycolysis\t9606\tx\treactome\n"
    )
    table = priors.read_sif(path, signs="pathway commons")
    said = capsys.readouterr().out
    assert rows(table, "source_name", "PATHWAY_NAMES") == [
        ("HK1", "CHEBI:15422", "HXK1_HUMAN", "Glycolysis;Sugar"),
        ("HK1", "CHEBI:17234", "HXK1_HUMAN", None),
        ("HK1", "CHEBI:4170", "HXK1_HUMAN", None),
    ]
    assert "2 row(s) of a controlled consumption start at what controls it" in said
    assert "without edges" not in said
    assert "1 line(s) on pathways were not read" in said
    whole = path.read_text()
    for third in ("\n\nNAME\tORGANISM", "\nNAME\tORGANISM", "\n\nPATHWAY_NAME\tSPECIES"):
        path.write_text(whole.replace("\n\nNAME\tORGANISM", third))
        pd.testing.assert_frame_equal(priors.read_sif(path, signs="pathway commons"), table)
        said = capsys.readouterr().out
        assert "without edges" not in said
        assert "1 line(s) on pathways were not read" in said
    # a table of nodes as older releases have it, without names
    path.write_text(f"{COMMONS[: COMMONS.index('PARTICIPANT' + chr(9) + 'PARTICIPANT_T')]}"
                    "PARTICIPANT\tUNIFICATION_XREF\tRELATIONSHIP_XREF\nTP53\tuniprot:P04637\t\n")  # fmt: skip
    assert len(priors.read_sif(path, signs="pathway commons", quiet=True)) == 1


def test_files_of_another_kind_are_told(tmp_path: Path) -> None:
    path = tmp_path / "net.sif"
    path.write_text('[{"CXVersion": "2.0"}]')
    with pytest.raises(Edge2TorchError, match=r"this is JSON, not SIF.*read_cx2"):
        priors.read_sif(path)
    path.write_text(" \n")
    (tmp_path / "net.csv").write_text("")
    (tmp_path / "net.cyjs").write_text('{"elements": {}}')
    for reader in (priors.read_sif, priors.read_cx2, priors.read_gmt, priors.read_kgml):
        with pytest.raises(Edge2TorchError, match=r"net\.sif, line 1: the file is empty"):
            reader(path)
    with pytest.raises(Edge2TorchError, match="the file is empty"):
        priors.read_edges(tmp_path / "net.csv")
    for reader in (priors.read_cx2, priors.read_edges):
        with pytest.raises(Edge2TorchError, match=r"Cytoscape\.js.* not read. Write \.cx2"):
            reader(tmp_path / "net.cyjs")


def test_pathway_commons_loses_nothing_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node called like a header, columns that come twice or are called as ours, and what is not read."""
    path = tmp_path / "pc.txt"
    edges, nodes = COMMONS.split("\n\n")
    path.write_text(
        f"{edges}\nPARTICIPANT\tcontrols-state-change-of\tBAX\tkegg\n\n"
        f"{nodes}PARTICIPANT\tProteinReference\tits name\nTP53\tProteinReference\tother\n"
    )
    table = priors.read_sif(path, signs="pathway commons")
    assert rows(table, "source_name") == [
        ("TP53", "BAX", "p53"),
        ("PARTICIPANT", "BAX", "its name"),
    ]
    said = capsys.readouterr().out
    assert "1 node(s) have two names, the first was taken: 'TP53'" in said
    assert "of nodes only the name is read, not 'PARTICIPANT_TYPE'" in said
    for header, words in (
        ("PUBMED\tPUBMED", r"line 1: columns come more than once: 'PUBMED'"),
        (
            "source\tsign",
            r"line 1: 'source', 'sign' would take the place of columns of the edge table",
        ),
        ("PUBMED\t", r"line 2: a field stands below a header without a name"),
    ):
        path.write_text(
            f"PARTICIPANT_A\tINTERACTION_TYPE\tPARTICIPANT_B\t{header}\n"
            "TP53\tcontrols-expression-of\tBAX\tone\ttwo\n"
        )
        with pytest.raises(Edge2TorchError, match=words):
            priors.read_sif(path, signs="pathway commons", quiet=True)
