"""KEGG's pathways: every odd case gives the table that it should."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import FILES, expected, rows


def test_every_odd_case_of_kgml(capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_kgml(FILES / "corners.kgml")
    pd.testing.assert_frame_equal(edges.infer_objects(), expected("corners.kgml.expected.tsv"))
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


def test_the_prefix_of_genes_is_cut_off_beside_maps_and_compounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.xml"
    path.write_text(
        '<pathway><entry id="1" name="hsa:1 hsa:2" type="gene"/><entry id="2" name="hsa:3" type="gene"/>'
        '<entry id="3" name="cpd:C1" type="compound"/><entry id="4" name="path:hsa9" type="map"/>'
        '<relation entry1="1" entry2="2" type="PPrel"/><relation entry1="3" entry2="2" type="PCrel"/>'
        '<relation entry1="2" entry2="4" type="maplink"/></pathway>'
    )
    edges = priors.read_kgml(path, genes="entry", compounds="node", maps="keep", strip=True)
    assert rows(edges) == [("1|2", "3"), ("cpd:C1", "3"), ("3", "path:hsa9")]
    assert "prefixes" not in capsys.readouterr().out


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
