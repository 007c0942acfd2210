"""Everything that is known of every node, one row each: for other programs, and for the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.exchange import write_network
from edge2torch.plot import ClickableNetwork, NodeFacts, clickable_network
from edge2torch.study._figures import importance
from edge2torch.study._pipeline import Results
from edge2torch.study._trust import LEVEL, Trust

NETWORK = "network.cx2"


def write_for_others(results: Results, title: str, path: Path) -> Path:
    """Write the network of a study, with scores where it learned anything."""
    learned = results.has_learned
    return write_network(
        results.study.network.artifact,
        path,
        nodes=node_table(results) if learned else None,
        edges=results.weights if learned else None,
        title=title,
        quiet=True,
    )


def clickable(results: Results) -> ClickableNetwork:
    """The network of the report; of one that learned nothing, the given edges alone."""
    words, learned, found = results.study.words, results.has_learned, results.attribution
    facts = NodeFacts()
    if learned:
        several = results.study.settings.seeds > 1
        facts = NodeFacts(
            _stacked(found.nodes, found.features),
            _stacked(found.node_sd, found.feature_sd) if several else None,
            found.node_agreement if several and len(found.nodes) else None,
            None if results.trust is None else results.trust.table,
        )
    by_class = results.outcome.by_class
    end = words.group if by_class else "output"
    return clickable_network(
        results.study.network.artifact,
        facts,
        results.weights if learned else None,
        level=LEVEL,
        score_label="attribution",
        group=words.group,
        roles=(words.feature, words.node, end),
        headers=(plural(words.feature), plural(words.node), plural(end)),
    )


def _stacked(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([part for part in parts if len(part)])


def node_table(results: Results) -> pd.DataFrame:
    """Return a row per node and feature that has a score.

    ``score`` is that of the label; of several classes the mean magnitude, and each class has its own
    ``score_<class>``, ``sd_<class>`` and ``agreement_<class>``. Judged nodes have ``qvalue``, the
    larger one of their two tests, ``found`` and ``gain``.
    """
    found = results.attribution
    scores = _stacked(found.nodes, found.features)
    sds = _stacked(found.node_sd, found.feature_sd)
    several = len(found.groups) > 1
    columns: dict[str, Any] = {"score": importance(results) if several else scores.iloc[:, 0]}
    for group in found.groups:
        end = f"_{group}" if several else ""
        own = {f"score{end}": scores[group], f"sd{end}": sds[group]}
        if len(found.nodes):
            own[f"agreement{end}"] = found.node_agreement[group]
        columns |= own
    table = pd.DataFrame(columns)
    if results.trust is not None:
        judged = judged_nodes(results.trust)
        for name in judged:
            known = judged[name].to_dict()
            table[name] = pd.Series([known.get(node) for node in table.index], table.index, object)
    return table


def judged_nodes(trust: Trust) -> pd.DataFrame:
    """The tests of every node in short: found is what both tests pass and may be claimed.

    A picture says what it marks. Where as many nodes pass with rewired edges, none is marked.
    """
    table = trust.table
    return pd.DataFrame(
        {
            "qvalue": np.maximum(table["q_use"], table["q_specific"]),
            "found": table.index.astype(str).isin(trust.claimed),
            "gain": table["gain"],
            "explained_by": [name or None for name in table["explained_by"]],
        },
        index=table.index.astype(str),
    )
