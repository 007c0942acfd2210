"""What every node holds, by name: tables of samples, or tensors that gradients flow through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice
from edge2torch._core.hooks import recorded
from edge2torch.compile import CompileArtifact, find_artifact, find_edge_model
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._engines._units import first_direction
from edge2torch.interpret._engines._walk import record_calls
from edge2torch.interpret._frames import summarize, table_frame
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._request import Request, prepared_task

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples


Join = Literal["last", "sum", "mean", "max"]


def activations(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    *,
    level: Literal["summary", "sites"] = "summary",
    site_aggregation: Join = "last",
    agg: Literal["first", "all"] = "first",
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
    agg : {"first", "all"}
        Of a node with several units: its position along the first principal direction of its
        units, 0 at the samples' mean, with the sign that goes up with the (first) output; or every
        unit. Units may be mixed without a change of the model, so their mean says nothing.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        Rows are samples with the data's own index. A node with channels has their mean. Where
        nodes have several units, ``attrs["explained"]`` of a table is the share of their variance
        along that direction, by node; ``agg="all"`` has columns (node, unit), counted from 0.

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
    check_choice("agg", agg, ("first", "all"))
    given, data = artifact_and_data(artifact, data)
    if find_artifact(model, given).unit_graph is not None:
        return _of_units(model, given, data, level, site_aggregation, agg)
    values = attribute(
        model, data, "nodes", "LayerActivation", artifact=given, nodes="all", quiet=True
    )
    tables = values.frame("sites")
    return tables if level == "sites" else summarize(tables, values.samples, site_aggregation)


def _of_units(
    model: nn.Module, given: Any, data: Any, level: str, join: Join, agg: str
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Return the values of nodes with several units: of every unit, or of the direction they share."""
    artifact = find_artifact(model, given)
    request = Request(METHODS["LayerActivation"], nodes="all", quiet=True)
    with prepared_task(request, model, artifact, data) as (task, sites, index):
        modules = [site.module for site in sites]
        with record_calls(task, modules, with_gradients=False) as calls:
            y = task.outputs_at(task.x)[0]
        tables, shares = {}, pd.Series(dtype=float)
        for call in calls:
            site = sites[call.place]
            if agg == "all":
                tables[site.name] = _by_unit(site, call.output, index)
                continue
            values, share = first_direction(site, call.output, y)
            tables[site.name] = table_frame(site.nodes, values.cpu(), index)
            own = pd.Series(share.cpu().double().numpy(), pd.Index(site.nodes, name="node"))
            tables[site.name].attrs["explained"] = own
            shares = own.combine_first(
                shares
            )  # the last site's where it is computed more than once
    if level == "sites":
        return tables
    table = summarize(tables, index, join)
    if agg == "all":
        names = ["node", "unit"]
        table.columns = pd.MultiIndex.from_arrays(
            list(zip(*table.columns, strict=True)), names=names
        )
        return table
    table.attrs["explained"] = shares[list(table.columns)]
    return table


def _by_unit(site: Site, values: Tensor, index: pd.Index) -> pd.DataFrame:
    counts = np.ones(len(site.nodes), int) if site.units is None else site.units
    pairs = [(n, k) for n, count in zip(site.nodes, counts, strict=True) for k in range(count)]
    columns = pd.Index(pairs, tupleize_cols=False)
    return pd.DataFrame(values.cpu().numpy(), index, columns)


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
        (b,) per node, (b, c) where nodes have channels, (b, u) for a node of u > 1 units; with
        ``level="sites"`` (b, s) or (b, s, c).
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
        nodes = names.node_names_by_site[site]
        if names.unit_graph is None:
            columns: Iterable[Tensor] = calls[-1].unbind(1)
        else:
            split = calls[-1].split(names.units[nodes].tolist(), dim=1)
            columns = (own.squeeze(1) if own.shape[1] == 1 else own for own in split)
        for node, own in zip(nodes, columns, strict=True):
            parts.setdefault(node, []).append(own)
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
