"""What a page says of a node: plain numbers, as JSON that no name can break out of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.compile import CompileArtifact
from edge2torch.plot._subgraph import Subgraph

_MOST, _ROOM = 5000, 450_000  # records, and bytes for all of them
_MOST_EDGES = 20_000
_PLAIN = 70  # bytes of a record, about, and of each class in it
_PER_CLASS = 24


@dataclass(frozen=True)
class NodeFacts:
    """What is known of nodes, each a frame of nodes × classes or a column by node.

    Parameters
    ----------
    scores : DataFrame
        Nodes × classes; no column where there are no scores.
    sd, agreement : DataFrame, optional
        Spread of the scores over repeats, and the share of repeats of the same sign.
    tests : DataFrame, optional
        By node: ``q_use``, ``q_specific`` and ``found``.
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    sd: pd.DataFrame | None = None
    agreement: pd.DataFrame | None = None
    tests: pd.DataFrame | None = None

    @property
    def importance(self) -> pd.Series | None:
        """Of one class its score, of several the mean magnitude."""
        if self.scores.shape[1] == 0:
            return None
        several = self.scores.shape[1] > 1
        found: pd.Series = self.scores.abs().mean(axis=1) if several else self.scores.iloc[:, 0]
        return found.dropna()

    @property
    def is_signed(self) -> bool:
        """Whether the first view has signs: a mean magnitude has none."""
        return self.scores.shape[1] == 1

    @property
    def found(self) -> set[str]:
        """Names of the nodes that are found."""
        if self.tests is None:
            return set()
        return set(self.tests.index[self.tests["found"].astype(bool)].astype(str))


def chosen_records(artifact: CompileArtifact, drawn: Sequence[str], facts: NodeFacts) -> list[str]:
    """Names that the page tells of: those that are drawn, then those of largest score."""
    size = _PLAIN + _PER_CLASS * facts.scores.shape[1]
    most = max(min(_MOST, _ROOM // size), len(drawn))
    names = artifact.graph.node_names.tolist()
    if facts.importance is not None:
        rank = facts.importance.abs().sort_values(ascending=False, kind="stable").index
        names = [*rank.astype(str), *names]
    return list(dict.fromkeys([*drawn, *names]))[:most]


def records(
    artifact: CompileArtifact,
    graph: Subgraph,
    facts: NodeFacts,
    weights: pd.DataFrame | None,
    *,
    level: float,
    roles: Sequence[str],
) -> tuple[dict[str, Any], int]:
    """Return what the script reads, and how many nodes it does not know."""
    names = chosen_records(artifact, graph.names, facts)
    number = {name: k for k, name in enumerate(names)}
    table = artifact.graph
    role = dict.fromkeys(artifact.output_names, 2) | dict.fromkeys(artifact.feature_names, 0)
    rows = table.active_rows
    ends = [table.node_names[part[rows]] for part in (table.source, table.target)]
    degree_in, degree_out = pd.Series(ends[1]).value_counts(), pd.Series(ends[0]).value_counts()
    w = np.full(len(rows), np.nan)
    if weights is not None:
        w = weights["weight"].to_numpy(np.float64)[rows]
    s = np.array([number.get(name, -1) for name in ends[0]], np.int64)
    t = np.array([number.get(name, -1) for name in ends[1]], np.int64)
    known = np.flatnonzero((s >= 0) & (t >= 0))
    if len(known) > _MOST_EDGES:
        strongest = np.argsort(-np.abs(np.nan_to_num(w[known])), kind="stable")[:_MOST_EDGES]
        known = np.sort(known[strongest])
    labels = [artifact.label(name) for name in names]
    data = {
        "level": level,
        "roles": list(roles),
        "classes": [str(name) for name in facts.scores.columns],
        "name": names,
        "label": [
            None if label == name else label for label, name in zip(labels, names, strict=True)
        ],
        "role": [role.get(name, 1) for name in names],
        "in": [int(degree_in.get(name, 0)) for name in names],
        "out": [int(degree_out.get(name, 0)) for name in names],
        "drawn": len(graph.names),
        "column": graph.layer.tolist(),
        "score": _by_class(facts.scores, names),
        "sd": _by_class(facts.sd, names),
        "agree": _by_class(facts.agreement, names),
        "rank": _ranks(facts.scores, names, role),
        "tests": None if facts.tests is None else _tests(facts.tests, names),
        "s": s[known].tolist(),
        "t": t[known].tolist(),
        "w": _rounded(w[known]),
        "edges": len(rows),
        "drawnEdges": [graph.source.tolist(), graph.target.tolist()],
    }
    return data, table.n_nodes - len(names)


def _by_class(frame: pd.DataFrame | None, names: list[str]) -> list[list[float | None]] | None:
    if frame is None or not frame.shape[1]:
        return None
    rows = frame.reindex(names)
    return [_rounded(rows.iloc[:, k].to_numpy(np.float64)) for k in range(frame.shape[1])]


def _ranks(
    scores: pd.DataFrame, names: list[str], role: dict[str, int]
) -> list[list[int | None]] | None:
    """Place of each node among those of its kind, by size of the score, in each class."""
    if not scores.shape[1]:
        return None
    kind = [role.get(str(name), 1) for name in scores.index]
    rank = scores.abs().groupby(kind).rank(ascending=False, method="min").reindex(names)
    return [
        [None if np.isnan(x) else int(x) for x in rank.iloc[:, k]] for k in range(rank.shape[1])
    ]


def _tests(tests: pd.DataFrame, names: list[str]) -> list[list[Any]]:
    rows = tests.set_axis(tests.index.astype(str), axis=0).reindex(names)
    found = [None if pd.isna(value) else bool(value) for value in rows["found"]]
    return [_rounded(rows[name].to_numpy(np.float64)) for name in ("q_use", "q_specific")] + [found]


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Three digits, which is what is shown; None for what JSON has no word for."""
    return [float(f"{x:.3g}") if np.isfinite(x) else None for x in values.tolist()]


def as_script(data: dict[str, Any]) -> str:
    """JSON for a ``<script>`` that is not run: no name in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
