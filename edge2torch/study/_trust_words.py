"""What replicates and controls say, in words and rows; every word follows from the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from edge2torch._core.messages import plural
from edge2torch.study._pipeline import Results
from edge2torch.study._trust import LEVEL, Trust, beyond_place
from edge2torch.study._verdict import against_shuffled

_STABLE, _BIASED = 0.8, 0.3


@dataclass(frozen=True)
class TrustWords:
    """A sentence on each question that replicates and controls answer.

    Parameters
    ----------
    stability : str
        How far networks from other starts agree.
    controls : str
        What control networks saw, and what corrected scores are.
    shape : str
        How far the number of edges decides the raw ranking.
    found, edges : str
        How many nodes are told from controls, and whether the given edges helped; a verdict each.
    """

    stability: str
    controls: str
    shape: str
    found: str
    edges: str

    @property
    def beside_verdicts(self) -> tuple[str, ...]:
        """What no verdict says."""
        return self.stability, self.controls, self.shape

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        return *self.beside_verdicts, self.found, self.edges


def trust_words(results: Results) -> TrustWords | None:
    """Say how stable scores are, how far the graph's shape made them, and if the edges helped."""
    trust, words = results.trust, results.study.words
    if trust is None:
        return None
    metric = results.metric
    n, m = len(trust.replicates.quality), len(trust.control_quality)
    stable = trust.replicates.stability
    before, after = degree_bias(trust)
    nodes = plural(words.node, len(trust.table))
    one = (
        f"one network would nearly do. The mean over {n} is more stable still."
        if stable >= _STABLE
        else f"a single network's ranking is partly chance, and means over all {n} are shown."
    )
    shape = (
        "The raw ranking is in good part the graph's shape: read the corrected one."
        if abs(before) >= _BIASED
        else "The graph's shape does not decide the raw ranking here."
    )
    found = (
        f"{len(beyond_place(trust.table))} of {nodes} score more than their place in the graph "
        f"explains (false discovery rate {LEVEL:.0%})."
    )
    if results.outcome.by_class:
        found = f"Over all {plural(words.group)} together, {found}"
    return TrustWords(
        stability=f"The network was trained {n} more times on the first seed's split, from other "
        f"starts: {metric.name} {metric.show_spread(trust.replicates.quality)}. Between two such "
        f"networks the ranking of {plural(words.node)} agrees with Spearman {stable:.2f}: {one}",
        controls=f"{m} control networks saw simulated {plural(words.sample)} in which every "
        f"{words.feature} is equally predictive ({metric.name} "
        f"{metric.show_spread(trust.control_quality)}). What a {words.node} scores there, the "
        "graph's shape alone gives it. Corrected scores are the log2 ratio of a "
        f"{words.node}'s share to that, less what {plural(words.node)} so well connected have "
        "on average.",
        shape=f"Over {nodes}, raw scores go with the number of edges by Spearman {before:+.2f}, "
        f"corrected ones by {after:+.2f}. {shape}",
        found=found,
        edges=f"Did the given edges do better than rewired ones? {against_shuffled(results).text}",
    )


def trust_sentences(results: Results) -> list[str]:
    """Return all that is said of replicates and controls; nothing where there were none."""
    said = trust_words(results)
    return [] if said is None else list(said.sentences)


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
