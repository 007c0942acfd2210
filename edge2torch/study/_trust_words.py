"""What replicates and controls say, in words and rows; every word follows from the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from edge2torch._core.messages import plural
from edge2torch.study._metrics import MAIN
from edge2torch.study._pipeline import Results
from edge2torch.study._trust import LEVEL, Trust, beyond_place
from edge2torch.study._verdict import against_shuffled, show_spread

_STABLE, _BIASED = 0.8, 0.3


def trust_sentences(results: Results) -> list[str]:
    """Return how stable scores are, how far the graph's shape made them, and if the edges helped."""
    trust, words = results.trust, results.study.words
    if trust is None:
        return []
    metric = MAIN[results.study.task.kind]
    n, m = len(trust.replicates.quality), len(trust.control_quality)
    stable = trust.replicates.stability
    before, after = degree_bias(trust)
    found = len(beyond_place(trust.table))
    nodes = plural(words.node, len(trust.table))
    said = [
        (
            f"The network was trained {n} more times on the first seed's split, from other starts: "
            f"{metric} {show_spread(trust.replicates.quality, metric)}. Between two such networks "
            f"the ranking of {plural(words.node)} agrees with Spearman {stable:.2f}: "
            + (
                f"one network would nearly do. The mean over {n} is more stable still."
                if stable >= _STABLE
                else f"a single network's ranking is partly chance, and means over all {n} are shown."
            )
        ),
        (
            f"{m} control networks saw simulated {plural(words.sample)} in which every "
            f"{words.feature} is equally predictive ({metric} "
            f"{show_spread(trust.control_quality, metric)}). What a {words.node} scores there, the "
            "graph's shape alone gives it. Corrected scores are the log2 ratio of a "
            f"{words.node}'s share to that, less what {plural(words.node)} so well connected have "
            "on average."
        ),
        (
            f"Over {nodes}, raw scores go with the number of edges by Spearman {before:+.2f}, "
            f"corrected ones by {after:+.2f}. "
            + (
                "The raw ranking is in good part the graph's shape: read the corrected one."
                if abs(before) >= _BIASED
                else "The graph's shape does not decide the raw ranking here."
            )
        ),
        (
            f"Over all {plural(words.group)} together, {found} of {nodes} score more than their "
            f"place in the graph explains (false discovery rate {LEVEL:.0%})."
        ),
        f"Did the given edges do better than rewired ones? {against_shuffled(results).text}",
    ]
    return said if results.study.task.kind == "classification" else _of_a_number(said)


def _of_a_number(said: list[str]) -> list[str]:
    """Without classes there is nothing to put together."""
    said[3] = said[3].partition(", ")[2]
    return said


def degree_bias(trust: Trust) -> tuple[float, float]:
    """Spearman's correlation with degree of raw and of corrected scores."""
    columns = (trust.table["score"], trust.table["corrected"])
    degree = trust.table["degree"]
    if degree.nunique() < 2:
        return 0.0, 0.0
    before, after = (float(np.nan_to_num(spearmanr(column, degree)[0])) for column in columns)
    return before, after


def trust_groups(results: Results, n: int) -> list[dict[str, Any]]:
    """The n nodes of highest corrected score of each class."""
    if results.trust is None:
        return []
    groups, label = [], results.study.network.artifact.label
    for name, table in results.trust.by_group.items():
        raw = table["score"].rank(ascending=False).astype(int)
        rows = [
            {
                "label": label(node),
                "corrected": table.loc[node, "corrected"],
                "qvalue": table.loc[node, "qvalue"],
                "degree": int(table.loc[node, "degree"]),
                "raw_rank": int(raw[node]),
                "told": bool(table.loc[node, "qvalue"] < LEVEL),
            }
            for node in table.index[:n]
        ]
        groups.append({"name": name, "rows": rows})
    return groups


def significance_table(trust: Trust) -> pd.DataFrame:
    """All classes under one another, for a file."""
    parts = {"all": trust.table, **trust.by_group} if len(trust.by_group) > 1 else trust.by_group
    return pd.concat(parts, names=["class"]).reset_index("node").rename_axis("class")
