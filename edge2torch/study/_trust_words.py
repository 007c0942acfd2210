"""Which nodes are found, in words and rows; every word follows from the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.study._pipeline import Results
from edge2torch.study._trust import LEVEL, Trust
from edge2torch.study._verdict import against_shuffled

_FEWEST_EXPECTED = 2.5  # p below .05 where nothing is to be found: a share of fewer says nothing


@dataclass(frozen=True)
class TrustWords:
    """A sentence on each question that the tests of nodes answer.

    Parameters
    ----------
    use, specific : str
        What was asked of every node, and how many say yes.
    beside : str
        What the same procedure finds with rewired edges, and a test without a network.
    null : str
        How far the test of controls is calibrated.
    edges : str
        Whether the given edges helped.
    """

    use: str
    specific: str
    beside: str
    null: str
    edges: str

    @property
    def beside_verdicts(self) -> tuple[str, ...]:
        """What no verdict says."""
        return self.use, self.specific, self.null

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        return *self.beside_verdicts, self.beside, self.edges


def trust_words(results: Results) -> TrustWords | None:
    """Say what was asked of every node, and what came out."""
    trust, words = results.trust, results.study.words
    if trust is None:
        return None
    table, metric = trust.table, results.metric
    nodes = plural(words.node, len(table))
    unit = plural(words.sample) if results.study.groups is None else "groups"
    used, specific = (int((table[name] < LEVEL).sum()) for name in ("q_use", "q_specific"))
    sets = int((table["q_set"] < LEVEL).sum())
    both = int((table["found"] & (table["q_set"] < LEVEL)).sum())
    among = f", {both} of the {len(trust.found)} found above among them" if trust.found else ""
    share = float(trust.calibration["p<.05"].mean())
    tests = len(table) * trust.controls
    # two standard errors of a share of so many nodes
    most = LEVEL + 2 * (LEVEL * (1 - LEVEL) / tests) ** 0.5
    if share > most:
        wide = "more than it should: read q with care"
    else:
        few = LEVEL * tests < _FEWEST_EXPECTED
        wide = f"{round(share * tests)} of {tests:,}, too few to tell" if few else "as it should be"
    n_folds = len(trust.quality)
    # why they may predict worse than the network that the report is on
    only = "only " if trust.epochs < results.study.settings.max_epochs else ""
    return TrustWords(
        use=f"Does the prediction of new {plural(words.sample)} rest on the {words.node}? "
        f"{plural('network', n_folds * trust.starts)} of {plural('fold', n_folds)}, trained for {only}"
        f"{plural('epoch', trust.epochs)}, were asked ({metric.label} "
        f"{metric.show_spread(trust.quality)}): each {words.node} was held at its "
        f"training mean, and the loss of every held-out {words.sample} compared. For {used} of {nodes} it rises "
        f"(one-sided t-test over {unit}, false discovery rate {LEVEL:.0%}).",
        specific=f"More than as many other {plural(words.feature)} would? With its strongest "
        f"{plural(words.feature)} held at their means, {specific} of {nodes} still "
        f"lower the loss more than in networks whose {plural(words.feature)} were exchanged "
        f"{trust.controls} times. Found is what says yes to both: {len(trust.found)}.",
        beside=f"The same procedure finds {trust.n_rewired} of {nodes} with rewired edges. Without any "
        f"network, a test of the {plural(words.feature)} under each {words.node} (Wilcoxon's, with their "
        f"correlation) finds {sets} of {nodes}{among}.",
        null=f"Each of the {trust.controls} controls held against the others: {share:.1%} of its "
        f"{plural(words.node)} have p below .05 on average, {wide}.",
        edges=f"Did the given edges do better than rewired ones? {against_shuffled(results).text}",
    )


def trust_sentences(results: Results) -> list[str]:
    """Return all that is said of the tests of nodes; nothing where there were none."""
    said = trust_words(results)
    return [] if said is None else list(said.sentences)


def node_rows(results: Results, n: int) -> list[dict[str, Any]]:
    """The found nodes, then the first ``n`` of those that any features would stand in for."""
    trust = results.trust
    if trust is None:
        return []
    label, best = results.study.network.artifact.label, _class_of(trust)
    rows = []
    for node in [*trust.found, *trust.only_used[:n]]:
        one: Any = trust.table.loc[node]
        rows.append(
            {
                "label": label(node),
                "group": best.get(node, ""),
                "gain": float(one["gain"]),
                "gain_se": float(one["gain_se"]),
                "q_use": float(one["q_use"]),
                "coherent_gain": float(one["coherent_gain"]),
                "q_specific": float(one["q_specific"]),
                "n_inputs": int(one["n_inputs"]),
                "explained_by": label(one["explained_by"]) if one["explained_by"] else "",
                "found": node in trust.claimed,
            }
        )
    return rows


def _class_of(trust: Trust) -> dict[str, str]:
    """The class of largest gain, against the rest, of every node that is used for any.

    Of two classes each is the rest of the other, and both have the same gain.
    """
    if len(trust.by_class) <= 2:
        return {}
    gain = pd.DataFrame({name: part["gain"] for name, part in trust.by_class.items()})
    q = pd.DataFrame({name: part["q_use"] for name, part in trust.by_class.items()})
    used = gain.where(q < LEVEL).dropna(how="all")
    alone = used.eq(used.max(axis=1), axis=0).sum(axis=1) == 1  # of equals none is the first
    return {str(node): str(name) for node, name in used[alone].idxmax(axis=1).items()}


def found_table(trust: Trust) -> pd.DataFrame:
    """All nodes with their tests, for a file; the gain for each class behind."""
    table = trust.table.copy()
    for name, part in trust.by_class.items():
        table[f"gain {name}"] = part["gain"]
        table[f"q_use {name}"] = part["q_use"]
    claimed = table.index.astype(str).isin(trust.claimed)
    table.insert(list(table.columns).index("found") + 1, "claimed", claimed)
    table = table.rename_axis("node").reset_index()
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="rank"))
