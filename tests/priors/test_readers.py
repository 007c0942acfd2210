"""Every reader: what it reads, in the direction of computation, and where it says a file is wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, Edge2TorchWarning, priors


def pairs(edges: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(edges["source"], edges["target"], strict=True))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def file(text: str | bytes, name: str = "file.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return file


OBO = """format-version: 1.2
ontology: go

[Term]
id: GO:1
name: process
namespace: bp
alt_id: GO:91

[Term]
id: GO:2
name: repair
namespace: bp
is_a: GO:1 ! process
relationship: regulates GO:1 ! process

[Term]
id: GO:3
name: old
is_obsolete: true

[Term]
id: GO:4
name: complex
namespace: cc
relationship: part_of GO:2 {source="x"} ! repair

[Typedef]
id: part_of
name: part of
"""
GAF = "!gaf-version: 2.2\n" + "".join(
    f"UniProtKB\t{i}\t{g}\t{q}\t{t}\tPMID:1\t{ev}\t\tP\t\t\tprotein\t\t\t\t\t\n"
    for i, g, q, t, ev in [
        ("P1", "TP53", "involved_in", "GO:2", "IDA"),
        ("P1", "TP53", "involved_in", "GO:2", "IEA"),
        ("P2", "ATM", "NOT|involved_in", "GO:2", "IDA"),
        ("P2", "ATM", "involved_in", "GO:91", "IMP"),
        ("P3", "ABL1", "involved_in", "GO:2", "ND"),
    ]
)


# ------------------------------------------------------------------------ what is read


def test_gmt(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write("a\tR-HSA-1\tg1\tg2\tg1\t\nb\tR-HSA-2\tg2\n")
    edges = priors.read_gmt(path)
    assert pairs(edges) == [("g1", "a"), ("g2", "a"), ("g2", "b")]
    assert edges["description"].tolist() == ["R-HSA-1", "R-HSA-1", "R-HSA-2"]
    assert "1 named twice are kept once: 'g1' -> 'a'" in capsys.readouterr().out
    by_id = priors.read_gmt(path, identifier="description", quiet=True)
    assert pairs(by_id)[0] == ("g1", "R-HSA-1")
    assert by_id["target_name"].tolist() == ["a", "a", "b"]
    assert capsys.readouterr().out == ""


HALF = "a\tTP53\tATM\nb\tBAX\tTP53\nc\tATM\tBAX\n"  # no descriptions, genes in several sets


def test_gmt_whose_second_field_is_a_gene(write: Callable[..., Path]) -> None:
    path = write(HALF)
    with pytest.raises(Edge2TorchError, match=r"line 1: 3 of 3 second fields.*description=False"):
        priors.read_gmt(path, quiet=True)
    edges = priors.read_gmt(path, description=False, quiet=True)
    assert list(edges) == ["source", "target"]
    assert pairs(edges)[:3] == [("TP53", "a"), ("ATM", "a"), ("BAX", "b")]
    assert len(priors.read_gmt(path, description=True, quiet=True)) == 3
    with pytest.raises(Edge2TorchError, match="needs a file with descriptions"):
        priors.read_gmt(path, description=False, identifier="description")
    alike = write("repair\tBRCA1\tATM\ndeath\tBAX\tTP53\n")
    with pytest.warns(
        Edge2TorchWarning, match="look like genes: 'BRCA1', 'BAX'. Give description="
    ):
        priors.read_gmt(alike, quiet=True)


@pytest.mark.parametrize(
    "second", [("na", "NA"), ("", ""), ("a", "b"), ("R-HSA-1", "R-HSA-2"), ("http://x", "http://y")]
)
def test_gmt_with_descriptions_of_every_kind(
    write: Callable[..., Path], second: tuple[str, str]
) -> None:
    edges = priors.read_gmt(write("a\t{}\tTP53\tH3-3A\nb\t{}\tBAX\n".format(*second)), quiet=True)
    assert edges["description"].tolist() == [second[0], second[0], second[1]]


def test_gmt_with_weights_as_enrichr_writes_them(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edges = priors.read_gmt(write("a\t\tTP53,1.0\tATM,1.0\t\nb\t\tTP53,1.0\n"))
    assert pairs(edges) == [("TP53", "a"), ("ATM", "a"), ("TP53", "b")]
    assert "membership" not in edges
    assert "weights of the genes are all 1 and were cut off" in capsys.readouterr().out
    edges = priors.read_gmt(write("a\t\tTP53,0.5\tATM,1e-1\n".replace("1e-1", "1.0e-1")))
    assert edges["membership"].tolist() == [0.5, 0.1]
    chemicals = write("a\t\tinositol 1,4\tATM,1.0\n")
    assert pairs(priors.read_gmt(chemicals))[0] == ("inositol 1,4", "a")


def test_gmt_with_windows_line_ends_and_a_mark_in_front(write: Callable[..., Path]) -> None:
    path = write(b"\xef\xbb\xbfa\tx\tg1\r\n\r\nb\tx\tg2\r\n")
    assert pairs(priors.read_gmt(path, quiet=True)) == [("g1", "a"), ("g2", "b")]


@pytest.mark.parametrize("header", ["", "parent\tchild\n"])
def test_reactome(write: Callable[..., Path], header: str) -> None:
    relation = write(f"{header}R-HSA-1\tR-HSA-2\nR-MMU-1\tR-MMU-2\n", "relation.txt")
    line = "P1\tR-HSA-2\thttp://x\tRepair\tTAS\tHomo sapiens\n"
    members = write(line + line.replace("TAS", "IEA") + line.replace("HSA", "MMU"), "members.txt")
    names = write("R-HSA-2\tRepair\tHomo sapiens\n", "names.txt")
    edges = priors.read_reactome(relation, members, names=names, species="HSA", quiet=True)
    assert pairs(edges) == [("P1", "R-HSA-2"), ("R-HSA-2", "R-HSA-1")]
    assert edges["evidence"].tolist() == ["TAS|IEA", None]
    assert edges["target_name"].tolist() == ["Repair", None]
    everything = priors.read_reactome(relation, members, quiet=True)
    assert len(everything) == 4


def test_reactome_with_physical_entities(write: Callable[..., Path]) -> None:
    relation = write("R-HSA-1\tR-HSA-2\n", "relation.txt")
    line = "P1\tR-HSA-7\tTP53 [cytosol]\tR-HSA-2\thttp://x\tRepair\tTAS\tHomo sapiens\n"
    members = write(line + line.replace("-7", "-8").replace("TAS", "IEA"), "members.txt")
    edges = priors.read_reactome(relation, members, quiet=True)
    assert pairs(edges) == [("P1", "R-HSA-2"), ("R-HSA-2", "R-HSA-1")]
    assert edges["evidence"].tolist() == ["TAS|IEA", None]


def test_files_that_do_not_meet_are_an_error_or_a_note(write: Callable[..., Path]) -> None:
    relation = write("R-HSA-1\tR-HSA-2\n", "relation.txt")
    reactions = write("P1\tR-HSA-7\thttp://x\tbinding\tTAS\tHomo sapiens\n", "members.txt")
    with pytest.raises(Edge2TorchError, match=r"no pathway in common: .*'R-HSA-7'.*'R-HSA-2'"):
        priors.read_reactome(relation, reactions, quiet=True)
    members = write("P1\tR-HSA-2\n", "meet.txt")
    names = write("Repair\tR-HSA-2\n", "names.txt")
    with pytest.raises(Edge2TorchError, match=r"names has no node of the edges.*wrong way round"):
        priors.read_reactome(relation, members, names=names, quiet=True)
    sets = priors.read_gmt(write("repair\tx y\tg\n"), quiet=True)
    both, report = priors.union_edges(sets, priors.read_edges(write("source\ttarget\np\tq\n")))
    assert len(both) == 2
    assert "Table 1 shares no node with the others: 'g', 'repair'." in repr(report)


def test_obo_with_gaf(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    ontology, genes = write(OBO, "go.obo"), write(GAF, "genes.gaf")
    edges = priors.read_obo(ontology, annotations=genes)
    assert pairs(edges) == [
        ("TP53", "GO:2"),
        ("ATM", "GO:1"),  # by the alternative identifier
        ("GO:2", "GO:1"),
        ("GO:4", "GO:2"),
    ]
    assert edges["relation"].tolist() == ["annotated", "annotated", "is_a", "part_of"]
    assert edges["evidence"].tolist()[:2] == ["IDA|IEA", "IMP"]
    assert edges["target_name"].tolist() == ["repair", "process", "process", "repair"]
    said = capsys.readouterr().out
    assert "left out 1 regulates" in said
    assert "1 with NOT were left out; 1 with evidence 'ND' were left out" in said


def test_obo_relations_and_namespace(write: Callable[..., Path]) -> None:
    ontology = write(OBO.replace("\n", "\r\n"), "go.obo")
    both = priors.read_obo(ontology, relations=["is_a", "regulates"], quiet=True)
    assert both["relation"].tolist() == ["is_a|regulates"]
    own = priors.read_obo(ontology, namespace="bp", quiet=True)
    assert pairs(own) == [("GO:2", "GO:1")]


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("!gpa-version: 1.1", "UniProtKB\tP1\tenables\tGO:2\tr\tECO:1" + "\t" * 6),
        ("!gpad-version: 2.0", "UniProtKB:P1\t\tRO:1\tGO:2\tr\tECO:1" + "\t" * 6),
    ],
)
def test_gpad(write: Callable[..., Path], version: str, line: str) -> None:
    edges = priors.read_annotations(write(f"{version}\n{line}\n"), quiet=True)
    assert edges["target"].tolist() == ["GO:2"]
    assert edges["source"].str.endswith("P1").all()


def test_sif(write: Callable[..., Path]) -> None:
    edges = priors.read_sif(write("a 1 b c\nb\t-1\tmy node\nc pp d\n"), signs={"pp": 0}, quiet=True)
    assert pairs(edges) == [("a", "b"), ("a", "c"), ("b", "my node"), ("c", "d")]
    assert edges["sign"].tolist() == [1, 1, -1, 0]


def test_sif_with_opposite_signs_says_so(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edges = priors.read_sif(write("a 1 b\na -1 b\n"))
    assert edges["sign"].tolist() == [0]
    assert edges["relation"].tolist() == ["1|-1"]
    assert "opposite signs, now 0, at 'a' -> 'b'" in capsys.readouterr().out


OMNIPATH = """source\ttarget\tis_directed\tis_stimulation\tis_inhibition\tn_references
A\tB\tTrue\tTrue\tFalse\t3
A\tC\t1\t1\t1\t1
D\tE\t0\t0\t0\t2
F\tG\tTrue\tTrue\tFalse\t4
F\tG\tTrue\tFalse\tTrue\t4
"""


def test_omnipath(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write(OMNIPATH)
    edges = priors.read_omnipath(path)
    assert pairs(edges) == [("A", "B"), ("A", "C"), ("F", "G")]
    assert edges["sign"].tolist() == [1, 0, 0]
    assert edges["conflict"].tolist() == [False, True, True]
    assert edges["n_references"].tolist() == [3, 1, 4]
    said = capsys.readouterr().out
    assert "1 row(s) without a direction were left out" in said
    assert "2 both stimulate and inhibit: 'A' -> 'C', 'F' -> 'G'" in said
    both = priors.read_omnipath(path, undirected="both", conflicts="drop", quiet=True)
    assert set(pairs(both)) == {("A", "B"), ("D", "E"), ("E", "D")}
    with pytest.raises(Edge2TorchError, match="2 both stimulate and inhibit"):
        priors.read_omnipath(path, conflicts="error", quiet=True)


def test_plain_tables(write: Callable[..., Path]) -> None:
    path = write('child,parent,weight,id,score\n"a, b",NA,-1,007,\nc,NA,1,010,1e-3\n', "t.csv")
    edges = priors.read_edges(
        path, source="child", target="parent", rename={"weight": "sign"}, quiet=True
    )
    assert pairs(edges) == [("a, b", "NA"), ("c", "NA")]
    assert edges["sign"].tolist() == [-1, 1]
    assert edges["id"].tolist() == ["007", "010"]
    assert edges["score"].isna().tolist() == [True, False]
    assert edges["score"].dtype == float


def test_a_joined_edge_keeps_every_word(write: Callable[..., Path]) -> None:
    path = write("source\ttarget\tdb\tsign\nA\tB\tx\t1\nA\tB\ty\t0\nA\tB\tx\t1\n", "t.tsv")
    edges = priors.read_edges(path, duplicates="join", quiet=True)
    assert edges.values.tolist() == [["A", "B", "x|y", 1]]


# ------------------------------------------------------------------ where a file is wrong

READ: dict[str, Callable[..., Any]] = {
    "gmt": priors.read_gmt,
    "obo": priors.read_obo,
    "sif": priors.read_sif,
    "midas": priors.read_midas,
    "omnipath": priors.read_omnipath,
    "edges": priors.read_edges,
    "annotations": priors.read_annotations,
    "graphml": priors.read_graphml,
    "cx2": priors.read_cx2,
    "kgml": priors.read_kgml,
    "gpml": priors.read_gpml,
    "gocam": priors.read_gocam,
    "sbml_qual": priors.read_sbml_qual,
    "relation": lambda path, **options: priors.read_reactome(path, path, **options),
}

KGML = """<pathway name="path:hsa1">
<entry id="1" name="hsa:1" type="gene"/>
<entry id="2" name="hsa:2" type="gene"/>
<relation entry1="1" entry2="2" type="PPrel"/>
</pathway>"""
GPML = """<Pathway xmlns="http://pathvisio.org/GPML/2013a">
<DataNode GraphId="a" TextLabel="A"/>
<DataNode GraphId="b" TextLabel="B"/>
<Interaction><Graphics><Point GraphRef="a"/><Point ArrowHead="Arrow"/></Graphics></Interaction>
</Pathway>"""
# elsewhere: a parser has to suppose that it declares all entities, and leaves them out of names
DOCTYPE = '<?xml version="1.0"?><!DOCTYPE pathway SYSTEM "https://www.kegg.jp/kegg/xml/KGML.dtd">'
REACTIONS = "<pathway><entry id='1' name='hsa:1'/><reaction id='1'/><reaction id='2'/></pathway>"

BROKEN = [
    ("gmt", "a\tx\tg\nb\tx\n", 2, "at least one gene"),
    ("gmt", "a\tx\tg\nb\tx\n", 2, "Give description=False"),
    ("gmt", "a\tx\tg\nb\tx\t\t\n", 2, "set has no genes"),
    ("gmt", "a\tx\tg\na\tx\th\n", 2, "'a' is there twice, first on line 1"),
    ("gmt", "a\tx\tg\ng\tx\th\n", 2, "bears the name of a gene"),
    ("gmt", "", 1, "the file is empty"),
    ("gmt", b"a\tx\tg\nb\tx\t\xff\xfe\n", 2, "not UTF-8"),
    ("obo", OBO.replace("id: GO:2", "id: GO:1"), 11, "'GO:1' is there twice, first on line 5"),
    ("obo", OBO.replace("is_a: GO:1 ! process", "is_a: GO:7"), 14, "'GO:7', is not a term"),
    ("obo", OBO.replace("alt_id: GO:91", "is_a: GO:2"), 5, "a cycle: 'GO:1' -> 'GO:2' -> 'GO:1'"),
    ("obo", OBO.replace("id: GO:2\n", ""), 10, "without an id"),
    ("obo", OBO.replace("name: repair", "name repair"), 12, "a line is 'tag: value'"),
    ("obo", OBO.replace("regulates GO:1 ! process", "regulates"), 15, "names relation and term"),
    ("obo", "format-version: 1.2\n", 1, "no [Term]"),
    ("sif", "a 1 b\nb 1\n", 2, "source, relation and target"),
    ("sif", "a 1 b\nb pp c\n", 2, "unknown relation 'pp'"),
    ("sif", "\n", 1, "the file is empty"),
    ("midas", "TR:a,DA:ALL,DV:y\n1,0\n", 2, "3 columns were expected"),
    ("midas", "TR:a,DA:ALL,DV:y\n1,0,high\n", 2, "'high' in column DV:y is not a number"),
    ("midas", "TR:a,DA:ALL,DV:y\n\n,0,1\n", 3, "column TR:a has no dose"),
    ("midas", "TR:a,DA:ALL,DV:y\n-1,0,1\n", 2, "negative dose"),
    ("midas", "TR:a,DA:ALL,DV:y\n1,,1\n", 2, "column DA:ALL has no time"),
    ("midas", "TR:a,DA:ALL\n1,0\n", 1, "no DV: columns"),
    ("midas", "a,DA:ALL,DV:y\n1,0,1\n", 1, "a column is 'TR:name'"),
    ("midas", "TR:a,TR:a,DA:ALL,DV:y\n1,1,0,1\n", 1, "TR:a is there twice"),
    ("midas", ",,\n , ,\n", 1, "the file holds no rows"),
    ("midas", "TR:a,DA:ALL,DV:y\n", 1, "no rows below the header"),
    ("omnipath", OMNIPATH + "A\tB\n", 7, "6 columns were expected"),
    ("omnipath", OMNIPATH.replace("A\tB\tTrue", "A\tB\tmaybe"), 2, "found 'maybe'"),
    ("omnipath", OMNIPATH.replace("is_stimulation", "stim"), 1, "no column 'is_stimulation'"),
    ("edges", "source\ttarget\na\tb\nc\n", 3, "2 columns were expected"),
    ("edges", "source\ttarget\na\tb\nc\td\te\n", 3, "2 columns were expected"),
    ("edges", "source\ttarget\na\tb\n\nb\t\n", 4, "'target' is blank"),
    ("edges", "source\ttarget\na\tb\na\tb\n", 3, "first on line 2"),
    ("edges", "from\tto\na\tb\n", 1, "no column 'source'"),
    ("edges", 'source\ttarget\na\t"b\n', 2, "cannot be read"),
    ("annotations", "g\tt\nh\n", 2, "2 columns were expected"),
    ("annotations", "!date: now\ng\tt\n", 1, "without !gaf-version"),
    ("annotations", GAF + "UniProtKB\tP1\n", 7, "17 columns were expected"),
    ("annotations", GAF.replace("\tP\t", "\tQ\t", 1), 2, "the aspect must be one of"),
    ("graphml", "<graphml><graph>\n<node id='a'/>\n<node id='a'/></graph></graphml>", 3, "twice"),
    ("graphml", "<graphml>\n<graph edgedefault='directed'>\n<node id='a'/>", 3, "broken XML"),
    ("cx2", '[{"CXVersion": "2.0"},\n{"nodes": [}]', 2, "broken JSON"),
    ("cx2", '[{"nodes": [{"@id": 1}]}, {"status": [{"success": true}]}]', 1, "CX of version 1"),
    ("cx2", "[NaN]", 1, "broken JSON (NaN is not a number"),
    ("cx2", '{"elements": {}}', 1, "a CX2 file is an array of objects"),
    ("cx2", '[{"CXVersion": "2.0"}, {"status": [{"success": true}]}]', 1, "holds no edges"),
    ("kgml", KGML.replace('entry2="2"', 'entry2="7"'), 4, "there is no entry '7'"),
    ("kgml", KGML.replace('id="2"', 'id="1"'), 3, "'1' is there twice, first on line 2"),
    ("kgml", KGML.replace("pathway", "map"), 1, "the root is <map>, that of KGML is <pathway>"),
    ("kgml", KGML[:-4], 5, "broken XML"),
    ("kgml", KGML.replace("hsa:2", "&alpha;"), 3, "broken XML (undefined entity"),
    ("kgml", DOCTYPE + KGML.replace("hsa:2", "hsa:&alpha;2"), 3, "broken XML (undefined entity"),
    ("kgml", REACTIONS, 1, "It has 2 reaction(s): a map of chemistry"),
    ("kgml", "<pathway/>", 1, "holds no edges"),
    ("gpml", GPML.replace("2013a", "2010a"), 1, "this is GPML 2010a; 2013a and 2021 are read"),
    ("gpml", GPML.replace('"b"', '"a"'), 3, "the id 'a' is there twice, first on line 2"),
    ("gpml", GPML, 1, "holds no edges (left out: '1 open end(s)')"),
    ("gpml", GPML[:-3], 5, "broken XML"),
    ("gocam", '{"activities": [\n{"id": }]}', 2, "broken JSON"),
    ("gocam", '{"individuals": [], "facts": []}', 1, "a list called 'activities' was expected"),
    ("gocam", '{"activities": [{"id": "a", "enabled_by": {"term": "P1"}}]}', 1, "holds no edges"),
    ("sbml_qual", GPML, 1, "the root is <Pathway>, that of SBML is <sbml>"),
    ("sbml_qual", "<sbml>\n<model>", 2, "broken XML"),
    ("relation", "R-HSA-1\tR-HSA-2\nR-HSA-1\n", 2, "2 columns were expected"),
    ("relation", "R-HSA-1\tR-HSA-2\nR-HSA-1\tDNA\n", 2, "'DNA' is not a Reactome identifier"),
    ("relation", "R-HSA-1\tR-HSA-2\nR-HSA-1\tR-HSA-2\n", 2, "twice, first on line 1"),
    ("relation", "parent\tchild\n", 1, "no Reactome identifier"),
]


@pytest.mark.parametrize(("reader", "text", "line", "words"), BROKEN)
def test_a_broken_file_is_one_error_with_file_and_line(
    write: Callable[..., Path], reader: str, text: str | bytes, line: int, words: str
) -> None:
    path = write(text, "broken.tsv" if reader == "edges" else "broken.txt")
    with pytest.raises(Edge2TorchError) as caught:
        READ[reader](path, quiet=True)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("reader", sorted(set(READ) - {"edges"}))
def test_compression_and_ending_have_to_agree(write: Callable[..., Path], reader: str) -> None:
    packed = gzip.compress(b"a\tx\tg1\n" * 500, mtime=0)
    for name, content, words in (
        ("a.gmt", packed, "name does not end in .gz"),
        ("b.gmt.gz", b"a\tx\tg1\n", "it is not gzip-compressed"),
        ("c.gmt.gz", packed[:-12], "breaks off or is damaged"),
    ):
        path = write(content, name)
        with pytest.raises(Edge2TorchError, match=words) as caught:
            READ[reader](path, quiet=True)
        assert str(caught.value).startswith(str(path))


def test_names_come_from_a_dict_or_a_file(write: Callable[..., Path]) -> None:
    edges = pd.DataFrame({"source": ["P1"], "target": ["R1"], "target_name": ["old"]})
    by_file = priors.add_names(edges, write("id\tname\nP1\tAlbumin\n", "names.txt"))
    assert by_file.iloc[0].tolist() == ["P1", "R1", "old", "Albumin"]
    assert priors.add_names(edges, {"R1": "new"})["target_name"].tolist() == ["new"]
    table = pd.DataFrame({"id": ["R1", "P1"], "name": [" new ", None]})
    assert priors.add_names(edges, table).iloc[0].tolist() == ["P1", "R1", "new", None]
    with pytest.raises(Edge2TorchError, match="names has 'P1' twice"):
        priors.add_names(edges, pd.DataFrame([["P1", "a"], ["P1", "b"]]))
    path = write("P1\ta\nP1\tb\n", "twice.txt")
    with pytest.raises(Edge2TorchError, match=r"line 2: 'P1' is there twice, first on line 1"):
        priors.add_names(edges, path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(Edge2TorchError, match="does not exist"):
        priors.read_gmt(tmp_path / "none.gmt")
    with pytest.raises(Edge2TorchError, match="is a folder"):
        priors.read_gmt(tmp_path)
    with pytest.raises(Edge2TorchError, match="unknown ending"):
        priors.read_edges(tmp_path / "none.xlsx")


def test_relations_and_namespaces_an_ontology_does_not_have(write: Callable[..., Path]) -> None:
    path = write(OBO, "go.obo")
    with pytest.raises(Edge2TorchError, match="unknown relation 'causes'; the file has 'is_a'"):
        priors.read_obo(path, relations=["is_a", "causes"], quiet=True)
    with pytest.raises(Edge2TorchError, match="unknown namespace 'mf'; the file has 'bp', 'cc'"):
        priors.read_obo(path, namespace="mf", quiet=True)
    strange = pd.DataFrame({"source": ["TP53"], "target": ["GO:99"]})
    with pytest.raises(Edge2TorchError, match=r"1 term.s. are not in .*'GO:99'"):
        priors.read_obo(path, annotations=strange, quiet=True)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_compressed_tables_are_written_and_read(tmp_path: Path, ending: str) -> None:
    edges = pd.DataFrame({"source": ["a", "NA"], "target": ["b", "b"]})
    path = priors.write_edges(edges, tmp_path / f"edges.csv.{ending}")
    pd.testing.assert_frame_equal(priors.read_edges(path, quiet=True), edges)
    damaged = tmp_path / f"half.csv.{ending}"
    damaged.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(Edge2TorchError, match="breaks off or is damaged"):
        priors.read_edges(damaged, quiet=True)
    with pytest.raises(Edge2TorchError, match=f"not end in .{ending}"):
        priors.read_edges(path.rename(tmp_path / "edges.csv"), quiet=True)


def test_marks_of_missing_values_beside_numbers_but_not_beside_names(
    write: Callable[..., Path],
) -> None:
    text = "source,target,initial_weight,constraint,name\nNA,b,NA,positive,nan\na,b,0.5,NA,NA\n"
    edges = priors.read_edges(write(text, "edges.csv"), quiet=True)
    assert edges["source"].tolist() == ["NA", "a"]
    assert edges["initial_weight"].isna().tolist() == [True, False]
    assert edges["constraint"].isna().tolist() == [False, True]
    assert edges["name"].tolist() == ["nan", "NA"]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    for given, name, said in (
        (priors.keep_between(edges, ["a"]), "e.csv", "It is a pair: take the table"),
        (edges, "e.xlsx", "unknown ending"),
        (edges, "gone/e.csv", "no folder"),
    ):
        with pytest.raises(Edge2TorchError, match=said):
            priors.write_edges(given, tmp_path / name)
    with pytest.raises(Edge2TorchError, match="readers of their own"):
        priors.read_edges(tmp_path / "sets.gmt")


def test_a_table_in_place_of_a_path_is_told_that_it_needs_no_reading():
    edges: Any = pd.DataFrame({"source": ["a"], "target": ["b"]})
    with pytest.raises(Edge2TorchError, match=r"found a DataFrame\. A table .* to compile_graph"):
        priors.read_edges(edges)
