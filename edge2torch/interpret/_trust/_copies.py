"""The graphs of several replicates as one graph, and their weights in and out of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.nn import CompiledModel

# A unit separator: no reader of edge tables lets one through by accident.
SEPARATOR = "\x1f"


def wide_name(k: int, width: int, name: str) -> str:
    return f"{k:0{width}d}{SEPARATOR}{name}"


def compile_copies(
    artifact: CompileArtifact, n: int, *, shared_inputs: bool
) -> tuple[CompiledModel, CompileArtifact]:
    """Compile n copies of a graph that share nothing, or nothing but their inputs."""
    graph, digits = artifact.graph, len(str(n - 1))
    rows = graph.active_rows
    table = graph.edges.iloc[rows]
    is_shared = np.zeros(graph.n_nodes, bool)
    is_shared[graph.inputs] = shared_inputs
    parts = []
    for k in range(n):
        renamed = np.array([wide_name(k, digits, name) for name in graph.node_names], dtype=object)
        names = np.where(is_shared, graph.node_names, renamed)
        parts.append(
            table.assign(source=names[graph.source[rows]], target=names[graph.target[rows]])
        )
    options = {key: value for key, value in artifact.options.items() if key != "own"}
    return compile_graph(
        pd.concat(parts, ignore_index=True),
        backend=artifact.backend,
        quiet=True,
        inputs=artifact.feature_names
        if shared_inputs
        else [wide_name(k, digits, name) for k in range(n) for name in artifact.feature_names],
        outputs=[wide_name(k, digits, name) for k in range(n) for name in artifact.output_names],
        **options,
        **artifact.options["own"],
    )


@torch.no_grad()
def copy_in(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    models: Sequence[CompiledModel],
    artifact: CompileArtifact,
) -> None:
    """Give the wide model the weights and biases of the single ones."""
    weights = torch.cat([_weights(model, artifact) for model in models])
    for rows, layer in wide_artifact.bind(wide).edge_layers():
        layer.set_weights(weights[torch.from_numpy(rows)])
    values = [
        torch.cat([bias for _, bias in artifact.bind(model).biases()])
        for model in models
        if artifact.bind(model).biases()
    ]
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
    active = torch.from_numpy(artifact.graph.active_rows)
    weights = _weights(wide, wide_artifact).view(len(models), -1)
    for by_edge, model in zip(weights, models, strict=True):
        by_row = by_edge.new_zeros(artifact.graph.n_edges)
        by_row[active] = by_edge
        for rows, layer in artifact.bind(model).edge_layers():
            layer.set_weights(by_row[torch.from_numpy(rows)])
    if not wide_artifact.bind(wide).biases():
        return
    place = torch.cat(_bias_places(wide, wide_artifact, models[0], artifact))
    flat = torch.empty(len(place))
    flat = flat.to(weights).index_copy(
        0, place, torch.cat([b for _, b in wide_artifact.bind(wide).biases()])
    )
    sizes = [len(bias) for _, bias in artifact.bind(models[0]).biases()]
    for biases, model in zip(flat.view(len(models), -1), models, strict=True):
        for part, (_, bias) in zip(biases.split(sizes), artifact.bind(model).biases(), strict=True):
            bias.copy_(part)


def _weights(model: CompiledModel, artifact: CompileArtifact) -> Tensor:
    """Effective weights of the active edges, in the table's row order."""
    rows, layers = zip(*artifact.bind(model).edge_layers(), strict=True)
    values = torch.cat([layer.edge_weights() for layer in layers])
    return values[torch.from_numpy(np.argsort(np.concatenate(rows), kind="stable"))]


def _bias_places(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    single: CompiledModel,
    artifact: CompileArtifact,
) -> list[Tensor]:
    """For each bias vector of the wide model: positions among all single biases, one after another."""
    nodes = np.concatenate([nodes for nodes, _ in artifact.bind(single).biases()])
    position = pd.Series(np.arange(len(nodes)), index=artifact.graph.names(nodes))
    places = []
    for of_layer, _ in wide_artifact.bind(wide).biases():
        pairs = [name.split(SEPARATOR, 1) for name in wide_artifact.graph.names(of_layer)]
        offset = np.array([int(k) for k, _ in pairs]) * len(nodes)
        places.append(torch.from_numpy(offset + position[[name for _, name in pairs]].to_numpy()))
    return places
