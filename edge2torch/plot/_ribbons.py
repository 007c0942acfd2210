"""What a flow through layers is made of: bars for nodes, ribbons for edges, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.plot._subgraph import node_layers

PITCH, GAP, TALL = 14.0, 5.0, 330.0  # points: least place of a node, between nodes, all of the flow
_SWEEPS = 6


@dataclass(frozen=True)
class Ribbons:
    """Bars and ribbons to draw; ``k`` bars, ``m`` ribbons.

    Parameters
    ----------
    names : list of str, length k
        Nodes; a bar that stands for several is named for their number.
    is_rest : ndarray of bool, shape (k,)
        Which bars stand for several nodes.
    column : ndarray of int64, shape (k,)
        From left to right.
    flow : ndarray, shape (k,)
        What goes through: the larger one of what comes in and what goes out.
    source, target : ndarray of int64, shape (m,)
        Positions in ``names``.
    value : ndarray, shape (m,)
        Sum of attributions of one sign.
    n_back : int
        Edges left out because they lead back, or stay in their column.
    """

    names: list[str]
    is_rest: NDArray[np.bool_]
    column: NDArray[np.int64]
    flow: NDArray[np.float64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    value: NDArray[np.float64]
    n_back: int


@dataclass(frozen=True)
class Places:
    """Heights in points, upwards: the middle of each bar, its size, and the ribbons' lower ends."""

    y: NDArray[np.float64]
    height: NDArray[np.float64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    thickness: NDArray[np.float64]
    total: float


def choose_ribbons(
    artifact: CompileArtifact, table: pd.DataFrame, output: str | None, n: int
) -> Ribbons:
    """Keep the n nodes of each layer that most goes through; the others of a layer become one bar."""
    layer = node_layers(artifact, None if output is None else [output])
    rows = _numbered(artifact, table)
    inside = (layer[rows["source"]] >= 0) & (layer[rows["target"]] >= 0)
    rows = rows[inside]
    onward = layer[rows["target"]] > layer[rows["source"]]
    back, rows = int((~onward).sum()), rows[onward]
    if not np.abs(rows["attribution"]).sum() > 0:
        raise Edge2TorchError("table has no attribution other than 0 on a way to the output.")
    bar_of, names, is_rest = _bars(artifact, layer, _through(rows, len(layer)), n)
    ribbons = (
        pd.DataFrame(
            {
                "source": bar_of[rows["source"]],
                "target": bar_of[rows["target"]],
                "positive": rows["attribution"] > 0,
                "attribution": rows["attribution"],
            }
        )
        .groupby(["source", "target", "positive"], as_index=False)["attribution"]
        .sum()
        .query("attribution != 0")
    )
    columns = np.unique(layer[bar_of >= 0], return_inverse=True)[1]
    column = np.zeros(len(names), np.int64)
    column[bar_of[bar_of >= 0]] = columns
    return Ribbons(
        names=names,
        is_rest=is_rest,
        column=column,
        flow=_through(ribbons, len(names)),
        source=ribbons["source"].to_numpy(np.int64),
        target=ribbons["target"].to_numpy(np.int64),
        value=ribbons["attribution"].to_numpy(np.float64),
        n_back=back,
    )


def _numbered(artifact: CompileArtifact, table: pd.DataFrame) -> pd.DataFrame:
    """Ends as numbers; what cannot be one flow is refused."""
    needed = ["source", "target", "attribution"]
    if not isinstance(table, pd.DataFrame) or not set(needed) <= set(table.columns):
        raise Edge2TorchError(
            "table must be what interpret_model(..., 'edges') returns, with the columns "
            f"{listing(needed)}."
        )
    for name in ("output", "group"):
        if name in table and table[name].nunique() > 1:
            raise Edge2TorchError(
                f"table holds several values of {name!r}: {listing(table[name].unique())}. "
                "A picture shows one flow; choose the rows of one."
            )
    twice = table[table.duplicated(["source", "target"])]
    if len(twice):
        pairs = list(twice[["source", "target"]].itertuples(index=False, name=None))
        raise Edge2TorchError(
            f"table has edges twice: {listing(pairs)}. A picture shows one flow; choose the rows of one."
        )
    names = pd.Index(artifact.graph.node_names)
    ends = {
        side: names.get_indexer(pd.Index(table[side].astype(str))) for side in ("source", "target")
    }
    unknown = (ends["source"] < 0) | (ends["target"] < 0)
    if unknown.any():
        pairs = list(table.loc[unknown, ["source", "target"]].itertuples(index=False, name=None))
        raise Edge2TorchError(f"table has edges that are not in the graph: {listing(pairs)}.")
    values = table["attribution"].to_numpy(np.float64)
    if np.isinf(values).any():
        raise Edge2TorchError("table holds attributions that are infinite.")
    return pd.DataFrame({**ends, "attribution": np.nan_to_num(values)})


def _through(rows: pd.DataFrame, n: int) -> NDArray[np.float64]:
    size = np.abs(rows["attribution"].to_numpy(np.float64))
    out, into = (np.bincount(rows[side], size, n) for side in ("source", "target"))
    return np.maximum(out, into)


def _bars(
    artifact: CompileArtifact, layer: NDArray[np.int64], through: NDArray[np.float64], n: int
) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """The bar of every node (-1: nothing goes through it), and what bars are called."""
    bar_of = np.full(len(layer), -1, np.int64)
    names: list[str] = []
    is_rest: list[bool] = []
    for k in np.unique(layer[layer >= 0]):
        members = np.flatnonzero((layer == k) & (through > 0))
        members = members[np.argsort(-through[members], kind="stable")]
        cut = len(members) if len(members) <= n + 1 else n  # one alone needs no bar for the rest
        bar_of[members[:cut]] = len(names) + np.arange(cut)
        names += [artifact.label(name) for name in artifact.graph.names(members[:cut])]
        is_rest += [False] * cut
        if cut < len(members):
            bar_of[members[cut:]] = len(names)
            names.append(f"{len(members) - cut:,} others")
            is_rest.append(True)
    return bar_of, names, np.array(is_rest, bool)


def place(ribbons: Ribbons) -> Places:
    """Stack bars in columns so that ribbons cross little, and ribbons along bars."""
    column, flow = ribbons.column, ribbons.flow
    scale = TALL / max(np.bincount(column, flow).max(), 1e-300)
    height = flow * scale
    slot = np.maximum(height, PITCH) + GAP
    total = float(np.bincount(column, slot).max())
    y = _stack(column, slot, np.arange(len(column), dtype=np.float64), total)
    weight = np.abs(ribbons.value)
    for sweep in range(_SWEEPS):
        ends = (ribbons.source, ribbons.target)
        here, there = ends if sweep % 2 == 0 else ends[::-1]
        pull = np.bincount(here, weight * y[there], len(y))
        sums = np.bincount(here, weight, len(y))
        key = -np.where(sums > 0, pull / np.where(sums > 0, sums, 1.0), y)
        y = _stack(column, slot, np.where(ribbons.is_rest, np.inf, key), total)
    thickness = weight * scale
    return Places(
        y=y,
        height=height,
        start=_along(ribbons.source, ribbons.target, y, height, thickness),
        end=_along(ribbons.target, ribbons.source, y, height, thickness),
        thickness=thickness,
        total=total,
    )


def _stack(
    column: NDArray[np.int64], slot: NDArray[np.float64], key: NDArray[np.float64], total: float
) -> NDArray[np.float64]:
    """Middles of bars, from the top by key; each column in the middle of the picture."""
    order = np.lexsort((key, column))
    above = np.cumsum(slot[order]) - slot[order]
    first = np.searchsorted(column[order], column[order])
    above -= above[first]
    room = (total - np.bincount(column, slot))[column[order]] / 2
    y = np.empty(len(column))
    y[order] = total - room - above - slot[order] / 2
    return y


def _along(
    bar: NDArray[np.int64],
    other: NDArray[np.int64],
    y: NDArray[np.float64],
    height: NDArray[np.float64],
    thickness: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Lower ends of ribbons that share a bar, stacked from its top in the order of their other ends."""
    order = np.lexsort((-y[other], bar))
    down = np.cumsum(thickness[order])
    first = np.searchsorted(bar[order], bar[order])
    down = down - (down[first] - thickness[order][first])
    lower = np.empty(len(bar))
    lower[order] = (y + height / 2)[bar[order]] - down
    return lower
