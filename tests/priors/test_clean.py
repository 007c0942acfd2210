"""Names that fit the data's: what each rule changes, what none may, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, priors

FITS = [
    ("prefix", "hsa:5594", "5594"),
    ("prefix", "UniProtKB:P04637", "P04637"),
    ("prefix", "HGNC:11998", "11998"),
    ("species", "P53_HUMAN", "P53"),
    ("version", "ENSG00000141510.18", "ENSG00000141510"),
    ("version", "ENSMUST00000108658.10", "ENSMUST00000108658"),
    ("version", "NM_000546.6", "NM_000546"),
    ("version", "ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y"),
    ("isoform", "P04637-2", "P04637"),
    ("isoform", "A0A024RBG1-12", "A0A024RBG1"),
    ("case", "c1ORF112", "C1orf112"),
]


@pytest.mark.parametrize(("rule", "old", "new"), FITS)
def test_a_rule_finds_the_feature_and_is_named(rule: str, old: str, new: str) -> None:
    edges = pd.DataFrame({"source": [old, "other"], "target": ["p", "p"], "sign": [1, -1]})
    cleaned, report = priors.clean_names(edges, [new, "unseen"])
    assert cleaned["source"].tolist() == [new, "other"]
    assert cleaned["sign"].tolist() == [1, -1]
    assert report.table is not None
    assert report.table.to_dict("records") == [{"old": old, "new": new, "rules": rule}]
    assert "1 name(s) were changed; 0 -> 1 of 2 feature(s) are found." in report.notes
    assert any(line.startswith(f"{rule}: 0 -> 1 feature(s)") for line in report.notes)
    # and the other way round: the spelling is the features'
    if rule in ("version", "isoform"):
        assert priors.clean_names([new], [old])[0] == [old]


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("HLA-A", "HLA"),
        ("MT-CO1", "MT"),
        ("NKX2-5", "NKX2"),
        ("Trp53", "TP53"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378"),
        ("AT1G01010.1", "AT1G01010"),  # an isoform there, no version
        ("GO:0006915", "0006915"),
        ("GOBP_AGING", "GOBP"),
    ],
)
def test_what_no_rule_may_change(name: str, feature: str) -> None:
    assert priors.clean_names([name], [feature])[0] == [name]
    every = ["prefix", "species", "version", "isoform", "case"]
    kept = priors.clean_names([name], [feature], rules=every)[0][0]
    assert kept == (name.replace(".15", "") if "PAR_Y" in name else name)


def test_rules_in_turn_and_names_that_become_one() -> None:
    names = ["UniProtKB:P04637-2", "P04637", "P04637-1", "P38398-1", "Q9Y6K9-1"]
    cleaned, report = priors.clean_names(names, ["P04637", "P38398"])
    # what is no feature keeps its name, unless its rule is asked for
    assert cleaned == ["P04637", "P04637", "P04637", "P38398", "Q9Y6K9-1"]
    assert report.nodes == (5, 3)
    assert "'UniProtKB:P04637-2', 'P04637', 'P04637-1' -> 'P04637'" in repr(report)
    assert priors.clean_names(names, ["P04637"], rules=["isoform"])[0][-1] == "Q9Y6K9"


def test_no_rule_lowers_how_many_features_are_found() -> None:
    features = ["ENST00000269305.9", "P04637-2", "P04637-1", "tp53", "TP53"]
    assert priors.clean_names(features, features)[0] == features
    # two features that a rule takes for one are found by none
    assert priors.clean_names(["P04637", "Tp53"], features)[0] == ["P04637", "Tp53"]


def test_edges_between_nodes_that_are_now_one() -> None:
    edges = pd.DataFrame(
        {
            "source": ["P04637-1", "P04637-2", "b"],
            "target": ["P04637-2", "b", "b"],
            "sign": [1, 1, -1],
        }
    )
    cleaned, report = priors.clean_names(edges, ["P04637", "b"])
    assert cleaned[["source", "target"]].values.tolist() == [["P04637", "b"], ["b", "b"]]
    assert "1 edge(s) between nodes that are now one were dropped" in repr(report)


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("1-Mar", "MARCHF1, once MARCH1"),
        ("2-Sep", "SEPTIN2, once SEPT2"),
        ("Dec-01", "DELEC1, once DEC1"),
        ("2023-09-09", "SEPTIN9, once SEPT9"),
        ("44256", "MARCHF1, once MARCH1"),
    ],
)
def test_dates_are_refused_with_what_they_were(name: str, gene: str) -> None:
    with pytest.raises(Edge2TorchError) as caught:
        priors.clean_names(["TP53"], ["TP53", name])
    assert f"features: a spreadsheet has turned 1 gene(s) into dates: {name!r}" in str(caught.value)
    assert gene in str(caught.value)
    with pytest.raises(Edge2TorchError, match="edges_or_names: a spreadsheet"):
        priors.clean_names([name], ["TP53"])


def test_numbers_of_genes_are_no_dates() -> None:
    assert priors.clean_names(["44256", "7157", "TP53"], ["44256"])[0][0] == "44256"


def test_an_error_of_names_that_do_not_meet_says_so() -> None:
    edges = pd.DataFrame({"source": ["hsa:472", "hsa:7157"], "target": ["p", "p"]})
    with pytest.raises(
        Edge2TorchError, match=r"2 differ in how they are written .*'hsa:472' -> '472'.*clean_names"
    ):
        priors.prepare_prior(edges, ["472", "7157"])


def test_an_unknown_rule() -> None:
    with pytest.raises(Edge2TorchError, match=r"rules must be one of .*Nearest to 'versions'"):
        priors.clean_names(["a"], ["a"], rules=["versions"])
