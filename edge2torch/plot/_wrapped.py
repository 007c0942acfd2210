"""Where nodes stand in a picture to be clicked: layers side by side, long ones in several columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge2torch.plot._layout import node_positions, text_width

ROW, BOX, PAD = 20.0, 15.0, 22.0  # height of a row and of a box; what it has beside a text: a sign
_BETWEEN, _GAP, _HEAD, _MARGIN = 12.0, 96.0, 26.0, 8.0  # columns, layers, words above, all around
_SIDE = 30.0  # left and right, where edges that lead back turn
_SHAPE = 1.6  # width by height that is aimed at
_FEWEST = 12  # rows, below which nothing is wrapped


@dataclass(frozen=True)
class Wrapped:
    """Places in pixels, y downwards; ``k`` nodes, ``c`` layers.

    Parameters
    ----------
    x, y, width : ndarray, shape (k,)
        Centres and widths of the boxes.
    head_x : ndarray, shape (c,)
        Where the words above each layer are centred.
    size : (float, float)
        Width and height of the picture.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    width: NDArray[np.float64]
    head_x: NDArray[np.float64]
    size: tuple[float, float]


def wrap_layers(
    layer: NDArray[np.int64],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    labels: list[str],
    headers: list[str],
    font_size: float,
) -> Wrapped:
    """Place boxes that hold their labels; no box touches another.

    Nodes keep the order in which few edges cross: of a layer of several columns it runs row by row, so
    that a node stands at the height that it would have had in one.
    """
    place = node_positions(layer, source, target)
    column = place[:, 0].astype(np.int64)
    count = np.bincount(column)
    rank = np.round((count[column] - 1) / 2 - place[:, 1]).astype(np.int64)
    text = np.array([text_width(label, font_size) for label in labels]) + PAD
    widest = np.zeros(len(count))
    np.maximum.at(widest, column, text)
    heads = np.array([text_width(header, font_size) for header in headers])
    rows = _rows(count, widest, heads)
    several = np.ceil(count / rows).astype(np.int64)
    own_rows = np.ceil(count / several)
    span = _spans(several, widest, heads)
    left = np.cumsum(span + _GAP) - span - _GAP + _SIDE
    inner = several * (widest + _BETWEEN) - _BETWEEN
    start = left + (span - inner) / 2
    x = start[column] + (rank % several[column]) * (widest + _BETWEEN)[column] + widest[column] / 2
    row = rank // several[column]
    height = rows * ROW
    # a short layer stands in the middle, its rows up to three apart
    pitch = np.minimum(height / own_rows, 3 * ROW)[column]
    y = _MARGIN + _HEAD + height / 2 + (row - (own_rows[column] - 1) / 2) * pitch
    size = (float(left[-1] + span[-1] + _SIDE), float(height + _HEAD + 2 * _MARGIN))
    return Wrapped(x, y, widest[column], left + span / 2, size)


def _spans(
    several: NDArray[np.int64], widest: NDArray[np.float64], heads: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Widths of layers."""
    spans: NDArray[np.float64] = np.maximum(several * (widest + _BETWEEN) - _BETWEEN, heads)
    return spans


def _rows(count: NDArray[np.int64], widest: NDArray[np.float64], heads: NDArray[np.float64]) -> int:
    """How many rows bring the picture nearest to the shape that is aimed at."""
    best, rows = math.inf, int(count.max())
    for tried in range(min(_FEWEST, rows), rows + 1):
        several = np.ceil(count / tried).astype(np.int64)
        width = _spans(several, widest, heads).sum() + _GAP * (len(count) - 1)
        off = abs(math.log(width / (tried * ROW + _HEAD) / _SHAPE))
        if off < best - 1e-9:
            best, rows = off, tried
    return rows
