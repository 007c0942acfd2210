"""The page of a run over pairs: what the network is ahead of, within each drug, and what its nodes do."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from edge2torch._core.messages import plural, require, wording
from edge2torch.study._judge_pairs import side
from edge2torch.train import Pairs

_NODES = 3  # of each drug
_HELD_OUT = {
    "cell": "Held-out pairs are of {0}s that no trained pair has: the scores are of new {0}s and known {1}s.",
    "drug": "Held-out pairs are of {1}s that no trained pair has: the scores are of new {1}s and known {0}s.",
    "both": "Neither the {0} nor the {1} of a held-out pair was trained on.",
    "pair": "Both partners of every held-out pair were seen in training, so the scores say nothing of a new "
    "{0} or {1}.",
}


def pairs_page(
    both: Pairs,
    scores: pd.DataFrame,
    by_drug: pd.DataFrame,
    verdicts: Sequence[str],
    nodes: pd.DataFrame | None,
    hold_out: str,
    *,
    has_heads: bool,
    facts: Mapping[str, Any],
) -> str:
    """Return the page as HTML, complete in itself."""
    first, second = both.entities
    n_folds = scores["fold"].nunique()
    means = scores.drop(columns="fold").groupby("model", sort=False).mean()
    tables = [
        (
            f"Scores, within each {second} first",
            (
                f"Medians over {second}s of the correlation within each, mean over {plural('fold', n_folds)}. The pooled "
                f"ones stand last: where {second}s differ in level, the mean of each alone makes them high."
            ),
            _table(means),
        ),
        (
            f"Pearson's r within each {second}",
            f"The {second}s that the network does best come first.",
            _table(by_drug.sort_values(by_drug.columns[0], ascending=False)),
        ),
        (
            f"Nodes, for each {second}",
            f"The {_NODES} nodes that move its prediction most, on the held-out {first}s of the first fold, in "
            "the mean of its networks. No "
            "control stands beside these scores: they say what these networks rest on."
            if nodes is not None
            else f"None is ranked: within {second}s the network is not shown to have learned anything.",
            "" if nodes is None else _table(_top(nodes, second)),
        ),
    ]
    caveats = [
        (
            f"Intervals are over {second}s and over the held-out {first}s: they say what other {second}s and "
            f"{first}s would give these networks, not what other networks would."
        ),
        (
            f"Each fold trained networks of its own, on other {first}s or {second}s: their nodes are not those of "
            "another fold."
        ),
    ]
    if has_heads:
        caveats.append(
            "Nodes had heads of their own in training. A node with a head predicts because it was told to."
        )
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("edge2torch", "torch", "numpy", "pandas", "scikit-learn")
    ]
    template = importlib.resources.files("edge2torch.study").joinpath("pairs.html.j2")
    jinja = require("jinja2", extra="cli")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    said = wording.get()
    return str(
        environment.from_string(template.read_text(encoding="utf-8")).render(
            title=f"{first.capitalize()}s × {second}s",
            verdicts=[(said(text), side(text)) for text in verdicts],
            done=f"{counts(both)}, in {plural('fold', n_folds)}. "
            + _HELD_OUT[hold_out].format(first, second),
            tables=tables,
            caveats=caveats,
            facts=[
                ("Settings", ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in facts.items())),
                ("Versions", ", ".join(versions)),
            ],
        )
    )


def counts(both: Pairs) -> str:
    """Return how many pairs of whom there are, in words."""
    first, second = both.entities
    each = f"{plural(first, len(both.cells))} and {plural(second, len(both.drugs))}"
    return f"{plural('pair', len(both.y))} of {each}"


def _top(nodes: pd.DataFrame, drug: str) -> pd.DataFrame:
    """Return the nodes with the largest mean size of each drug, one row per drug."""
    table = nodes.reset_index()
    table = table.sort_values("mean_abs", ascending=False, kind="stable")
    rows = {
        name: [f"{node} ({mean:+.2g})" for node, mean in zip(own["node"], own["mean"], strict=True)]
        for name, own in table.groupby(drug, sort=False).head(_NODES).groupby(drug, sort=True)
    }
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis(drug)
    return found.set_axis([f"{k + 1}." for k in range(found.shape[1])], axis=1).fillna("")


def _table(table: pd.DataFrame) -> str:
    return table.to_html(float_format=lambda x: f"{x:.3f}", border=0, na_rep="")
