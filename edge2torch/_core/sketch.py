"""A small drawing of a compiled graph for notebooks: plain SVG in the page's own colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

_NODES, _EDGES = 300, 2000  # a larger graph is shown by the widths of its layers
_WIDTH, _TALL, _FOOT = 520.0, 150.0, 22.0
_SWEEPS = 4


def sketch(
    names: NDArray[np.object_],
    edges: tuple[NDArray[np.int64], NDArray[np.int64]],
    column: NDArray[np.int64],
    outputs: NDArray[np.int64],
    layers: Mapping[str, int],
    label: Callable[[str], str],
) -> str:
    """Return an ``<svg>``: nodes and edges of a small graph, sizes of layers of a large one.

    ``column`` (n,) says where each node stands, -1 for nowhere.
    """
    if len(names) <= _NODES and len(edges[0]) <= _EDGES:
        body = _nodes_and_edges(names, edges, column, outputs, label)
    else:
        body = _widths(layers)
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_TALL + _FOOT:g}" role="img" aria-label="The graph in '
        f'layers, inputs on the left" style="width: 100%; max-width: {_WIDTH:g}px; color: inherit" '
        f'font-family="sans-serif" font-size="10" fill="currentColor">{body}</svg>'
    )


def _nodes_and_edges(
    names: NDArray[np.object_],
    edges: tuple[NDArray[np.int64], NDArray[np.int64]],
    column: NDArray[np.int64],
    outputs: NDArray[np.int64],
    label: Callable[[str], str],
) -> str:
    shown = np.flatnonzero(column >= 0)
    place = np.full(len(names), -1, np.int64)  # each node's position among those shown
    place[shown] = np.arange(len(shown))
    source, target = place[edges[0]], place[edges[1]]
    inside = (source >= 0) & (target >= 0)
    source, target = source[inside], target[inside]
    column = np.unique(column[shown], return_inverse=True)[1]  # no empty columns
    count = np.bincount(column)
    x = _columns(len(count))[column]
    y = _heights(column, count, source, target)
    lines = "".join(
        f'<path d="{_curve(x[s], y[s], x[t], y[t])}"/>' for s, t in zip(source, target, strict=True)
    )
    size = float(np.clip(0.3 * _TALL / count.max(), 1.4, 5.0))
    is_output = np.isin(shown, outputs)
    dots = "".join(
        f'<circle cx="{x[k]:.1f}" cy="{y[k]:.1f}" r="{size:.1f}"'
        f"{_RING if is_output[k] else ''}><title>{escape(label(names[node]))}</title></circle>"
        for k, node in enumerate(shown.tolist())
    )
    faint = float(np.clip(12 / np.sqrt(max(len(source), 1)), 0.15, 0.6))
    return (
        f'<g fill="none" stroke="currentColor" stroke-opacity="{faint:.2f}">{lines}</g>'
        f"<g>{dots}</g>{_counts(count.tolist())}"
    )


_RING = ' stroke="currentColor" stroke-opacity="0.45" stroke-width="3"'


def _heights(
    column: NDArray[np.int64],
    count: NDArray[np.int64],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Heights of nodes, each column in an order that pulls nodes towards their neighbours."""
    onward = column[target] > column[source]
    source, target = source[onward], target[onward]
    key = np.arange(len(column), dtype=np.float64)
    y = np.empty(len(column))
    for sweep in range(_SWEEPS + 1):
        order = np.lexsort((key, column))
        rank = np.arange(len(order)) - np.searchsorted(column[order], column[order])
        y[order] = (rank + 0.5) / count[column[order]]
        here, there = (source, target) if sweep % 2 else (target, source)
        near = np.bincount(here, minlength=len(y))
        pull = np.bincount(here, y[there], len(y))
        key = np.where(near > 0, pull / np.maximum(near, 1), y)
    return y * _TALL


def _widths(layers: Mapping[str, int]) -> str:
    """A bar per layer, as tall as the logarithm of its size."""
    count = list(layers.values())
    x = _columns(len(count))
    tall = np.log10(np.array(count) + 1.0)
    tall = tall / tall.max() * (_TALL - 10)
    low, high = _TALL / 2 - tall / 2, _TALL / 2 + tall / 2
    between = "".join(
        f'<path d="M{x[k]:.1f} {low[k]:.1f}L{x[k + 1]:.1f} {low[k + 1]:.1f}L{x[k + 1]:.1f} '
        f'{high[k + 1]:.1f}L{x[k]:.1f} {high[k]:.1f}Z" fill-opacity="0.15"/>'
        for k in range(len(count) - 1)
    )
    bars = "".join(
        f'<rect x="{x[k] - 3:.1f}" y="{low[k]:.1f}" width="6" height="{tall[k]:.1f}" rx="2">'
        f"<title>{escape(name)}</title></rect>"
        for k, name in enumerate(layers)
    )
    return between + bars + _counts(count)


def _columns(n: int) -> NDArray[np.float64]:
    return np.linspace(30, _WIDTH - 30, n) if n > 1 else np.array([_WIDTH / 2])


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    """From the left to the right; what leads back, or stays in its column, bends below."""
    if x1 > x0:
        middle = (x0 + x1) / 2
        return f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    sag = max(y0, y1) + 22
    return f"M{x0:.1f} {y0:.1f}C{x0 + 20:.1f} {sag:.1f} {x1 - 20:.1f} {sag:.1f} {x1:.1f} {y1:.1f}"


def _counts(count: list[int]) -> str:
    """How many nodes each column has; where columns are many, of some of them."""
    x, every = _columns(len(count)), -(-len(count) // 10)
    return "".join(
        f'<text x="{x[k]:.1f}" y="{_TALL + _FOOT - 6:.1f}" text-anchor="middle">{number:,}</text>'
        for k, number in enumerate(count)
        if k % every == 0
    )
