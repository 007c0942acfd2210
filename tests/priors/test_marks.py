"""What turns the meaning of a row round, in whatever way a file writes it."""

from __future__ import annotations

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.priors import (
    read_annotations,
    read_edges,
    read_gmt,
    read_obo,
    read_omnipath,
    read_reactome,
)


def written(tmp_path, text, name="x.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("column", "negated", "plain"),
    [
        ("AssociationType", "is_not_implicated_in", "is_implicated_in"),
        ("Relation", "NOT|enables", "RO:0002327"),
        ("Qualifier", "does_not_enable", "enables"),
        ("negated", "True", "False"),
        ("NOT", "TRUE", ""),
        ("anything", "NOT contributes to", "contributes to"),
        ("anything", "NOT|RO:0002327", "RO:0002327"),
    ],
)
def test_negated_annotations_are_left_out(tmp_path, column, negated, plain):
    path = written(tmp_path, f"gene\tterm\t{column}\nA\tGO:1\t{negated}\nB\tGO:2\t{plain}\n")
    found = read_annotations(path, gene="gene", term="term", quiet=True)
    assert found["source"].tolist() == ["B"]
    with pytest.warns(e2t.Edge2TorchWarning, match=r"1 row\(s\) say NOT"):
        read_edges(path, source="gene", target="term", quiet=True)


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_negated_rows_of_a_parquet_table_are_told_whatever_their_text_is_kept_as(tmp_path, kind):
    table = pd.DataFrame({"source": ["A", "B"], "target": ["t", "t"], "score": [1.0, None]})
    table["qualifier"] = pd.array(["NOT|enables", None], dtype=kind)
    table.to_parquet(tmp_path / "edges.parquet")
    with pytest.warns(e2t.Edge2TorchWarning, match=r"1 row\(s\) say NOT"):
        read_edges(tmp_path / "edges.parquet", quiet=True)


def test_negated_annotations_without_a_header_are_left_out(tmp_path):
    path = written(tmp_path, "A\tGO:1\tNOT|RO:0002327\nB\tGO:2\tRO:0002327\n")
    assert read_annotations(path, quiet=True)["source"].tolist() == ["B"]


def test_words_of_free_text_negate_nothing(tmp_path):
    text = "gene\tterm\tdescription\nA\tGO:1\tdoes not bind DNA, not in liver\nNOT1\tGO:2\tknot\n"
    path = written(tmp_path, text)
    found = read_annotations(path, gene="gene", term="term", quiet=True)
    assert found["source"].tolist() == ["A", "NOT1"]
    assert len(read_edges(path, source="gene", target="term", quiet=True)) == 2


def test_a_hyphen_is_no_symbol(tmp_path):
    line = (
        "MGI\tMGI:{0}\t-\tenables\tGO:1\tPMID:1\tIDA\t\tF\tn\t\tprotein\ttaxon:10090\t2020\tU\t\t\n"
    )
    text = "!gaf-version: 2.2\n" + line.format(1) + line.format(2)
    found = read_annotations(written(tmp_path, text, "x.gaf"), quiet=True)
    assert found["source"].tolist() == ["MGI:1", "MGI:2"]


def test_the_relation_of_pathways_has_no_members(tmp_path):
    path = written(tmp_path, "R-HSA-100\tR-HSA-200\n")
    with pytest.raises(e2t.Edge2TorchError, match="holds pathways in both columns"):
        read_reactome(path, path)


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_obsolete_terms_of_every_version(tmp_path, word):
    text = (
        "format-version: 1.0\n\n[Term]\nid: X:1\nname: root\n\n[Term]\nid: X:2\nis_a: X:1\n\n"
        f"[Term]\nid: X:3\nis_obsolete: {word}\nreplaced_by: X:1\n\n[Term]\nid: X:4\nis_a: X:3\n"
    )
    found = read_obo(written(tmp_path, text, "x.obo"), quiet=True)
    assert found[["source", "target"]].to_numpy().tolist() == [["X:2", "X:1"], ["X:4", "X:1"]]


def test_relations_that_there_are_stand_in_the_error(tmp_path):
    text = (
        "format-version: 1.2\n\n[Term]\nid: X:1\n\n[Term]\nid: X:2\nrelationship: BFO:0000050 X:1\n"
    )
    with pytest.raises(e2t.Edge2TorchError, match="it has 'BFO:0000050'"):
        read_obo(written(tmp_path, text, "x.obo"), quiet=True)


@pytest.mark.parametrize(
    ("up", "down"),
    [("Stimulation", "Inhibition"), ("activation", "repression"), ("positive", "negative")],
)
def test_pairs_of_sign_columns(tmp_path, up, down):
    path = written(tmp_path, f"source\ttarget\t{up}\t{down}\nA\tB\t1\t0\nA\tC\t0\t1\n")
    with pytest.warns(e2t.Edge2TorchWarning, match="say signs that are not read"):
        read_edges(path, quiet=True)
    assert read_omnipath(path, quiet=True)["sign"].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("up", "down"),
    [("up-regulates activity", "down-regulates quantity by repression"), ("-->", "--|")],
)
def test_words_of_sign_columns(tmp_path, up, down):
    path = written(tmp_path, f"source\ttarget\tEFFECT\nA\tB\t{up}\nA\tC\t{down}\n")
    with pytest.warns(e2t.Edge2TorchWarning, match="looks like signs"):
        read_edges(path, quiet=True)
    assert read_edges(path, sign="EFFECT", quiet=True)["sign"].tolist() == [1, -1]
    with pytest.raises(e2t.Edge2TorchError, match="is not a column beside the ends"):
        read_edges(path, sign=["EFFECT"], quiet=True)


def test_weights_of_some_genes_are_cut_off_too(tmp_path):
    path = written(tmp_path, "set\tabout it\tTP53,0.5\tBAX\n", "x.gmt")
    found = read_gmt(path, quiet=True)
    assert found["source"].tolist() == ["TP53", "BAX"]
    pd.testing.assert_series_equal(found["membership"], pd.Series([0.5, 1.0], name="membership"))


def test_a_first_gene_in_the_place_of_a_description_is_asked_about(tmp_path):
    path = written(tmp_path, "SetA\tTP53\tBAX\n", "x.gmt")
    with pytest.warns(e2t.Edge2TorchWarning, match="look like genes"):
        read_gmt(path, quiet=True)


def test_a_comment_above_the_header_is_told(tmp_path):
    path = written(tmp_path, "# Program:featureCounts; Command:x\nGeneid\tChr\nA\t1\n")
    with pytest.raises(e2t.Edge2TorchError, match="begins with a comment"):
        read_edges(path)
