"""Learned weights and biases, by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch.compile._bound import compiled_part
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CompiledModel


def find_edge_model(model: nn.Module, artifact: CompileArtifact | None = None) -> CompiledModel:
    """Return the compiled model inside any wrapper, after checking that the artifact is its own.

    Parameters
    ----------
    model : Module
        A compiled model, or a module that holds one: customized, compiled, distributed.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; tells which part is meant where there are several.

    Returns
    -------
    CompiledModel
    """
    return model_and_artifact(model, artifact)[0]


def find_artifact(model: object, artifact: object = None) -> CompileArtifact:
    """Return the artifact that a model carries, or the given one, after checking that they match.

    Parameters
    ----------
    model : Module or CompileArtifact
        A compiled model, wrapped or not; an artifact is returned as it is.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with the model.

    Returns
    -------
    CompileArtifact
    """
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


def edge_weights(model: nn.Module, artifact: CompileArtifact | None = None) -> pd.DataFrame:
    """Return the effective weight of every edge, constraints applied.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``weight``, in the edge table's row order; NaN for edges that
        the model does not compute along. Where an edge carries several numbers, as in
        ``backend="gnn"``, their norm, with the sign of their sum.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "initial_weight": [2.0]})
    >>> e2t.edge_weights(*e2t.compile_graph(edges, quiet=True))
      source target  weight
    0      a      b     2.0
    """
    artifact = find_artifact(model, artifact)
    weights = np.full(artifact.graph.n_edges, np.nan)
    with torch.no_grad():
        for rows, values in artifact.bind(model).edge_values():
            weights[rows] = values.double().cpu().numpy()
    table = artifact.graph.edges[["source", "target"]]
    return table.assign(weight=weights)


def node_biases(model: nn.Module, artifact: CompileArtifact | None = None) -> pd.Series:
    """Return the bias of every node that has one.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.

    Returns
    -------
    Series
        Indexed by node name, layer by layer; empty for ``bias=False``.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> e2t.node_biases(*e2t.compile_graph(edges, quiet=True)).to_dict()
    {'b': 0.0}
    """
    artifact = find_artifact(model, artifact)
    nodes, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    for numbers, bias in artifact.bind(model).biases():
        nodes.append(numbers)
        values.append(bias.detach().double().cpu().numpy())
    names = artifact.graph.names(np.concatenate(nodes))
    return pd.Series(np.concatenate(values), index=pd.Index(names, name="node"), name="bias")
