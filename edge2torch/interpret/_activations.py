"""What every node holds, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice
from edge2torch._core.hooks import recorded
from edge2torch.compile import CompileArtifact, find_artifact, find_edge_model
from edge2torch.interpret._interpret import interpret_model

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples


__all__ = ["activations", "get_node_activations"]

Agg = Literal["last", "sum", "mean", "max", "all"]


def activations(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    *,
    level: Literal["summary", "sites"] = "summary",
) -> Any:
    """Return the value of every node for every sample, inputs included.

    What ``interpret_model(method="LayerActivation")`` answers, in evaluation mode. Where gradients
    or single channels are wanted, :func:`get_node_activations` gives tensors.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, customized or wrapped or neither.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples, by name.
    level : {"summary", "sites"}
        One table with a column per node (the last value of those computed in several steps or
        layers), or a dict of tables, one per layer or step.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        Rows are samples with the data's own index. A node with channels has their mean.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g"], "target": ["y"], "initial_weight": [2.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> e2t.activations(model, artifact, pd.DataFrame({"g": [1.0, 3.0]}, index=["u", "v"]))
         g    y
    u  1.0  2.0
    v  3.0  6.0
    """
    return interpret_model(
        model,
        artifact,
        data,
        target="nodes",
        method="LayerActivation",
        level=level,
        nodes="all",
        site_aggregation="last",
        quiet=True,
    )


def get_node_activations(
    model: nn.Module,
    artifact: CompileArtifact | Tensor | None = None,
    x: Tensor | None = None,
    agg: Agg = "last",
) -> dict[str, Tensor]:
    """Run a model and return the values of its nodes, by name.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, wrapped or not; run in the mode it is in.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    x : Tensor, shape (b, i)
        Input.
    agg : {"last", "sum", "mean", "max", "all"}
        How the values are joined of a node that is computed more than once; ``"all"`` keeps
        them side by side.

    Returns
    -------
    dict of str to Tensor
        (b,) per node, (b, c) where nodes have channels; with ``agg="all"`` (b, s) or (b, s, c).
        Gradients flow: use ``torch.no_grad()`` where they are not wanted.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> model, artifact = e2t.compile_graph(edges, backend="gnn", steps=2, channels=5, quiet=True)
    >>> values = e2t.get_node_activations(model, artifact, torch.zeros(4, 1), agg="all")
    >>> {name: tuple(value.shape) for name, value in values.items()}
    {'b': (4, 2, 5)}
    """
    check_choice("agg", agg, get_args(Agg))
    given, x = artifact_and_data(artifact, x, "x")
    names = find_artifact(model, given)
    base = find_edge_model(model, names)
    with recorded(base.sites()) as seen:
        model(x)
    parts: dict[str, list[Tensor]] = {}
    for site, calls in seen.items():
        for column, node in enumerate(names.node_names_by_site[site]):
            parts.setdefault(node, []).append(calls[-1][:, column])
    return {node: _joined(torch.stack(own, 1), agg) for node, own in parts.items()}


def _joined(values: Tensor, agg: Agg) -> Tensor:
    """Reduce the second dimension of values (b, s, ...)."""
    if agg == "all":
        return values
    if agg == "last":
        return values[:, -1]
    if agg == "max":
        return values.amax(1)
    return values.sum(1) if agg == "sum" else values.mean(1)
