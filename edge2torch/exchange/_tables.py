"""What is known of nodes and edges, read from the tables in which it comes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from edge2torch._core.messages import kind_of, listing
from edge2torch._core.names import nearest, nearest_names
from edge2torch.errors import Edge2TorchError

_NODE_LEVELS = ("node", "feature")


def node_columns(nodes: Any, names: Sequence[str], show: str | None) -> dict[str, list[Any]]:
    """Return the columns of a table by node, each as long as ``names``, None where it says nothing.

    Of a table with several rows per node (a level ``target``) every column gets the target behind
    its name. ``show`` says whose score is the score.
    """
    if nodes is None:
        if show is not None:
            raise Edge2TorchError(f"show={show!r} chooses among the scores of nodes=; give these.")
        return {}
    if isinstance(nodes, Mapping):
        nodes = pd.Series(dict(nodes), name="score")
    if isinstance(nodes, pd.Series):
        nodes = nodes.to_frame("score")
    if not isinstance(nodes, pd.DataFrame):
        raise Edge2TorchError(
            "nodes must be a Series or dict by node, or a DataFrame with a row per node, found "
            f"{kind_of(nodes)}."
        )
    if "mean" in nodes and "score" not in nodes:  # as Attribution.summary calls it
        nodes, show = nodes.rename(columns={"mean": "score"}), "score" if show == "mean" else show
    table = _by_target(nodes, show) if nodes.index.nlevels > 1 else _with_score(nodes, show)
    table.index = table.index.map(str)
    _check_nodes(table, names)
    return _in_order({str(name): table[name].tolist() for name in table}, table.index, names)


def _in_order(
    columns: Mapping[str, list[Any]], known: Iterable[Hashable], wanted: Iterable[Hashable]
) -> dict[str, list[Any]]:
    """Put rows in another order, None where there is none: reindexing would make floats of integers."""
    row = {key: k for k, key in enumerate(known)}
    places = [row.get(key) for key in wanted]
    return {
        name: [None if k is None else values[k] for k in places] for name, values in columns.items()
    }


def _with_score(nodes: pd.DataFrame, show: str | None) -> pd.DataFrame:
    if show is None:
        return nodes.copy()
    if show not in nodes:
        near = nearest(show, map(str, nodes.columns))
        raise Edge2TorchError(
            f"show={show!r} is not a column of nodes, which has {listing(nodes.columns, 10)}.{near}"
        )
    return nodes.assign(score=nodes[show])


def _by_target(nodes: pd.DataFrame, show: str | None) -> pd.DataFrame:
    """Put the rows of several targets side by side."""
    if nodes.index.nlevels > 2:
        raise Edge2TorchError(
            f"nodes has {nodes.index.nlevels} levels in its index: {listing(nodes.index.names)}. Keep "
            "two, target and node."
        )
    of_node = next((k for k, name in enumerate(nodes.index.names) if name in _NODE_LEVELS), 1)
    labels = nodes.index.get_level_values(1 - of_node)
    targets = [str(label) for label in labels.unique()]
    if show is not None and show not in targets:
        near = nearest(show, targets)
        raise Edge2TorchError(
            f"show={show!r} is not a target of nodes, which are {listing(targets, 10)}.{near}"
        )
    shown = show if show is not None else targets[0] if len(targets) == 1 else None
    parts = []
    for target in targets:
        part = nodes[labels.map(str) == target].droplevel(1 - of_node)
        _check_once(part.index)
        parts += [part] * (target == shown) + [part.add_suffix(f"_{target}")]
    rows = parts[0].index.append([part.index for part in parts[1:]]).unique()
    side_by_side: dict[str, list[Any]] = {}
    for part in parts:
        columns = {str(name): part[name].tolist() for name in part}
        side_by_side |= _in_order(columns, part.index, rows)
    return pd.DataFrame(
        {name: pd.Series(values, rows, object) for name, values in side_by_side.items()}
    )


def _check_once(index: pd.Index[Any]) -> None:
    if twice := index[index.duplicated()].unique().tolist():
        raise Edge2TorchError(f"nodes names nodes twice: {listing(twice)}. Keep one row of each.")


def _check_nodes(table: pd.DataFrame, names: Sequence[str]) -> None:
    known = set(names)
    columns = [str(name) for name in table.columns]
    if repeated := sorted({name for name in columns if columns.count(name) > 1}):
        raise Edge2TorchError(f"nodes has columns of the same name: {listing(repeated)}.")
    unknown = [name for name in table.index if name not in known]
    if unknown and len(unknown) == len(table) and known & set(columns):
        raise Edge2TorchError(
            "nodes has a column per node and a row per sample. Give one number per node, such as "
            "their mean: nodes.mean()."
        )
    if unknown:
        raise Edge2TorchError(
            f"nodes names {len(unknown):,} node(s) that are not in the graph: {listing(unknown)}."
            f"{nearest(unknown[0], known)} Drop them, or give the graph that they belong to."
        )
    _check_once(table.index)


def edge_columns(
    edges: Any, pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the columns of a table of edges, each as long as ``pairs``."""
    if not isinstance(edges, pd.DataFrame) or not {"source", "target"} <= set(edges.columns):
        there = list(edges.columns)[:5] if isinstance(edges, pd.DataFrame) else type(edges).__name__
        raise Edge2TorchError(
            f"edges must be a DataFrame with the columns 'source' and 'target'; found {there}."
        )
    if "output" in edges:
        found: dict[str, list[Any]] = {}
        for label, part in edges.groupby("output", sort=False):
            renamed = part.drop(columns="output").rename(
                columns={"attribution": f"attribution_{label}"}
            )
            found |= edge_columns(renamed, pairs, names)
        return found
    ends = [edges[side].map(str).tolist() for side in ("source", "target")]
    given = list(zip(*ends, strict=True))
    if len(set(given)) < len(given):
        seen = pd.Series(given, dtype=object)
        raise Edge2TorchError(
            f"edges has edges twice: {listing(seen[seen.duplicated()].unique())}."
        )
    known = set(names)
    if unknown := [pair for pair in given if not set(pair) <= known]:
        first = next(name for name in unknown[0] if name not in known)
        near = listing(nearest_names(first, known))
        hint = f" Nearest to {first!r}: {near}." if near else ""
        raise Edge2TorchError(
            f"edges names {len(unknown):,} edge(s) of nodes that are not in the graph: "
            f"{listing(unknown)}.{hint}"
        )
    columns = edges.drop(columns=["source", "target"])
    return _in_order({str(name): columns[name].tolist() for name in columns}, given, pairs)
