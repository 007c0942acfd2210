"""What a graph is like, and what it will cost to compile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import plural
from edge2torch.graph import longest_path_layers
from edge2torch.priors._cycles import components, on_cycles
from edge2torch.priors._edges import Bool, Graph, numbered
from edge2torch.priors._prior import Prior

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
_BYTES = 4  # float32
_COPIES = 4  # weight, gradient, and Adam's two moments
_STEPS, _CHANNELS = 3, 10  # what compile_graph takes when nothing is said


@dataclass(frozen=True, repr=False)
class GraphSummary:
    """What a graph is like, and what it will cost to compile.

    Parameters
    ----------
    nodes, edges, inputs, outputs : int
        Inputs are nodes without incoming edges and outputs nodes without outgoing edges, unless
        others were named.
    depth : int or None
        Layers after the inputs, by longest path; None for graphs with cycles.
    skip_edges : int or None
        Edges that lead past at least one layer; None for graphs with cycles.
    cyclic_edges, largest_cycle : int
        Edges on cycles, and nodes in the largest strongly connected component.
    degrees : DataFrame
        Quantiles of incoming and outgoing edges per node.
    costs : DataFrame
        One row per backend that takes the graph: ``parameters``; ``training_mb``, megabytes of
        float32 for them, their gradients and Adam's moments; ``flops_per_sample``, a forward pass
        with a multiplication and an addition counted as two; ``values_per_sample``, the numbers
        that training keeps for the backward pass.

    Examples
    --------
    >>> from edge2torch.priors import graph_summary
    >>> graph_summary(pd.DataFrame({"source": ["g", "p", "g"], "target": ["p", "out", "out"]}))
    GraphSummary: 3 nodes, 3 edges, 1 input, 1 output
      depth 2, 1 skip edge, no cycles
      edges per node (min, median, 95 %, max): in 0, 1, 2, 2; out 0, 1, 2, 2
      feedforward: 5 parameters, 0.0 MB to train, 6 flops per sample
      recurrent: 5 parameters, 0.0 MB to train, 18 flops per sample
      gnn: 43 parameters, 0.0 MB to train, 140 flops per sample
    """

    nodes: int
    edges: int
    inputs: int
    outputs: int
    depth: int | None
    skip_edges: int | None
    cyclic_edges: int
    largest_cycle: int
    degrees: pd.DataFrame = field(compare=False)
    costs: pd.DataFrame = field(compare=False)

    def _lines(self) -> list[str]:
        counts = (
            (self.nodes, "node"),
            (self.edges, "edge"),
            (self.inputs, "input"),
            (self.outputs, "output"),
        )
        shown = self.degrees.loc[[0.0, 0.5, 0.95, 1.0]]
        ways = (f"{way} {', '.join(f'{v:.0f}' for v in shown[way])}" for way in ("in", "out"))
        return [
            ", ".join(plural(word, count) for count, word in counts),
            self._shape(),
            f"edges per node (min, median, 95 %, max): {'; '.join(ways)}",
            *(
                f"{row.Index}: {row.parameters:,} parameters, {row.training_mb:.1f} MB to train, "
                f"{row.flops_per_sample:,} flops per sample"
                for row in self.costs.itertuples()
            ),
        ]

    def _shape(self) -> str:
        if self.depth is None:
            return (
                f"{plural('edge', self.cyclic_edges)} on cycles, the largest of "
                f"{plural('node', self.largest_cycle)}: for 'recurrent' and 'gnn'"
            )
        return f"depth {self.depth}, {plural('skip edge', self.skip_edges or 0)}, no cycles"

    def __repr__(self) -> str:
        return "\n  ".join([f"GraphSummary: {self._lines()[0]}", *self._lines()[1:]])

    def _repr_html_(self) -> str:
        head, shape, *_ = self._lines()
        tables = self.degrees.to_html(border=0) + self.costs.to_html(border=0)
        return f"<b>GraphSummary</b>: {head}; {shape}{tables}"


def graph_summary(
    edges: EdgesLike,
    *,
    inputs: Any | None = None,
    outputs: Any | None = None,
    steps: int = _STEPS,
    channels: int = _CHANNELS,
) -> GraphSummary:
    """Say what a graph is like, and what it will cost to compile.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    inputs, outputs : list of names, optional
        As they will be given to ``compile_graph``. A :class:`Prior` brings outputs of its own.
    steps, channels : int
        Of the backends that take them.

    Returns
    -------
    GraphSummary

    Raises
    ------
    Edge2TorchError
        For tables that cannot be compiled and names that are not in the graph.

    Examples
    --------
    >>> loop = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    >>> graph_summary(loop)
    GraphSummary: 4 nodes, 4 edges, 1 input, 1 output
      2 edges on cycles, the largest of 2 nodes: for 'recurrent' and 'gnn'
      edges per node (min, median, 95 %, max): in 0, 1, 2, 2; out 0, 1, 2, 2
      recurrent: 7 parameters, 0.0 MB to train, 24 flops per sample
      gnn: 99 parameters, 0.0 MB to train, 384 flops per sample
    """
    n_steps, n_channels = check_count("steps", steps), check_count("channels", channels)
    whole = numbered(edges)
    if isinstance(edges, Prior) and outputs is None:
        outputs = edges.outputs
    fed = whole.known(inputs, "inputs", otherwise=whole.is_input)
    read = whole.known(outputs, "outputs", otherwise=whole.is_end)
    # what leads into an input counts for nothing, as in the compiler
    active = ~fed[whole.target]
    graph = Graph(whole.frame, whole.names, whole.source[active], whole.target[active], fed, read)
    cyclic = on_cycles(graph)
    level = None if cyclic.any() else longest_path_layers(graph.source, graph.target, fed)
    skips = None if level is None else level[graph.target] > level[graph.source] + 1
    return GraphSummary(
        nodes=graph.n_nodes,
        edges=whole.n_edges,
        inputs=int(fed.sum()),
        outputs=int(read.sum()),
        depth=None if level is None else int(level.max()),
        skip_edges=None if skips is None else int(skips.sum()),
        cyclic_edges=int(cyclic.sum()),
        largest_cycle=int(np.bincount(components(graph)).max()) if cyclic.any() else 0,
        degrees=_degrees(whole),
        costs=_costs(graph, skips, n_steps, n_channels),
    )


def _degrees(graph: Graph) -> pd.DataFrame:
    ways = {"in": graph.target, "out": graph.source}
    counts = {way: np.bincount(ends, minlength=graph.n_nodes) for way, ends in ways.items()}
    values = {way: np.quantile(n, _QUANTILES) for way, n in counts.items()}
    return pd.DataFrame(values, index=pd.Index(_QUANTILES, name="quantile"))


def _costs(graph: Graph, skips: Bool | None, steps: int, channels: int) -> pd.DataFrame:
    """Count what each backend's model has and does, with one step's weights shared."""
    e = graph.n_edges
    used = np.zeros(graph.n_nodes, bool)
    used[graph.source] = used[graph.target] = True
    computed = int((used & ~graph.is_input).sum())
    rows: dict[str, tuple[int, int, int]] = {}
    if skips is not None:
        far = graph.source[skips], graph.target[skips]
        waiting = len(np.unique(far[1]))  # one sum per target of skip edges
        rows["feedforward"] = (e + computed, 2 * e, computed + waiting)
    rows["recurrent"] = (e + computed, steps * 2 * e, steps * computed)
    is_function = ~graph.is_input & ~(
        graph.is_end & ~np.isin(np.arange(graph.n_nodes), graph.source)
    )
    n = int(is_function.sum())
    into, out = int(is_function[graph.target].sum()), int(is_function[graph.source].sum())
    direct = int((graph.is_input[graph.source] & graph.is_end[graph.target]).sum())
    parameters = channels * (into + out) + channels * n + e + 2 * n * steps + steps + direct
    flops = steps * (2 * channels * (into + out) + 2 * e) + 2 * direct
    rows["gnn"] = (parameters, flops, steps * (2 * channels * n + e))
    names = ["parameters", "flops_per_sample", "values_per_sample"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    table.insert(1, "training_mb", table["parameters"] * _BYTES * _COPIES / 1e6)
    return table.rename_axis("backend")
