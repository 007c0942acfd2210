"""Learned weights and biases, by name."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch._core.checks import check_choice
from edge2torch.compile._bound import compiled_part
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CompiledModel


def find_edge_model(model: nn.Module, artifact: CompileArtifact | None = None) -> CompiledModel:
    """Return the compiled model inside any wrapper, after checking that the artifact is its own.

    The artifact tells which part is meant where there are several.
    """
    return model_and_artifact(model, artifact)[0]


def find_artifact(model: object, artifact: object = None) -> CompileArtifact:
    """Return the artifact that a model carries, or the given one, after checking that they match."""
    if artifact is None and isinstance(model, CompileArtifact):
        return model
    if artifact is None and not isinstance(model, nn.Module):
        raise Edge2TorchError(
            "what is needed is the CompileArtifact that compile_graph returned, or the model that "
            f"carries it; found {type(model).__name__}. Give it as artifact."
        )
    return model_and_artifact(model, artifact)[1]


def model_and_artifact(
    model: object, artifact: object = None
) -> tuple[CompiledModel, CompileArtifact]:
    """Return the compiled model inside any wrapper, and the artifact given or carried."""
    if artifact is None:
        base = compiled_part(model)
        if not isinstance(base.artifact, CompileArtifact):
            raise Edge2TorchError(
                "model carries no artifact, so it was not made by compile_graph or load_compiled "
                "of this version. Give artifact=."
            )
        return base, base.artifact
    if not isinstance(artifact, CompileArtifact):
        raise Edge2TorchError(
            f"artifact must be the CompileArtifact that compile_graph returned, found "
            f"{type(artifact).__name__}. It may be left out, for the model carries it; what comes after "
            "it is then given by name, such as data=."
        )
    return compiled_part(model, artifact.fingerprint), artifact


Level = Literal["nodes", "units"]


def edge_weights(
    model: nn.Module, artifact: CompileArtifact | None = None, *, level: Level = "nodes"
) -> pd.DataFrame:
    """Return the effective weight of every edge, constraints applied.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    level : {"nodes", "units"}
        A row per edge, or one per weight of every block between units.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``weight``, in the edge table's row order; NaN for edges that
        the model does not compute along. Where an edge carries several numbers, as in
        ``backend="gnn"``, their norm, with the sign of their sum. Where nodes have several units,
        also ``norm`` (Frobenius) and ``mean`` of an edge's block, whose ``weight`` is NaN;
        ``level="units"`` has ``source_unit`` and ``target_unit``, counted from 0.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "initial_weight": [2.0]})
    >>> e2t.edge_weights(*e2t.compile_graph(edges, quiet=True))
      source target  weight
    0      a      b     2.0
    """
    check_choice("level", level, get_args(Level))
    artifact = find_artifact(model, artifact)
    units, table = artifact.unit_graph, artifact.graph.edges[["source", "target"]]
    weights = np.full(artifact.graph.n_edges if units is None else len(units.edge), np.nan)
    with torch.no_grad():
        for numbers, values in artifact.bind(model).weight_values():
            weights[numbers] = values.double().cpu().numpy()
    if units is None:
        table = table.assign(weight=weights)
        if level == "nodes":
            return table
        ones = np.zeros(len(table), np.int64)
        return table.assign(source_unit=ones, target_unit=ones)[_OF_UNITS]
    if level == "units":
        ends = (units.unit_of(side) for side in (units.graph.source, units.graph.target))
        table = table.iloc[units.edge].reset_index(drop=True)
        table["source_unit"], table["target_unit"] = ends
        return table.assign(weight=weights)
    size = np.bincount(units.edge, minlength=len(table))
    total = np.bincount(units.edge, weights=weights, minlength=len(table))
    squares = np.bincount(units.edge, weights=weights**2, minlength=len(table))
    return table.assign(
        weight=np.where(size == 1, total, np.nan), norm=np.sqrt(squares), mean=total / size
    )


_OF_UNITS = ["source", "target", "source_unit", "target_unit", "weight"]


def node_biases(
    model: nn.Module, artifact: CompileArtifact | None = None, *, level: Level = "nodes"
) -> Any:
    """Return the bias of every node that has one.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    level : {"nodes", "units"}
        One number per node, or one for each of its units.

    Returns
    -------
    Series or DataFrame
        Indexed by node name, layer by layer; empty for ``bias=False``. Where nodes have several
        units a table: ``bias``, NaN for those, ``norm`` and ``mean``. ``level="units"`` is a Series
        by node and unit, counted from 0.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> e2t.node_biases(*e2t.compile_graph(edges, quiet=True)).to_dict()
    {'b': 0.0}
    """
    check_choice("level", level, get_args(Level))
    artifact = find_artifact(model, artifact)
    found, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    for numbers, bias in artifact.bind(model).unit_biases():
        found.append(numbers)
        values.append(bias.detach().double().cpu().numpy())
    units, numbers = artifact.unit_graph, np.concatenate(found)
    nodes = numbers if units is None else units.node[numbers]
    index = pd.Index(artifact.graph.names(nodes), name="node")
    biases = pd.Series(np.concatenate(values), index=index, name="bias")
    if level == "units":
        unit = np.zeros_like(numbers) if units is None else units.unit_of(numbers)
        return biases.set_axis(pd.MultiIndex.from_arrays([index, unit], names=["node", "unit"]))
    if units is None:
        return biases
    by_node = biases.groupby("node", sort=False)
    mean, size = by_node.mean(), by_node.size()
    norm = biases.pow(2).groupby("node", sort=False).sum().pow(0.5)
    return pd.DataFrame({"bias": mean.where(size == 1), "norm": norm, "mean": mean})
