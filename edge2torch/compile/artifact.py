"""What a compiled model's tensor positions are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from edge2torch._core.checks import check_type
from edge2torch._core.sketch import sketch
from edge2torch.compile._bound import BoundModel, compiled_part
from edge2torch.compile._hold import Amount, hold_by_name
from edge2torch.compile._labels import read_labels, with_labels
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, ExecutionPlan, FeedforwardPlan, GraphTopology, UnitGraph
from edge2torch.nn import Hold

__all__ = ["CompileArtifact", "graph_topology"]

_SHOWN = 12  # layers in a notebook


@dataclass(frozen=True, eq=False)
class CompileArtifact:
    """Names for every tensor position of a compiled model, and how it was compiled.

    Parameters
    ----------
    backend : str
        The backend's name.
    feature_names : list of str
        Input nodes in the order of the model's input columns.
    output_names : list of str
        Output nodes in the order of the model's output columns.
    node_names_by_layer : dict of str to list of str
        ``layer_0`` holds the inputs; each node stands in the layer that computes it.
    node_names_by_site : dict of str to list of str
        The same for the sites at which nodes are attributed: the layers or steps that the model
        computes.
    graph : EdgeGraph
        The checked edge table, and nodes by number.
    execution_plan : ExecutionPlan
        The order of computation, as integers.
    kernels : DataFrame
        One row per sparse block: its size, the kernel that computes it, and why.
    options : dict
        The options of ``compile_graph`` that shaped the model.
    fingerprint : str
        Identifies graph, node order and options; hexadecimal.
    unit_graph : UnitGraph, optional
        Units and weights, and the nodes and edges that they belong to, where nodes have several.
    unit_plan : ExecutionPlan, optional
        The order of computation of what the model's tensors hold: units, or nodes of one unit.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2"], "target": ["tf", "tf"]})
    >>> _, artifact = e2t.compile_graph(edges, quiet=True)
    >>> artifact
    CompileArtifact(backend='feedforward', 2 inputs, 1 output, 2 layers, 2 edges)
    >>> artifact.node_names_by_layer
    {'layer_0': ['g1', 'g2'], 'layer_1': ['tf']}
    >>> named = edges.assign(target_name="a factor")
    >>> e2t.compile_graph(named, quiet=True)[1].label("tf")
    'a factor (tf)'
    """

    backend: str
    feature_names: list[str]
    output_names: list[str]
    node_names_by_layer: dict[str, list[str]]
    node_names_by_site: dict[str, list[str]] = field(repr=False)
    graph: EdgeGraph
    execution_plan: ExecutionPlan
    kernels: pd.DataFrame = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    fingerprint: str = field(repr=False)
    unit_graph: UnitGraph | None = field(default=None, repr=False)
    unit_plan: Any = field(default=None, repr=False)

    @cached_property
    def units(self) -> pd.Series[int]:
        """How many units each node has, by name."""
        graph, units = self.graph, self.unit_graph
        counts = np.ones(graph.n_nodes, np.int64) if units is None else units.counts
        return pd.Series(counts, index=pd.Index(graph.node_names, name="node"), name="units")

    @cached_property
    def unit_slices(self) -> Mapping[str, slice]:
        """The columns of a node's units among the values of its layer, by name."""
        found = {}
        for names in self.node_names_by_layer.values():
            ends = np.cumsum(self.units[names].to_numpy()).tolist()
            starts = [0, *ends[:-1]]
            found.update({n: slice(*ab) for n, *ab in zip(names, starts, ends, strict=True)})
        return found

    def column_names(self, names: list[str]) -> list[str]:
        """Return the nodes of a layer or site column by column: a name for each of its units."""
        if self.unit_graph is None:
            return names
        return list(np.repeat(np.array(names, object), self.units[names].to_numpy()).tolist())

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """``name (identifier)`` by identifier, for nodes that the edge table names.

        Human names are read from the columns ``source_name`` and ``target_name``.
        """
        return read_labels(self.graph.edges)

    def label(self, node: str) -> str:
        """Return a node's label, or the node itself where it has none."""
        return self.labels.get(node, node)

    def with_labels(self, table: Any) -> Any:
        """Return a table with labels instead of identifiers.

        Takes a Series or DataFrame with nodes on an axis or in ``source`` and ``target``, such as
        attributions and ``edge_weights``, or a dict of them.
        """
        return with_labels(table, self.labels)

    @cached_property
    def topology(self) -> GraphTopology:
        """Who feeds whom: parents, ancestors, descendants, depth and paths, by name."""
        return GraphTopology(self.graph)

    def node_columns(self) -> NDArray[np.int64]:
        """Return where each node (n,) stands in a drawing, from the inputs in column 0 on.

        Its layer, -1 for none; with cycles there are no layers, and it is the distance from the
        inputs.
        """
        if not isinstance(self.execution_plan, FeedforwardPlan):
            return self.topology.distances
        column = np.full(self.graph.n_nodes, -1, np.int64)
        for k, nodes in enumerate(self.execution_plan.layers):
            column[nodes] = k
        return column

    def bind(self, model: nn.Module) -> BoundModel:
        """Join a model's tensors to the rows of the edge table and the nodes that they belong to.

        Parameters
        ----------
        model : Module
            The model of this graph, or a module that holds it.

        Returns
        -------
        BoundModel
            ``model``, the compiled model itself, and ``edge_values()``, ``edge_norms()``,
            ``edge_layers()`` and ``biases()``, each a list of (rows or node numbers, tensor).

        Raises
        ------
        Edge2TorchError
            For the model of another graph.

        Examples
        --------
        >>> import pandas as pd
        >>> import edge2torch as e2t
        >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "initial_weight": [2.0]})
        >>> model, artifact = e2t.compile_graph(edges, quiet=True)
        >>> [(rows.tolist(), values.tolist()) for rows, values in artifact.bind(model).edge_values()]
        [([0], [2.0])]
        """
        plan = self.execution_plan if self.unit_graph is None else self.unit_plan
        return BoundModel(compiled_part(model, self.fingerprint), plan, self.unit_graph)

    def hold(
        self,
        nodes: Sequence[str],
        samples: int,
        share: Amount = 1.0,
        value: Amount = 0.0,
        *,
        shift: Amount | None = None,
        acts: str = "value",
    ) -> Hold:
        """Say by name which nodes a model with cycles is to hold: ``model(x, hold=...)``.

        Parameters
        ----------
        nodes : list of str
            Of a recurrent model or a graph neural network.
        samples : int
            Rows of x.
        share : float, (k,) or (samples, k)
            How far each of the k nodes is taken from what it computes; 1 is do(node = value).
        value, shift : float, (k,) or (samples, k)
            What they are drawn to, and what is added after that.
        acts : {"value", "output"}
            On the node, or on what it sends alone.

        Returns
        -------
        Hold

        Raises
        ------
        Edge2TorchError
            For nodes that the model does not compute, shares outside 0 to 1, and shapes that do not fit.

        Examples
        --------
        >>> import pandas as pd
        >>> import torch
        >>> import edge2torch as e2t
        >>> edges = pd.DataFrame(
        ...     {"source": ["a", "h"], "target": ["h", "y"], "initial_weight": [1.0, 2.0]})
        >>> model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=2, quiet=True)
        >>> model(torch.tensor([[3.0]]), hold=artifact.hold(["h"], 1, share=0.5)).item()
        3.0
        """
        sites = list(self.node_names_by_site.values())
        if self.backend == "feedforward" or not sites:
            raise Edge2TorchError(
                f"backend={self.backend!r} takes no hold: knock_out holds nodes of any model."
            )
        own = len(self.feature_names)
        # the state of a recurrent model begins with the inputs, a layer of a GNN does not
        has_inputs = sites[0][:own] == self.feature_names
        computed = sites[0][own:] if has_inputs else sites[0]
        named = [str(node).strip() for node in nodes]
        self.graph.numbers(named, "nodes")  # an unknown name is told, with the nearest
        amounts = (share, value, shift)
        return hold_by_name(named, self.feature_names, computed, amounts, samples, acts)

    def __copy__(self) -> CompileArtifact:
        return self

    def __deepcopy__(self, memo: object) -> CompileArtifact:
        """Return itself: it never changes, and every copy of a model carries it."""
        return self

    def _counts(self) -> str:
        counts = (
            (len(self.feature_names), "input"),
            (len(self.output_names), "output"),
            (len(self.node_names_by_layer), "layer"),
            (self.graph.n_edges, "edge"),
            *([] if (units := self.unit_graph) is None else [(len(units.node), "unit")]),
        )
        return ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts)

    def __repr__(self) -> str:
        return f"CompileArtifact(backend={self.backend!r}, {self._counts()})"

    def _repr_html_(self) -> str:
        """Counts, a small drawing and a table of layers, for notebooks."""
        shown = list(self.node_names_by_layer.items())
        left = len(shown) - _SHOWN
        drawing = sketch(
            self.graph.node_names,
            (self.graph.source, self.graph.target),
            self.node_columns(),
            self.graph.outputs,
            {layer: len(names) for layer, names in shown},
            self.label,
        )
        rows = "".join(
            f"<tr><th>{escape(layer)}</th><td>{len(names):,}</td>"
            f"<td>{escape(', '.join(map(self.label, names[:5])))}"
            f"{', …' if len(names) > 5 else ''}</td></tr>"
            for layer, names in shown[:_SHOWN]
        )
        more = f"<tr><td colspan='3'>and {left:,} more layers</td></tr>" if left > 0 else ""
        return (
            f"<div><b>CompileArtifact</b> ({escape(self.backend)}): {self._counts()}"
            f"{drawing}"
            f"<table><tr><th>layer</th><th>nodes</th><th>names</th></tr>{rows}{more}</table></div>"
        )


def graph_topology(artifact: CompileArtifact) -> GraphTopology:
    """Look at a compiled graph: parents, children, ancestors, descendants, depth, paths.

    Parameters
    ----------
    artifact : CompileArtifact
        What ``compile_graph`` returned.

    Returns
    -------
    GraphTopology
        That is ``artifact.topology``.

    Raises
    ------
    Edge2TorchError
        When the argument is not an artifact.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> _, artifact = e2t.compile_graph(
    ...     pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    >>> e2t.graph_topology(artifact).outputs
    ['b']
    """
    wanted = "the CompileArtifact that compile_graph returned"
    check_type("artifact", artifact, CompileArtifact, wanted)
    return artifact.topology
