"""Draw a sub-graph with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch.plot._layout import BOX, GAP, Layout, lay_out
from edge2torch.plot._style import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    colours,
    limit_of,
    new_axes,
    plain,
    points_across,
    text_colour,
)
from edge2torch.plot._subgraph import Subgraph

_FONT = 9.0
_MARGIN, _TOP, _BOTTOM = 10.0, 30.0, 46.0  # points around the columns
_NARROWEST = 460.0  # the legend has to fit

_WEIGHTS = {
    "signs": ((POSITIVE, "positive weight"), (NEGATIVE, "negative weight")),
    "sizes": ((NEUTRAL, "size of weights"),),
    "": (),
}


def draw_with_matplotlib(
    graph: Subgraph,
    labels: list[str],
    headers: list[str],
    *,
    title: str,
    score_label: str,
    ax: Any | None,
) -> Any:
    """Return axes with the layers as columns, inputs on the left."""
    layout = lay_out(graph, labels, headers, _FONT)
    width = max(layout.size[0] + 2 * _MARGIN, _NARROWEST)
    height = layout.size[1] + _TOP + _BOTTOM
    axes = new_axes(width / 72, height / 72 + 0.4, ax)
    # On axes of the caller the text shrinks with the picture.
    font = _FONT if ax is None else _FONT * min(1.0, points_across(axes) / width)
    left = (layout.size[0] - width) / 2
    axes.set_xlim(left, left + width)
    axes.set_ylim(-_BOTTOM, layout.size[1] + _TOP)
    axes.set_axis_off()
    _edges(axes, graph, layout)
    _boxes(axes, graph, layout, labels, font)
    for x, header in zip(layout.column_x, headers, strict=True):
        axes.text(x, layout.size[1] + 8, plain(header), ha="center", fontsize=font, color="#444444")
    _legend(axes, graph, left + _MARGIN, score_label, font)
    axes.set_title(plain(title), fontsize=font + 2, loc="left")
    return axes


def _edges(axes: Any, graph: Subgraph, layout: Layout) -> None:
    collections = require("matplotlib.collections", extra="plot")
    start = np.stack([layout.x + layout.width / 2, layout.y], axis=1)[graph.source]
    end = np.stack([layout.x - layout.width / 2, layout.y], axis=1)[graph.target]
    back, level = end[:, 0] <= start[:, 0], np.abs(end[:, 1] - start[:, 1]) < BOX
    bend = np.array([GAP / 2, 0.0])
    sag = np.array([0.0, 1.5 * BOX]) * (back & level)[:, None]  # not along the way it came
    t = np.linspace(0, 1, 24)[:, None, None]
    curves = (
        (1 - t) ** 3 * start
        + 3 * (1 - t) ** 2 * t * (start + bend - sag)
        + 3 * (1 - t) * t**2 * (end - bend - sag)
        + t**3 * end
    ).transpose(1, 0, 2)
    known = ~np.isnan(graph.weight)
    # what leads back stays visible where it is weak, and has a head: its ends do not tell the way
    size = np.where(back, np.maximum(graph.strength, 0.25), graph.strength)
    colour = edge_colours(graph.weight)
    order = np.argsort(size, kind="stable")  # the strongest end on top
    axes.add_collection(
        collections.LineCollection(
            curves[order],
            colors=colour[order].tolist(),
            linewidths=np.where(known, 0.3 + 1.9 * size, 0.7)[order],
            alpha=np.where(known, 0.25 + 0.6 * size, 0.5)[order],
            zorder=1,
        )
    )
    axes.scatter(*(end[back] - (2, 0)).T, s=28, c=colour[back], marker=">", lw=0, zorder=3)


def edge_colours(weight: NDArray[np.float64]) -> NDArray[np.str_]:
    """Red for positive, blue for negative, grey where the weight is zero or not known."""
    return np.select([weight > 0, weight < 0], [POSITIVE, NEGATIVE], NEUTRAL)


def _boxes(axes: Any, graph: Subgraph, layout: Layout, labels: list[str], font: float) -> None:
    patches = require("matplotlib.patches", extra="plot")
    fill = node_colours(graph)
    for k, label in enumerate(labels):
        axes.add_patch(
            patches.FancyBboxPatch(
                (layout.x[k] - layout.width[k] / 2, layout.y[k] - BOX / 2),
                layout.width[k],
                BOX,
                boxstyle="round,pad=0,rounding_size=4",
                facecolor=fill[k],
                edgecolor="black" if graph.is_output[k] else "#777777",
                linewidth=1.3 if graph.is_output[k] else 0.6,
                zorder=2,
            )
        )
        axes.text(
            layout.x[k],
            layout.y[k],
            plain(label),
            ha="center",
            va="center_baseline",
            fontsize=font,
            color=text_colour(fill[k]),
            zorder=3,
        )


def node_colours(graph: Subgraph) -> NDArray[np.float64]:
    """RGBA by score; light grey where a node has none."""
    fill = colours(np.nan_to_num(graph.score), limit_of(graph.score))
    fill[np.isnan(graph.score)] = (0.945, 0.945, 0.945, 1.0)
    return fill


def _legend(axes: Any, graph: Subgraph, x: float, score_label: str, font: float) -> None:
    """A colour bar for the nodes and two lines for the edges, below the columns."""
    matplotlib = require("matplotlib", extra="plot")
    y = -_BOTTOM + 24
    if not np.isnan(graph.score).all():
        limit = limit_of(graph.score)
        low = -limit if np.nanmin(graph.score) < 0 else 0.0
        inset = axes.inset_axes((x, y, 110, 7), transform=axes.transData)
        shades = colours(np.linspace(low, limit, 128), limit)[None]
        inset.imshow(shades, aspect="auto", extent=(low, limit, 0, 1))
        inset.set_yticks([])
        inset.set_xticks([low, 0, limit] if low else [0, limit])
        inset.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%.2g"))
        inset.tick_params(labelsize=font - 2, length=2, pad=1)
        inset.spines[:].set_visible(False)
        axes.text(x + 118, y + 3.5, plain(score_label), fontsize=font - 1, va="center")
        x += 150 + 5.2 * len(score_label)
    for colour, word in _WEIGHTS[graph.weights_shown]:
        axes.plot([x, x + 18], [y + 3.5, y + 3.5], color=colour, linewidth=2, zorder=1)
        axes.text(x + 23, y + 3.5, word, fontsize=font - 1, va="center")
        x += 105
