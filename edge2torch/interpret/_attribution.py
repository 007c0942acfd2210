"""The answer to the question what an output rests on, in every form that it can be read in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.checks import check_choice
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._task import OutputScores
from edge2torch.interpret._frames import (
    deltas_frame,
    edge_frame,
    side_by_side,
    summarize,
    table_frame,
    to_anndata,
    within,
)
from edge2torch.interpret._request import nodes_by_choice
from edge2torch.interpret._score_graph import score_graph

if TYPE_CHECKING:
    import networkx as nx
    from anndata import AnnData

LEVELS = {
    "features": ("sites", "summary"),
    "nodes": ("sites", "summary", "units"),
    "edges": ("summary", "samples"),
}
AGGREGATIONS = ("max_abs", "mean_abs", "last")
Aggregation = Literal["max_abs", "mean_abs", "last"]
_SHOWN = 10  # rows in a notebook


@dataclass(frozen=True, eq=False)
class Attribution:
    """Scores of features, nodes or edges for the outputs of a model, sample by sample.

    Made by :func:`edge2torch.attribute`.

    Parameters
    ----------
    method : str
        Name of the method.
    target : {"features", "nodes", "edges"}
        What has scores.
    outputs : list of str or int, or None
        The outputs that were asked for in a list; None where one was asked for.
    artifact : CompileArtifact
        Names of everything in the graph.
    samples : Index, length b
        The data's own index.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame(
    ...     {"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "y"], "initial_weight": [1.0, 2, 3]}
    ... )
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 0.0], "g2": [1.0, 1.0]}, index=["cell_a", "cell_b"])
    >>> why = e2t.attribute(model, cells, target="nodes", quiet=True)
    >>> why
    Attribution(LayerConductance of nodes, 2 samples)
    >>> why.frame().round(1)
             tf    y
    cell_a  9.0  9.0
    cell_b  6.0  6.0
    """

    method: str
    target: str
    outputs: list[Any] | None
    artifact: CompileArtifact
    samples: pd.Index = field(repr=False)
    _labels: Sequence[Any] = field(repr=False)
    _scores: Sequence[OutputScores] = field(repr=False)
    _sites: Mapping[str, list[str]] = field(repr=False)
    _nodes: str | Sequence[str] = field(repr=False)
    _has_delta: bool = field(repr=False)
    _data: Any = field(repr=False)
    _x: Tensor = field(repr=False)
    _units: Mapping[str, Any] | None = field(default=None, repr=False)  # where scores are of units

    def frame(self, level: str | None = None, *, site_aggregation: Aggregation = "max_abs") -> Any:
        """Return the scores as a table.

        Parameters
        ----------
        level : {"summary", "sites", "units", "samples"}, optional
            For nodes: one table with a column per node (``"summary"``, the default), a dict with one
            table per layer or step (``"sites"``), or a table with columns ``(node, unit)`` (``"units"``),
            where ``attribute`` was called with ``by_unit=True``. For edges: means over samples, a row
            per edge (``"summary"``, the default), or samples × edges (``"samples"``), where
            ``attribute`` was called with ``by_sample=True``.
        site_aggregation : {"max_abs", "mean_abs", "last"}
            How ``"summary"`` joins the scores of a node that is computed in several layers or
            steps: the largest by size, with its sign; the mean of their sizes; the last.

        Returns
        -------
        DataFrame or dict of str to DataFrame
            Rows are samples with the data's own index, columns are features or nodes; several
            outputs are the column level ``target``. For edges ``source``, ``target`` and
            ``attribution`` in the edge table's row order, with ``output`` in front of several.

        Raises
        ------
        Edge2TorchError
            For a level that the target does not have, or that was not asked for.
        """
        level = level or "summary"
        check_choice("level", level, LEVELS[self.target])
        check_choice("site_aggregation", site_aggregation, AGGREGATIONS)
        if self.target == "edges":
            return self._edges(level)
        if self.target == "features":
            (name,) = self._sites
            tables = [table_frame(*self._site(name, a), self.samples) for a in self._scores]
            return side_by_side(tables, self.outputs, "feature")
        by_output = self._by_output(by_unit=level == "units")
        if level == "units":
            tables = [summarize(one, self.samples, site_aggregation) for one in by_output]
            named = [
                one.set_axis(
                    pd.MultiIndex.from_tuples(cast(Any, one.columns), names=["node", "unit"]),
                    axis=1,
                )
                for one in tables
            ]
            if self.outputs is None:
                return named[0]
            return pd.concat(named, axis=1, keys=self.outputs, names=["target"])
        if level == "summary":
            tables = [summarize(one, self.samples, site_aggregation) for one in by_output]
            return side_by_side(tables, self.outputs, "node")
        return {
            name: side_by_side([one[name] for one in by_output], self.outputs, "node")
            for name in by_output[0]
        }

    @property
    def delta(self) -> Any:
        """How far the scores are from summing to what they explain; None unless asked for.

        One number per sample; for nodes a column per layer or step, for several outputs the
        column level ``target``.
        """
        if not self._has_delta:
            return None
        names = list(self._sites) if self.target == "features" else list(self._by_output()[0])
        gaps = [deltas_frame(result.deltas, names, self.samples) for result in self._scores]
        if self.target == "features":
            return side_by_side([gap[names[0]].rename("delta") for gap in gaps], self.outputs)
        return side_by_side(gaps, self.outputs, "site")

    def summary(self) -> pd.DataFrame:
        """Return one row per feature, node or edge, those of the largest scores first.

        Returns
        -------
        DataFrame
            ``mean``, the mean score over samples, which may cancel, and ``mean_abs``, that of its
            size, by which the rows are sorted. Edges have ``source``, ``target`` and ``mean``.
            Several outputs come one after the other, with the output in front.

        Examples
        --------
        >>> import pandas as pd
        >>> import edge2torch as e2t
        >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["y", "y"],
        ...                       "initial_weight": [1.0, -2.0]})
        >>> model, _ = e2t.compile_graph(edges, quiet=True)
        >>> e2t.attribute(model, pd.DataFrame({"a": [1.0], "b": [1.0]}), quiet=True).summary()
                 mean  mean_abs
        feature
        b        -2.0       2.0
        a         1.0       1.0
        """
        table: pd.DataFrame = self.frame()
        if self.target == "edges":
            table = table.rename(columns={"attribution": "mean"})
            order = table["mean"].abs().sort_values(ascending=False, kind="stable").index
            table = table.loc[order]
            if self.outputs is not None:
                table = table.sort_values("output", key=self._rank, kind="stable")
            return table.reset_index(drop=True)
        means = pd.DataFrame({"mean": table.mean(), "mean_abs": table.abs().mean()})
        by = ["mean_abs"]
        if self.outputs is None:
            means.index.name = self.target.removesuffix("s")
            return means.sort_values(by, ascending=False, kind="stable")
        means.index = means.index.set_names(["output", self.target.removesuffix("s")])
        means = means.sort_values(by, ascending=False, kind="stable")
        return means.sort_index(level="output", key=self._rank, kind="stable", sort_remaining=False)

    def to_anndata(
        self, level: str | None = None, *, site_aggregation: Aggregation = "max_abs"
    ) -> AnnData:
        """Return the data, or the input columns of it, with scores in ``obsm`` and ``uns``.

        ``level`` and ``site_aggregation`` are those of :meth:`frame`; by default all that was
        computed.
        """
        level = level or ("sites" if self.target == "nodes" else self._finest)
        table = self.frame(level, site_aggregation=site_aggregation)
        labels = [str(label) for label in self._labels if label is not None]
        about = {"method": self.method, "target": self.target, "outputs": labels}
        return to_anndata(table, about, self._data, self._x, self.samples, self.artifact)

    def to_networkx(
        self, *, edges: pd.DataFrame | None = None, site_aggregation: Aggregation = "max_abs"
    ) -> nx.DiGraph:
        """Return the graph with mean scores on its nodes or edges.

        ``edges`` puts numbers on the edges beside scores of nodes: a frame of ``target="edges"``, or
        what ``edge_weights`` returned.
        """
        table = self.frame(site_aggregation=site_aggregation)
        if edges is not None and not isinstance(edges, pd.DataFrame):
            raise Edge2TorchError(
                f"edges must be a table, found {type(edges).__name__}. Of an Attribution of edges take "
                ".frame()."
            )
        if self.target != "edges":
            return score_graph(self.artifact, nodes=table, edges=edges)
        if edges is not None:
            raise Edge2TorchError("edges= is for scores of nodes; these are of edges.")
        return score_graph(self.artifact, edges=table)

    @property
    def _finest(self) -> str:
        """The level with all that was computed."""
        by_sample = self.target == "edges" and self._scores[0].scores["edges"].dim() > 1
        return "samples" if by_sample else "summary"

    def _rank(self, labels: Any) -> Any:
        return labels.map({label: k for k, label in enumerate(self.outputs or [])})

    def _site(self, name: str, result: OutputScores) -> tuple[list[str], Tensor | None]:
        scores, places = result.scores.get(name), self._places(name)
        if self._units is None or scores is None or self._units[name] is None:
            return self._sites[name], scores
        nodes = torch.tensor([node for node, _ in places])
        summed = scores.new_zeros(len(scores), len(self._sites[name]))
        return self._sites[name], summed.index_add(1, nodes, scores)

    def _places(self, name: str) -> list[tuple[int, int]]:
        """Return node and unit of each column of a site's scores, where they are of units."""
        counts = None if self._units is None else self._units[name]
        counts = [1] * len(self._sites[name]) if counts is None else counts
        return [(node, unit) for node, count in enumerate(counts) for unit in range(count)]

    def _by_output(self, *, by_unit: bool = False) -> list[dict[str, pd.DataFrame]]:
        """Return the tables of all sites with the wanted nodes, for each output."""
        kept: set[Any] = self._kept()
        if not by_unit:
            return [
                within({n: table_frame(*self._site(n, a), self.samples) for n in self._sites}, kept)
                for a in self._scores
            ]
        if self._units is None:
            raise Edge2TorchError(
                "level='units': scores were added up over each node's units. Call attribute(..., "
                "by_unit=True)."
            )
        columns = {
            name: pd.Index([(nodes[k], u) for k, u in self._places(name)], tupleize_cols=False)
            for name, nodes in self._sites.items()
        }
        kept = {own for one in columns.values() for own in one if own[0] in kept}
        return [
            within(
                {n: table_frame(one, a.scores.get(n), self.samples) for n, one in columns.items()},
                kept,
            )
            for a in self._scores
        ]

    def _kept(self) -> set[str]:
        if not isinstance(self._nodes, str):
            return set(self._nodes)
        return set(nodes_by_choice(self._nodes, self._sites.values(), self.artifact))

    def _edges(self, level: str) -> pd.DataFrame:
        scores = [result.scores["edges"] for result in self._scores]
        if level == "samples" and self._finest != "samples":
            raise Edge2TorchError(
                "level='samples': the scores of edges were computed as means over samples. Call "
                "attribute(..., by_sample=True)."
            )
        if level == "summary":
            scores = [values.mean(0) if values.dim() > 1 else values for values in scores]
        return edge_frame(self.artifact.graph, scores, self.samples, self.outputs)

    def __repr__(self) -> str:
        of = "" if self.outputs is None else f" for {len(self.outputs)} outputs"
        count = len(self.samples)
        plural = "" if count == 1 else "s"
        return f"Attribution({self.method} of {self.target}{of}, {count:,} sample{plural})"

    def _repr_html_(self) -> str:
        """The largest scores, for notebooks."""
        table = self.artifact.with_labels(self.summary().head(_SHOWN))
        more = len(self.summary()) - _SHOWN
        note = f"<p>and {more:,} more: <code>.summary()</code></p>" if more > 0 else ""
        return f"<div><b>{self!r}</b>{table.to_html(float_format='{:.4g}'.format)}{note}</div>"


def on_cpu(results: Sequence[OutputScores]) -> list[OutputScores]:
    """Return answers that hold no memory of a device or of a graph of gradients."""

    def free(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.no_grad():
            return {name: value.detach().cpu() for name, value in scores.items()}

    return [OutputScores(free(result.scores), free(result.deltas)) for result in results]
