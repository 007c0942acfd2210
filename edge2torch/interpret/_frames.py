"""From scores by site to labelled frames, and to an AnnData object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.messages import require
from edge2torch.compile import CompileArtifact
from edge2torch.graph import EdgeGraph

Scores = Mapping[str, Tensor]


def table_frame(
    nodes: list[str] | pd.Index, values: Tensor | None, index: pd.Index
) -> pd.DataFrame:
    """Return a site's scores (b, n) by name; zeros where nothing leads to the output."""
    if values is None:
        return pd.DataFrame(np.zeros((len(index), len(nodes))), index, nodes)
    return pd.DataFrame(_to_numpy(values), index, nodes)


def deltas_frame(deltas: Scores, sites: Iterable[str], index: pd.Index) -> pd.DataFrame:
    columns = {
        name: _to_numpy(deltas[name]) if name in deltas else np.full(len(index), np.nan)
        for name in sites
    }
    return pd.DataFrame(columns, index)


def _to_numpy(values: Tensor) -> NDArray[Any]:
    is_known = values.dtype in (torch.float32, torch.float64)
    return (values if is_known else values.float()).numpy()


def within(tables: dict[str, pd.DataFrame], names: set[str]) -> dict[str, pd.DataFrame]:
    """Keep columns by name, and tables that have any left."""
    kept = {site: table.loc[:, table.columns.isin(names)] for site, table in tables.items()}
    return {site: table for site, table in kept.items() if table.shape[1]}


def side_by_side(tables: Sequence[Any], labels: list[Any] | None, name: str | None = None) -> Any:
    """Return the one table, or several outputs' tables with the output as the level ``target``."""
    if labels is None:
        return tables[0]
    joined = pd.concat(list(tables), axis=1, keys=labels)
    joined.columns = joined.columns.set_names(["target", name] if name else "target")
    return joined


def summarize(tables: dict[str, pd.DataFrame], index: pd.Index, how: str) -> pd.DataFrame:
    """Return one column per node, in order of appearance, from one or several scores of each."""
    joined = pd.concat([pd.DataFrame(index=index), *tables.values()], axis=1)
    if how == "mean_abs":
        joined = joined.abs()
    if joined.columns.is_unique:
        return joined
    nodes = joined.columns.unique()
    stack = np.full((len(tables), len(index), len(nodes)), np.nan, joined.to_numpy().dtype)
    for layer, table in zip(stack, tables.values(), strict=True):
        layer[:, nodes.get_indexer(table.columns)] = table.to_numpy()
    is_there = ~np.isnan(stack)
    if how == "mean_abs":
        values = np.abs(stack).sum(axis=0, where=is_there) / is_there.sum(axis=0)
    elif how == "sum":
        values = np.nansum(stack, axis=0)
    elif how == "mean":
        values = np.nanmean(stack, axis=0)
    elif how == "max":
        values = np.nanmax(stack, axis=0)
    else:
        place = np.arange(len(stack)).reshape(-1, 1, 1) if how == "last" else np.abs(stack)
        best = np.where(is_there, place, -1).argmax(axis=0)
        values = np.take_along_axis(stack, best[None], axis=0)[0]
    return pd.DataFrame(values, index, nodes)


def edge_frame(
    graph: EdgeGraph, scores: Sequence[Tensor], index: pd.Index, labels: list[Any] | None
) -> pd.DataFrame:
    """Return ``source, target, attribution`` row by row, or samples × edges.

    Edges that nothing is computed along have NaN.
    """
    ends = graph.edges[["source", "target"]]
    values = [np.where(graph.is_active, _to_numpy(one), np.nan) for one in scores]
    if values[0].ndim == 2:
        columns = pd.MultiIndex.from_frame(ends)
        tables = [pd.DataFrame(one, index, columns) for one in values]
        if labels is None:
            return tables[0]
        return pd.concat(tables, axis=1, keys=labels, names=["output", "source", "target"])
    tables = [ends.assign(attribution=one) for one in values]
    if labels is None:
        return tables[0]
    for label, table in zip(labels, tables, strict=True):
        table.insert(0, "output", label)
    return pd.concat(tables, ignore_index=True)


_KEY = "attribution"


def to_anndata(
    result: Any,
    about: dict[str, Any],
    data: Any,
    x: Tensor,
    samples: pd.Index,
    artifact: CompileArtifact,
) -> Any:
    """Return a copy of the data, or its input columns, with scores in ``obsm`` and ``uns``."""
    anndata = require("anndata")
    if isinstance(data, anndata.AnnData):
        cells = data.copy()
    else:
        cells = anndata.AnnData(
            x.cpu().numpy(),
            obs=pd.DataFrame(index=samples.map(str)),
            var=pd.DataFrame(index=artifact.feature_names),
        )
    cells.uns[_KEY] = {**about, "outputs": np.array(about["outputs"], dtype=object)}
    if about["target"] == "edges":
        _add_edges(cells, result)
    else:
        tables = result if isinstance(result, dict) else {about["target"]: result}
        for name, table in tables.items():
            _add_table(cells, f"{_KEY}_{name}", table)
    return cells


def _add_table(cells: Any, key: str, table: pd.DataFrame) -> None:
    """Write a table of samples × names; several outputs get a key each."""
    if table.columns.nlevels > 1:
        for label in table.columns.unique(0):
            of_output = table.loc[:, table.columns.get_level_values(0) == label].droplevel(
                0, axis=1
            )
            _add_table(cells, f"{key}_{label}", of_output)
        return
    plain = table.set_axis(cells.obs_names).rename_axis(columns=None)
    cells.obsm[key] = plain.set_axis(plain.columns.map(str), axis=1)


def _add_edges(cells: Any, result: pd.DataFrame) -> None:
    if result.columns.nlevels == 1:  # a row per edge
        cells.uns[f"{_KEY}_edges"] = result.reset_index(drop=True)
        return
    cells.obsm[f"{_KEY}_edges"] = result.to_numpy()
    cells.uns[f"{_KEY}_edges"] = result.columns.to_frame(index=False).astype(str)
