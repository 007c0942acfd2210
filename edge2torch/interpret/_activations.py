"""What every node holds, by name: tables of samples, or tensors that gradients flow through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice
from edge2torch._core.hooks import recorded
from edge2torch.compile import CompileArtifact, find_artifact, find_edge_model
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._frames import summarize

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples


__all__ = ["activations", "get_node_activations"]

Join = Literal["last", "sum", "mean", "max"]


def activations(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    *,
    level: Literal["summary", "sites"] = "summary",
    site_aggregation: Join = "last",
) -> Any:
    """Return the value of every node for every sample, inputs included.

    What ``attribute(method="LayerActivation")`` answers, in evaluation mode. Where gradients or single
    channels are wanted, :func:`get_node_activations` gives tensors, in the same words.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, customized or wrapped or neither.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples, by name.
    level : {"summary", "sites"}
        One table with a column per node, or a dict of tables, one per layer or step.
    site_aggregation : {"last", "sum", "mean", "max"}
        How ``"summary"`` joins the values of a node that is computed in several layers or steps.

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
    check_choice("level", level, ("summary", "sites"))
    check_choice("site_aggregation", site_aggregation, get_args(Join))
    given, data = artifact_and_data(artifact, data)
    values = attribute(
        model, data, "nodes", "LayerActivation", artifact=given, nodes="all", quiet=True
    )
    tables = values.frame("sites")
    return tables if level == "sites" else summarize(tables, values.samples, site_aggregation)


def get_node_activations(
    model: nn.Module,
    artifact: CompileArtifact | Tensor | None = None,
    x: Tensor | None = None,
    agg: Join | Literal["all"] | None = None,
    *,
    level: Literal["summary", "sites"] = "summary",
    site_aggregation: Join = "last",
) -> dict[str, Tensor]:
    """Run a model and return the values of its nodes, by name: :func:`activations` as tensors.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, wrapped or not; run in the mode it is in.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    x : Tensor, shape (b, i)
        Input.
    agg : {"last", "sum", "mean", "max", "all"}, optional
        Another word for the two below: ``"all"`` is ``level="sites"``, the others are
        ``site_aggregation``.
    level : {"summary", "sites"}
        One value per node, or side by side those of all layers or steps that it is computed in.
    site_aggregation : {"last", "sum", "mean", "max"}
        How ``"summary"`` joins the values of a node that is computed more than once.

    Returns
    -------
    dict of str to Tensor
        (b,) per node, (b, c) where nodes have channels; with ``level="sites"`` (b, s) or (b, s, c).
        Gradients flow: use ``torch.no_grad()`` where they are not wanted.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> model, artifact = e2t.compile_graph(edges, backend="gnn", steps=2, channels=5, quiet=True)
    >>> values = e2t.get_node_activations(model, artifact, torch.zeros(4, 1), level="sites")
    >>> {name: tuple(value.shape) for name, value in values.items()}
    {'b': (4, 2, 5)}
    """
    if agg is not None:
        check_choice("agg", agg, (*get_args(Join), "all"))
        level, site_aggregation = ("sites", "last") if agg == "all" else ("summary", agg)
    check_choice("level", level, ("summary", "sites"))
    check_choice("site_aggregation", site_aggregation, get_args(Join))
    given, x = artifact_and_data(artifact, x, "x")
    names = find_artifact(model, given)
    base = find_edge_model(model, names)
    with recorded(base.sites()) as seen:
        model(x)
    parts: dict[str, list[Tensor]] = {}
    for site, calls in seen.items():
        for column, node in enumerate(names.node_names_by_site[site]):
            parts.setdefault(node, []).append(calls[-1][:, column])
    by_site = {node: torch.stack(values, 1) for node, values in parts.items()}
    if level == "sites":
        return by_site
    return {node: _joined(values, site_aggregation) for node, values in by_site.items()}


def _joined(values: Tensor, how: Join) -> Tensor:
    """Reduce the second dimension of values (b, s, ...)."""
    if how == "last":
        return values[:, -1]
    if how == "max":
        return values.amax(1)
    return values.sum(1) if how == "sum" else values.mean(1)
