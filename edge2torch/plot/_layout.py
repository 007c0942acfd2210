"""Where nodes stand: one column per layer, rows ordered so that few edges cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch.plot._style import missing_glyphs_allowed
from edge2torch.plot._subgraph import Subgraph

ROW, BOX, GAP, PAD = 21.0, 16.0, 84.0, 12.0  # points: row pitch, box height, column gap, padding
_SWEEPS = 6


@dataclass(frozen=True)
class Layout:
    """Positions in points, x to the right, y upwards; ``k`` nodes, ``c`` columns.

    Parameters
    ----------
    x, y, width : ndarray, shape (k,)
        Centres and widths of the boxes.
    column_x : ndarray, shape (c,)
        Centre of each column that has nodes.
    size : (float, float)
        Width and height of the picture without margins.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    width: NDArray[np.float64]
    column_x: NDArray[np.float64]
    size: tuple[float, float]


def lay_out(graph: Subgraph, labels: list[str], headers: list[str], font_size: float) -> Layout:
    """Place boxes that hold their labels; no box touches another."""
    column = np.unique(graph.layer, return_inverse=True)[1]
    text = np.array([text_width(label, font_size) for label in labels]) + PAD
    heading = np.array([text_width(header, font_size) for header in headers])
    widest = heading.copy()
    np.maximum.at(widest, column, text)
    boxes = np.zeros_like(heading)
    np.maximum.at(boxes, column, text)
    column_x = np.cumsum(widest + GAP) - GAP - widest / 2
    height = ROW * max(np.bincount(column).max(), 4)
    rank = _order(column, graph.source, graph.target)
    count = np.bincount(column)
    pitch = np.minimum(height / count, 3 * ROW)
    y = (count[column] / 2 - 0.5 - rank) * pitch[column] + height / 2
    size = (float(widest.sum() + GAP * (len(widest) - 1)), float(height))
    return Layout(column_x[column], y, boxes[column], column_x, size)


def node_positions(
    layer: NDArray[np.int64], source: NDArray[np.int64], target: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return x and y, upwards, of every node (n, 2), in units of columns and of rows.

    Columns are the layers, inputs on the left, and stand centred beside each other.
    """
    column = np.unique(layer, return_inverse=True)[1].astype(np.int64)
    rank, count = _order(column, source, target), np.bincount(column)
    return np.stack([column.astype(np.float64), (count[column] - 1) / 2 - rank], axis=1)


def _order(
    column: NDArray[np.int64], source: NDArray[np.int64], target: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rank of each node in its column, after sweeps that pull nodes towards their neighbours."""
    rank = _ranks(column, np.arange(len(column), dtype=np.float64))
    count = np.bincount(column)[column]
    for sweep in range(_SWEEPS):
        height = (rank + 0.5) / count  # columns of different sizes share one scale
        ends = (source, target)
        here, there = ends if sweep % 2 else ends[::-1]
        total = np.bincount(here, height[there], len(rank))
        n = np.bincount(here, minlength=len(rank))
        rank = _ranks(column, np.where(n > 0, total / np.maximum(n, 1), height))
    return rank


def _ranks(column: NDArray[np.int64], key: NDArray[np.float64]) -> NDArray[np.int64]:
    order = np.lexsort((key, column))
    start = np.searchsorted(column[order], column[order])
    rank = np.empty(len(column), np.int64)
    rank[order] = np.arange(len(column)) - start
    return rank


def text_width(label: str, font_size: float) -> float:
    """Width in points of a label in matplotlib's own font."""
    return _units(label) * font_size if label.strip() else 0.0


@lru_cache(
    maxsize=4096
)  # a picture tries a name at many lengths, and the next one has the same names
def _units(label: str) -> float:
    """Width of a text at a font size of one point, from the advances of its glyphs.

    Not from their outlines: the corners of some thousand curves take as long as the picture.
    """
    text_to_path = require("matplotlib.textpath", extra="plot").text_to_path
    font = require("matplotlib.font_manager", extra="plot").FontProperties(size=1.0)
    with missing_glyphs_allowed():
        width, _, _ = text_to_path.get_text_width_height_descent(label, font, ismath=False)
    return float(width)
