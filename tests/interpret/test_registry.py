"""The registry is true of Captum, and the documentation true of the registry."""

from __future__ import annotations

import inspect
import re

import captum.attr
import pytest

from edge2torch.interpret import METHODS, AttributionMethod, attribution_methods
from edge2torch.interpret._engines import arguments_of
from edge2torch.interpret._engines._captum import load_engine
from tests.pages import ROOT


def name(row: AttributionMethod) -> str:
    return row.name


def test_the_methods_that_users_know() -> None:
    features, nodes, edges = (
        set(attribution_methods(target).index) for target in ("features", "nodes", "edges")
    )
    assert {"IntegratedGradients", "GradientShap", "LRP"} <= features
    assert {"LayerConductance", "NodeKnockout"} <= nodes
    assert {"EdgeConductance", "EdgeOcclusion"} <= edges
    assert sorted(attribution_methods().index) == sorted([*features, *nodes, *edges])
    assert list(attribution_methods().index) == list(METHODS)


@pytest.mark.parametrize("row", [row for row in METHODS.values() if not row.takes], ids=name)
def test_a_row_is_true_of_its_class(row: AttributionMethod) -> None:
    theirs = getattr(
        captum.attr, row.name, None
    )  # a class of ours may have a name that Captum lacks
    takes = set(inspect.signature(load_engine(row).attribute).parameters)
    assert set(row.defaults) <= takes
    assert not row.batch or row.batch in takes
    assert ("return_convergence_delta" in takes) == row.delta
    word = "layer_baselines" if row.baselines == "layer" else "baselines"
    assert (word in takes) == (row.baselines != "none")
    if theirs is None:
        assert isinstance(row.engine, type)
    else:
        assert ("layer" in inspect.signature(theirs.__init__).parameters) == (row.target == "nodes")
    assert row.doi == "" or re.fullmatch(r"10\.\d{4,5}/\S+", row.doi)


@pytest.mark.parametrize("row", METHODS.values(), ids=name)
def test_arguments_of_a_row(row: AttributionMethod) -> None:
    constructor, call = arguments_of(row)
    assert not row.takes or constructor == set()
    assert set(row.defaults) <= call
    assert not row.batch or row.batch in call
    assert isinstance(row.engine, type) or row.engine in {"captum", "path"} or row.takes


def as_markdown() -> str:
    """The table of docs/attribution.md."""
    lines = [
        "| method | target | a score is | baselines | delta | paper |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in attribution_methods().iterrows():
        paper = f"[doi](https://doi.org/{row['doi']})" if row["doi"] else ""
        delta = "yes" if row["delta"] else ""
        cells = [f"`{name}`", row["target"], row["score"], row["baselines"], delta, paper]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_in_the_docs() -> None:
    page = (ROOT / "docs" / "attribution.md").read_text(encoding="utf-8")
    assert as_markdown() in page, f"put this into docs/attribution.md:\n\n{as_markdown()}"
