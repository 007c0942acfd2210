"""Learned weights and biases, by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CompiledModel


def find_edge_model(model: nn.Module, artifact: CompileArtifact) -> CompiledModel:
    """Return the compiled model inside any wrapper, after checking that the artifact is its own.

    Parameters
    ----------
    model : Module
        A compiled model, or a module that holds one: customized, compiled, distributed.
    artifact : CompileArtifact
        What ``compile_graph`` returned with it.

    Returns
    -------
    CompiledModel

    Raises
    ------
    Edge2TorchError
        When there is no compiled model inside, or the artifact describes another graph.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from torch import nn
    >>> model, artifact = e2t.compile_graph(
    ...     pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    >>> find_edge_model(nn.Sequential(model, nn.Tanh()), artifact) is model
    True
    """
    if not isinstance(artifact, CompileArtifact):
        raise Edge2TorchError(
            f"artifact must be the CompileArtifact that compile_graph returned, found "
            f"{type(artifact).__name__}."
        )
    if not isinstance(model, nn.Module):
        raise Edge2TorchError(f"model must be a torch.nn.Module, found {type(model).__name__}.")
    found = next((part for part in model.modules() if isinstance(part, CompiledModel)), None)
    if found is None:
        raise Edge2TorchError(
            f"model ({type(model).__name__}) holds no model made by compile_graph."
        )
    if found.graph_fingerprint != artifact.fingerprint:
        raise Edge2TorchError(
            "artifact describes another graph, node order or options than model was compiled "
            "from. Use the artifact that compile_graph returned together with the model."
        )
    return found


def edge_weights(model: nn.Module, artifact: CompileArtifact) -> pd.DataFrame:
    """Return the effective weight of every edge, constraints applied.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact
        What ``compile_graph`` returned with it.

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
    base = find_edge_model(model, artifact)
    weights = np.full(artifact.graph.n_edges, np.nan)
    with torch.no_grad():
        for rows, values in zip(
            artifact.execution_plan.edge_rows(), base.edge_values(), strict=True
        ):
            weights[rows] = values.double().cpu().numpy()
    table = artifact.graph.edges[["source", "target"]]
    return table.assign(weight=weights)


def node_biases(model: nn.Module, artifact: CompileArtifact) -> pd.Series:
    """Return the bias of every node that has one.

    Parameters
    ----------
    model : Module
        A compiled model, wrapped or not.
    artifact : CompileArtifact
        What ``compile_graph`` returned with it.

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
    base = find_edge_model(model, artifact)
    nodes, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    plan = artifact.execution_plan
    for own, bias in zip(plan.biased_nodes(), base.node_biases(), strict=True):
        if bias is not None:
            nodes.append(own)
            values.append(bias.detach().double().cpu().numpy())
    names = artifact.graph.names(np.concatenate(nodes))
    return pd.Series(np.concatenate(values), index=pd.Index(names, name="node"), name="bias")
