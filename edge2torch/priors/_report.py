"""What a step kept and dropped, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing, plural


@dataclass(frozen=True, repr=False)
class StepReport:
    """What one step made of a graph.

    Parameters
    ----------
    step : str
        The function's name.
    nodes, edges : (int, int)
        Number before and after.
    notes : tuple of str
        What was kept, dropped or named differently, and why, as sentences.
    table : DataFrame, optional
        The nodes or edges concerned, all of them, one per row.

    Examples
    --------
    >>> StepReport("cut_depth", nodes=(12, 9), edges=(20, 14), notes=("3 node(s) were bypassed.",))
    cut_depth: 12 -> 9 nodes, 20 -> 14 edges
      3 node(s) were bypassed.
    """

    step: str
    nodes: tuple[int, int]
    edges: tuple[int, int]
    notes: tuple[str, ...] = ()
    table: pd.DataFrame | None = field(default=None, compare=False)

    def _counts(self) -> str:
        parts = (("nodes", self.nodes), ("edges", self.edges))
        return ", ".join(
            f"{before:,} {word}" if before == after else f"{before:,} -> {after:,} {word}"
            for word, (before, after) in parts
        )

    def __repr__(self) -> str:
        return "\n".join([f"{self.step}: {self._counts()}", *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return f"<table>{_HEAD}{self._row()}</table>"

    def _row(self) -> str:
        cells = [self.step, *(f"{a:,} → {b:,}" if a != b else f"{a:,}" for a, b in self._pairs())]
        notes = "<br>".join(escape(note) for note in self.notes)
        return (
            "<tr>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f"<td>{notes}</td></tr>"
        )

    def _pairs(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.nodes, self.edges


_HEAD = "<tr><th>step</th><th>nodes</th><th>edges</th><th>what and why</th></tr>"


@dataclass(frozen=True, repr=False)
class PriorReport:
    """What ``prepare_prior`` made of a graph, step by step, and how much of the data it covers.

    Parameters
    ----------
    steps : tuple of StepReport
        In the order in which they were taken.
    features : tuple of str
        The data's features.
    inputs, outputs : tuple of str
        Nodes that the prepared graph is fed through and read at, sorted by name: what
        ``compile_graph`` takes as ``inputs`` and ``outputs``.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch.priors import prepare_prior
    >>> sets = pd.DataFrame({"source": ["g1", "g2", "g9"], "target": ["p", "p", "q"]})
    >>> edges, report = prepare_prior(sets, ["g1", "g2", "g3"])
    >>> report
    PriorReport: 3 nodes, 2 edges; 2 of 3 features covered (67 %), 1 output
    keep_between: 5 -> 3 nodes, 3 -> 2 edges
      1 of 3 feature(s) are not in the graph: 'g3'.
      1 node(s) that no feature reaches were dropped: 'g9', with 1 of what they led to: 'q'.
    >>> report["keep_between"].edges
    (3, 2)
    """

    steps: tuple[StepReport, ...]
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def covered(self) -> tuple[str, ...]:
        """Features that are inputs of the graph, in the data's order."""
        there = set(self.inputs)
        return tuple(name for name in self.features if name in there)

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Features that the graph does not use, in the data's order."""
        there = set(self.inputs)
        return tuple(name for name in self.features if name not in there)

    def __getitem__(self, step: str) -> StepReport:
        """Return the report of the last step of this name."""
        return {report.step: report for report in self.steps}[step]

    def __iter__(self) -> Iterator[StepReport]:
        return iter(self.steps)

    def summary(self) -> str:
        """Return size, coverage and outputs in one line."""
        parts = []
        if self.steps:
            nodes, edges = self.steps[-1].nodes[1], self.steps[-1].edges[1]
            parts.append(f"{nodes:,} nodes, {edges:,} edges; ")
        if self.features:
            share = len(self.covered) / len(self.features)
            parts.append(f"{len(self.covered):,} of {len(self.features):,} features covered")
            parts.append(f" ({100 * share:.0f} %)")
        else:
            parts.append(plural("input", len(self.inputs)))
        return "".join([*parts, f", {plural('output', len(self.outputs))}"])

    def __repr__(self) -> str:
        return "\n".join([f"PriorReport: {self.summary()}", *map(repr, self.steps)])

    def _repr_html_(self) -> str:
        rows = "".join(step._row() for step in self.steps)
        return f"<b>PriorReport</b>: {escape(self.summary())}<table>{_HEAD}{rows}</table>"


def counted(names: list[str], words: str, end: str = ".") -> tuple[str, ...]:
    """Return a sentence about nodes, or nothing when there are none."""
    return (f"{len(names):,} {words}: {listing(names)}{end}",) if names else ()


def lost(before: Iterable[str], frame: pd.DataFrame, gone: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence about nodes that are gone, beside those that were to go."""
    left = set(before) - set(frame["source"]) - set(frame["target"]) - set(gone)
    return counted(sorted(left), "node(s) had no other way up and were dropped with them")


def sizes(frame: pd.DataFrame) -> tuple[int, int]:
    """Return numbers of nodes and edges."""
    ends = np.concatenate([frame["source"].to_numpy(object), frame["target"].to_numpy(object)])
    return len(pd.unique(ends)), len(frame)


def step_report(
    step: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    notes: tuple[str, ...] = (),
    table: pd.DataFrame | None = None,
) -> StepReport:
    """Count both tables."""
    (n0, e0), (n1, e1) = sizes(before), sizes(after)
    return StepReport(step, (n0, n1), (e0, e1), notes, table)
