"""What a network puts out with nodes held: in an acyclic graph only what lies below is computed anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.graph import EdgeGraph, longest_path_layers
from edge2torch.interpret._engines._hold import (
    Places,
    run_changed,
    values_to_hold,
    with_update_sites,
)
from edge2torch.interpret._engines._probe import eval_mode
from edge2torch.interpret._engines._task import parts
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._request import Request, prepared_task
from edge2torch.interpret._trust._connectivity import node_connectivity
from edge2torch.nn import (
    ACTIVATIONS,
    CompiledModel,
    CustomizedEdgeModel,
    EdgeModel,
    NodeDropout,
    OnNodes,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_VALUES_AT_ONCE = 4_000_000  # of all nodes that change, in all samples: about what a cache holds
_IDLE = (nn.Dropout, NodeDropout, nn.Identity)  # at rest
_ELEMENTWISE = tuple(one for one in ACTIVATIONS.values() if isinstance(one, type))


class Held:
    """Groups of nodes to hold in networks of one graph, and what that does to their outputs.

    Parameters
    ----------
    artifact : CompileArtifact
        Of the graph.
    groups : sequence of sequence of int
        Node numbers that are held together; an empty group holds nothing.
    """

    def __init__(self, artifact: CompileArtifact, groups: Sequence[Ints]) -> None:
        self.artifact, self.groups = artifact, [np.asarray(one, np.int64) for one in groups]
        self._dag: Dag | None = None
        self._plans: dict[int, list[tuple[slice, _Plan]]] = {}

    def outputs(
        self, model: nn.Module, x: Tensor, at_rest: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield groups and their outputs (groups, b, o) on x (b, i), held at means over ``at_rest``."""
        if self.artifact.backend == "feedforward" and self._dag is None:
            self._dag = Dag.of(self.artifact)
        known = None if self._dag is None else node_functions(model, self.artifact, self._dag)
        if known is None:
            yield from self._by_hooks(model, x, at_rest)
            return
        base, after = known
        with eval_mode(model, 0), torch.no_grad():
            yield from self._by_change(base, after, x, at_rest)

    def _by_change(
        self, base: _Functions, after: Sequence[nn.Module], x: Tensor, at_rest: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        before, values = base.run(x.float().numpy().T)
        means = base.run(at_rest.float().numpy().T)[1].mean(axis=1, keepdims=True)
        outputs = computed_graph(self.artifact).outputs
        place = np.full(len(values), -1)
        place[outputs] = np.arange(len(outputs))
        for items, plan in self._plan(base.dag, x.shape[0]):
            change = plan.run(base, before, values, means)
            y = np.repeat(values[None, outputs], items.stop - items.start, axis=0)
            at = place[plan.node]
            y[plan.group[at >= 0], at[at >= 0]] += change[at >= 0]
            out = torch.from_numpy(y).movedim(1, 2).to(x.dtype)  # groups, b, o
            if after:
                rows = out.reshape(-1, len(outputs))
                for module in after:
                    rows = module(rows)
                out = rows.unflatten(0, (out.shape[0], -1))
            yield items, out

    def _plan(self, dag: Dag, n_samples: int) -> list[tuple[slice, _Plan]]:
        if n_samples not in self._plans:
            below, units = dag.n_below, self.artifact.unit_graph
            groups = self.groups if units is None else [units.units_of(one) for one in self.groups]
            sizes = np.array([below[one].sum() for one in groups]) + 1.0
            turn = (np.cumsum(sizes) * n_samples // _VALUES_AT_ONCE).astype(int)
            cuts = [0, *(np.flatnonzero(np.diff(turn)) + 1).tolist(), len(groups)]
            self._plans[n_samples] = [
                (slice(a, b), _Plan.of(dag, groups[a:b])) for a, b in pairwise(cuts)
            ]
        return self._plans[n_samples]

    def _by_hooks(
        self, model: nn.Module, x: Tensor, at_rest: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        """Whatever the model is made of: run it as a whole, once for each group."""
        names = [self.artifact.graph.names(one) for one in self.groups]
        request = Request(
            row=replace(METHODS["NodeKnockout"], name="held", needs_output=False),
            nodes=sorted({name for group in names for name in group}),
            call={"value": "mean"},
            quiet=True,
        )
        with prepared_task(request, model, self.artifact, at_rest) as (prepared, _, _):
            task = with_update_sites(prepared)
            values, places = values_to_hold(task), Places.of_groups(task.sites, names)
            seen = replace(task, x=x.to(task.x))
            n = seen.probe.outputs(seen.x[:1]).shape[1]
            y = seen.x.new_empty(len(names), len(x), n)
            for part in parts(seen, len(names)):
                y[part.items, part.samples] = run_changed(seen, places, part, values)
            yield slice(0, len(names)), y


# ------------------------------------------------------------------ acyclic graphs, along edges


def computed_graph(artifact: CompileArtifact) -> EdgeGraph:
    """Return the graph that a model computes: of nodes, or of their units where they have several."""
    return artifact.graph if artifact.unit_graph is None else artifact.unit_graph.graph


@dataclass(frozen=True, eq=False)
class Dag:
    """Active edges with their rows in the table, and the layer of each node; units count as nodes."""

    source: Ints
    target: Ints
    rows: Ints
    layer: Ints
    inputs: Ints
    n_below: Ints

    @classmethod
    def of(cls, artifact: CompileArtifact) -> Dag:
        graph, units = computed_graph(artifact), artifact.unit_graph
        rows = graph.active_rows
        source, target = graph.source[rows], graph.target[rows]
        layer = longest_path_layers(source, target, graph.is_input)
        below = node_connectivity(artifact)["downstream"].to_numpy()
        if units is not None:
            below = below[units.node]
        return cls(source, target, rows, layer, graph.inputs, below)


@dataclass(frozen=True, eq=False)
class _Functions:
    """A trained acyclic network as numbers: weights, biases, and what acts at each node."""

    dag: Dag
    weight: Floats  # (e,), in the order of the dag's edges
    bias: Floats  # (n, 1)
    scale: Floats
    shift: Floats
    kind: Ints  # which of the modules acts at a node, -1 for none
    modules: Sequence[nn.Module]

    def run(self, x: Floats) -> tuple[Floats, Floats]:
        """Return sums that arrive at each node and the nodes' values, (n, b), from x (i, b)."""
        dag, n = self.dag, len(self.bias)
        sums = np.zeros((n, x.shape[1]), np.float32)
        values = np.zeros_like(sums)
        values[dag.inputs] = x
        of_edge = dag.layer[dag.target]
        for layer in range(1, int(dag.layer.max()) + 1):
            nodes = np.flatnonzero(dag.layer == layer)
            into = np.flatnonzero(of_edge == layer)
            row = np.searchsorted(nodes, dag.target[into])
            matrix = sparse.csr_array(
                (self.weight[into], (row, dag.source[into])), shape=(len(nodes), n)
            )
            sums[nodes] = matrix @ values + self.bias[nodes]
            values[nodes] = self.act(sums[nodes], nodes)
        return sums, values

    def act(self, sums: Floats, nodes: Ints) -> Floats:
        """Return the values of nodes (m, b) at which these sums arrive."""
        values = sums * self.scale[nodes]
        values += self.shift[nodes]
        kind = self.kind[nodes]
        for k in np.flatnonzero(np.bincount(kind[kind >= 0])).tolist():
            rows = kind == k
            if rows.all():
                return np.asarray(self.modules[k](torch.from_numpy(values)).numpy())
            values[rows] = self.modules[k](torch.from_numpy(values[rows])).numpy()
        return values


@dataclass(frozen=True, eq=False)
class _Plan:
    """All pairs of a group and a node that changes with it, layer by layer; ``p`` pairs."""

    group: Ints  # (p,)
    node: Ints
    is_held: NDArray[np.bool_]
    layers: list[tuple[slice, Any, Any, Ints]]  # pairs, and a matrix from earlier pairs to them

    @classmethod
    def of(cls, dag: Dag, groups: Sequence[Ints]) -> _Plan:
        n = len(dag.layer)
        order = np.argsort(dag.source, kind="stable")
        start = np.searchsorted(dag.source[order], np.arange(n + 1))
        sizes = [len(one) for one in groups]
        held = np.unique(
            np.repeat(np.arange(len(groups)), sizes) * n
            + np.concatenate([*groups, np.empty(0, np.int64)])
        )
        seen, frontier = held, held
        found: list[tuple[Ints, Ints, Ints]] = []
        while len(frontier):
            node = frontier % n
            count = start[node + 1] - start[node]
            first = np.repeat(start[node] - np.cumsum(count) + count, count)
            edge = order[first + np.arange(len(first))]
            below = np.repeat(frontier - node, count) + dag.target[edge]
            free = ~np.isin(below, held)
            found.append((below[free], np.repeat(frontier, count)[free], edge[free]))
            frontier = np.setdiff1d(below[free], seen)
            seen = np.union1d(seen, frontier)
        seen = seen[np.lexsort((seen, dag.layer[seen % n]))]
        by_key = np.argsort(seen)
        below, above, edge = (
            (np.concatenate(one) for one in zip(*found, strict=True)) if found else (held[:0],) * 3
        )
        row, column = (by_key[np.searchsorted(seen, key, sorter=by_key)] for key in (below, above))
        group, node = np.divmod(seen, n)
        layer = dag.layer[node]
        layers = []
        ranked = np.argsort(row, kind="stable")
        row, column, edge = row[ranked], column[ranked], edge[ranked]
        bounds = np.searchsorted(layer, np.arange(int(layer.max(initial=0)) + 2))
        for a, b in pairwise(bounds.tolist()):
            i, j = np.searchsorted(row, [a, b])
            if a < b and i < j:
                pointer = np.searchsorted(row[i:j], np.arange(a, b + 1))
                layers.append((slice(a, b), pointer, column[i:j], edge[i:j]))
        return cls(group, node, np.isin(seen, held), layers)

    def run(self, base: _Functions, sums: Floats, values: Floats, means: Floats) -> Floats:
        """Return by how much every pair's value changes, (p, b)."""
        change = np.zeros((len(self.node), sums.shape[1]), np.float32)
        held = self.node[self.is_held]
        change[self.is_held] = means[held] - values[held]
        for pairs, pointer, column, edge in self.layers:
            matrix = sparse.csr_array(
                (base.weight[edge], column, pointer), shape=(len(pointer) - 1, pairs.start)
            )
            node, free = self.node[pairs], ~self.is_held[pairs]
            arriving = matrix @ change[: pairs.start]
            bent = base.kind[node] >= 0
            if free.all() and not bent.any():  # most are of outputs: nothing more happens to them
                np.multiply(arriving, base.scale[node], out=change[pairs])
                continue
            if not bent.all():
                straight = free & ~bent
                change[pairs][straight] = (arriving * base.scale[node])[straight]
            if bent.any():
                own = np.flatnonzero(free & bent)
                at = node[own]
                arriving = arriving[own]
                arriving += sums[at]
                after = base.act(arriving, at)
                after -= values[at]
                change[pairs.start + own] = after
        return change


def node_functions(
    model: nn.Module, artifact: CompileArtifact, dag: Dag
) -> tuple[_Functions, list[nn.Module]] | None:
    """Return a model as functions of single nodes and what comes after; None where it is not that."""
    base = find_edge_model(model, artifact)
    bare = isinstance(model, CompiledModel | CustomizedEdgeModel)
    if not bare or type(base) is not EdgeModel or any(p.is_cuda for p in model.parameters()):
        return None
    graph, units, bound = computed_graph(artifact), artifact.unit_graph, artifact.bind(base)
    by_row = np.zeros(graph.n_edges, np.float32)
    bias = np.zeros((graph.n_nodes, 1), np.float32)
    for rows, weight in bound.weight_values():
        by_row[rows] = weight.detach().numpy()
    for nodes, own in bound.unit_biases():
        bias[nodes, 0] = own.detach().numpy()
    acting = _Acting(graph.n_nodes)
    for slot in base.node_slots():
        nodes = artifact.graph.numbers(artifact.node_names_by_layer[slot.name], "nodes")
        nodes = nodes if units is None else units.units_of(nodes)
        for stage in slot.stages.values():
            for columns, module in _apart(stage, np.arange(slot.width)):
                if not acting.add(module, nodes[columns]):
                    return None
    kind, modules = _merged(acting.kind, acting.modules)
    found = _Functions(dag, by_row[dag.rows], bias, acting.scale, acting.shift, kind, modules)
    return found, list(model.after.values()) if isinstance(model, CustomizedEdgeModel) else []


class _Acting:
    """What acts at each node at rest: scale and shift, then one function of a number."""

    def __init__(self, n: int) -> None:
        self.scale, self.shift = np.ones((n, 1), np.float32), np.zeros((n, 1), np.float32)
        self.kind, self.modules = np.full(n, -1), list[nn.Module]()

    def add(self, module: nn.Module, nodes: Ints) -> bool:
        """Add a module that acts at some nodes, after what is there; say whether that can be told."""
        if isinstance(module, _IDLE):
            return True
        if (self.kind[nodes] >= 0).any():  # something comes after the function
            return False
        if isinstance(module, nn.BatchNorm1d):
            mean, variance = module.running_mean, module.running_var
            if mean is None or variance is None or len(mean) != len(nodes):
                return False
            factor = (variance + module.eps).rsqrt()
            offset = -mean * factor
            if module.affine:
                factor = factor * module.weight.detach()
                offset = offset * module.weight.detach() + module.bias.detach()
            self.scale[nodes, 0] *= factor.numpy()
            self.shift[nodes, 0] = self.shift[nodes, 0] * factor.numpy() + offset.numpy()
            return True
        if isinstance(module, _ELEMENTWISE) and not list(module.parameters()):
            self.kind[nodes] = len(self.modules)
            self.modules.append(module)
            return True
        return False


def _apart(module: nn.Module, columns: Ints) -> Iterator[tuple[Ints, nn.Module]]:
    """Yield columns of a layer and the module that acts on exactly these."""
    if not isinstance(module, OnNodes):
        yield columns, module
        return
    taken = np.zeros(len(columns), bool)
    for own, one in module.groups:
        taken[own] = True
        yield columns[own], one
    if module.others is not None:
        yield columns[~taken], module.others


def _merged(kind: Ints, modules: list[nn.Module]) -> tuple[Ints, list[nn.Module]]:
    """Number modules that do the same alike: layers have copies of one activation."""
    known: dict[str, int] = {}
    number = np.array([known.setdefault(repr(one), len(known)) for one in modules], np.int64)
    kept = [modules[int(np.flatnonzero(number == k)[0])] for k in range(len(known))]
    return (np.where(kind >= 0, number[kind], -1) if len(number) else kind), kept
