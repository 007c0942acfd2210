"""The graphs of several replicates as one graph, and their weights in and out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.compile import BoundModel, CompileArtifact, compile_like
from edge2torch.nn import CompiledModel

Ints = NDArray[np.int64]

# A unit separator: no reader of edge tables lets one through by accident.
SEPARATOR = "\x1f"


def wide_name(k: int, width: int, name: str) -> str:
    return f"{k:0{width}d}{SEPARATOR}{name}"


def split_wide(names: Sequence[str]) -> tuple[Ints, list[str]]:
    """Return the number of each name's copy, and the name in it.

    By slices: pairs of as many names as a hundred networks have would set off the garbage collector,
    which takes ten times as long.

    Examples
    --------
    >>> split_wide([wide_name(3, 2, "a"), wide_name(12, 2, "b")])
    (array([ 3, 12]), ['a', 'b'])
    """
    if not len(names):
        return np.zeros(0, np.int64), []
    digits = names[0].index(SEPARATOR)
    return np.array([name[:digits] for name in names]).astype(np.int64), [
        name[digits + 1 :] for name in names
    ]


def compile_copies(
    artifact: CompileArtifact, n: int, *, shared_inputs: bool
) -> tuple[CompiledModel, CompileArtifact]:
    """Compile n copies of a graph that share nothing, or nothing but their inputs."""
    graph, digits = artifact.graph, len(str(n - 1))
    rows = graph.active_rows
    table = graph.edges.iloc[rows]
    is_shared = np.zeros(graph.n_nodes, bool)
    is_shared[graph.inputs] = shared_inputs
    prefixes = [wide_name(k, digits, "") for k in range(n)]
    names = np.array([one + name for one in prefixes for name in graph.node_names], dtype=object)
    names = names.reshape(n, -1)  # by copy and node
    names[:, is_shared] = np.array(graph.node_names, dtype=object)[is_shared]
    wide_table = table.iloc[np.tile(np.arange(len(table)), n)].reset_index(drop=True)
    wide_table = wide_table.assign(
        source=names[:, graph.source[rows]].ravel(), target=names[:, graph.target[rows]].ravel()
    )

    def wide(names: Iterable[str]) -> list[str]:
        return [wide_name(k, digits, name) for k in range(n) for name in names]

    changed: dict[str, Any] = {"outputs": wide(artifact.output_names)}
    if not shared_inputs:
        changed["inputs"] = wide(artifact.feature_names)
    if units := artifact.options.get("units"):
        changed["units"] = dict(zip(wide(units), [*units.values()] * n, strict=True))
    return compile_like(artifact, wide_table, **changed)


@torch.no_grad()
def copy_in(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    models: Sequence[CompiledModel],
    artifact: CompileArtifact,
) -> None:
    """Give the wide model the weights and biases of the single ones."""
    single = [artifact.bind(model) for model in models]
    order = _table_order(single[0])
    weights = torch.cat([_weights(model, order) for model in single])
    for numbers, layer in wide_artifact.bind(wide).weight_layers():
        layer.set_weights(weights[torch.from_numpy(numbers)])
    values = [torch.cat([b for _, b in biases]) for one in single if (biases := one.biases())]
    if values:
        place = _bias_places(wide, wide_artifact, models[0], artifact)
        flat = torch.cat(values)
        for (_, bias), positions in zip(wide_artifact.bind(wide).biases(), place, strict=True):
            bias.copy_(flat[positions])


@torch.no_grad()
def copy_out(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    models: Sequence[CompiledModel],
    artifact: CompileArtifact,
) -> None:
    """Give the single models the weights and biases of the wide one."""
    computed = artifact.graph if artifact.unit_graph is None else artifact.unit_graph.graph
    active = torch.from_numpy(computed.active_rows)
    single = [artifact.bind(model) for model in models]
    bound = wide_artifact.bind(wide)
    weights = _weights(bound, _table_order(bound)).view(len(models), -1)
    for by_edge, one in zip(weights, single, strict=True):
        by_number = by_edge.new_zeros(computed.n_edges)
        by_number[active] = by_edge
        for numbers, layer in one.weight_layers():
            layer.set_weights(by_number[torch.from_numpy(numbers)])
    if not wide_artifact.bind(wide).biases():
        return
    place = torch.cat(_bias_places(wide, wide_artifact, models[0], artifact))
    flat = torch.empty(len(place))
    flat = flat.to(weights).index_copy(
        0, place, torch.cat([b for _, b in wide_artifact.bind(wide).biases()])
    )
    sizes = [len(bias) for _, bias in single[0].biases()]
    for biases, one in zip(flat.view(len(models), -1), single, strict=True):
        for part, (_, bias) in zip(biases.split(sizes), one.biases(), strict=True):
            bias.copy_(part)


def _table_order(model: BoundModel) -> Tensor:
    """Return where the weights of the table's active edges stand among the model's, row by row."""
    numbers = [own for own, _ in model.weight_layers()]
    return torch.from_numpy(np.argsort(np.concatenate(numbers), kind="stable"))


def _weights(model: BoundModel, order: Tensor) -> Tensor:
    """Effective weights of the active edges, in the table's row order, block by block."""
    return torch.cat([layer.edge_weights() for _, layer in model.weight_layers()])[order]


def _bias_places(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    single: CompiledModel,
    artifact: CompileArtifact,
) -> list[Tensor]:
    """For each bias vector of the wide model: positions among all single biases, one after another."""
    own = np.concatenate([numbers for numbers, _ in artifact.bind(single).unit_biases()])
    node, unit = _nodes_and_units(artifact, own)
    found = [numbers for numbers, _ in wide_artifact.bind(wide).unit_biases()]
    nodes, units = zip(
        *[_nodes_and_units(wide_artifact, numbers) for numbers in found], strict=True
    )
    # each name is split and looked up once, however many units the node has
    asked, which = np.unique(np.concatenate(nodes), return_inverse=True)
    copy, names = split_wide(wide_artifact.graph.names(asked))
    number = pd.Index(artifact.graph.node_names).get_indexer(pd.Index(names))
    offset = copy * len(own)
    most = int(unit.max(initial=0)) + 1
    position = np.empty(artifact.graph.n_nodes * most, np.int64)
    position[node * most + unit] = np.arange(len(own))
    flat = offset[which] + position[number[which] * most + np.concatenate(units)]
    return list(torch.from_numpy(flat).split([len(numbers) for numbers in found]))


def _nodes_and_units(artifact: CompileArtifact, numbers: Ints) -> tuple[Ints, Ints]:
    """Return the node of each unit, and which of its units it is."""
    units = artifact.unit_graph
    if units is None:
        return numbers, np.zeros(len(numbers), np.int64)
    return units.node[numbers], units.unit_of(numbers)
