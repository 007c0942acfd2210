"""``plot_flow``: how what an output rests on comes from the inputs, as ribbons (Sankey)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch.nn import Module

from edge2torch._core.checks import check_count
from edge2torch._core.messages import require
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.plot._layout import text_width
from edge2torch.plot._names import short_labels
from edge2torch.plot._ribbons import Places, Ribbons, choose_ribbons, place
from edge2torch.plot._style import (
    NEGATIVE,
    POSITIVE,
    check_path,
    new_axes,
    plain,
    points_across,
    save_axes,
)

_FONT, _BAR, _SPACE = 9.0, 9.0, 110.0  # points: text, width of a bar, room for ribbons
_TOP, _BOTTOM, _MARGIN = 12.0, 30.0, 8.0
_NARROWEST = 460.0


def plot_flow(
    artifact: CompileArtifact | Module,
    table: pd.DataFrame,
    *,
    output: str | None = None,
    n: int = 12,
    title: str | None = None,
    label_width: int = 34,
    path: str | Path | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw how an output's score flows along edges: a Sankey diagram, inputs on the left.

    A ribbon is as thick as the magnitude of its edges' attribution, red where it speaks for the
    output and blue where it speaks against it. Conductance keeps sums from layer to layer, so
    ribbons of conductance thin out only where signs cancel or a bias takes part.

    Parameters
    ----------
    artifact : CompileArtifact or Module
        What ``compile_graph`` returned, or the model, which carries it.
    table : DataFrame
        ``interpret_model(..., "edges", output=...)``: ``source``, ``target``, ``attribution``; of
        one output.
    output : str, optional
        Draw only what leads to this output node.
    n : int, default 12
        Nodes of a layer that have a bar of their own; the others of the layer share one.
    title : str, optional
        Words above the picture.
    label_width : int, default 34
        Longer names are cut, so that what is left tells them apart.
    path : str or Path, optional
        Also write the picture: ``.svg``, ``.png`` or ``.pdf``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        For a table of several outputs, of another graph, or without any attribution.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.plot import plot_flow
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "cell"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 2.0], "g2": [0.5, 0.0]})
    >>> scores = e2t.interpret_model(model, artifact, cells, "edges", quiet=True)
    >>> ax = plot_flow(artifact, scores)
    >>> sorted(text.get_text() for text in ax.texts)
    ['cell', 'g1', 'g2', 'tf']
    """
    artifact = find_artifact(artifact)
    check_count("n", n)
    target = None if path is None else check_path(path)
    ribbons = choose_ribbons(artifact, table, output, n)
    axes = _draw(ribbons, place(ribbons), short_labels(ribbons.names, label_width), title, ax)
    if target is not None:
        save_axes(axes, target)
    return axes


def _draw(
    ribbons: Ribbons, places: Places, labels: list[str], title: str | None, ax: Any | None
) -> Any:
    widths = np.array([text_width(label, _FONT) for label in labels])
    widest = np.zeros(ribbons.column.max() + 1)
    np.maximum.at(widest, ribbons.column, widths)
    # Names stand left of the first column and right of the others, on the ribbons that leave them.
    gaps = np.append(0.0, widest[1:-1]) + _SPACE if len(widest) > 1 else np.zeros(0)
    taken = widest[[0, -1]].sum() + gaps.sum() + _BAR * len(widest) + 2 * _MARGIN
    gaps += max(_NARROWEST - taken, 0.0) / max(len(gaps), 1)
    x = (widest[0] + np.append(0.0, np.cumsum(gaps + _BAR)))[ribbons.column]
    width = max(float(taken), _NARROWEST)
    axes = new_axes(width / 72, (places.total + _TOP + _BOTTOM) / 72 + 0.4, ax)
    axes.set_xlim(-_MARGIN, width - _MARGIN)
    axes.set_ylim(-_BOTTOM, places.total + _TOP)
    axes.set_axis_off()
    font = _FONT if ax is None else _FONT * min(1.0, points_across(axes) / width)
    _ribbons(axes, ribbons, places, x)
    _bars(axes, ribbons, places, x)
    _names(axes, ribbons, places, x, labels, font)
    _legend(axes, ribbons, font)
    if title:
        axes.set_title(plain(title), loc="left", fontsize=font + 2)
    return axes


def _ribbons(axes: Any, ribbons: Ribbons, places: Places, x: Any) -> None:
    collections = require("matplotlib.collections", extra="plot")
    t = np.linspace(0, 1, 30)
    bend = 3 * t**2 - 2 * t**3
    left, right = (x + _BAR)[ribbons.source], x[ribbons.target]
    across = left[:, None] + (right - left)[:, None] * t
    lower = places.start[:, None] + (places.end - places.start)[:, None] * bend
    upper = lower + places.thickness[:, None]
    outline = np.stack(
        [np.hstack([across, across[:, ::-1]]), np.hstack([lower, upper[:, ::-1]])], axis=2
    )
    order = np.argsort(-places.thickness, kind="stable")  # thin ones stay visible on top
    colour = np.where(ribbons.value > 0, POSITIVE, NEGATIVE)
    axes.add_collection(
        collections.PolyCollection(
            outline[order], facecolors=colour[order].tolist(), alpha=0.42, linewidths=0, zorder=1
        )
    )


def _bars(axes: Any, ribbons: Ribbons, places: Places, x: Any) -> None:
    height = np.maximum(places.height, 1.0)
    axes.bar(
        x,
        height,
        width=_BAR,
        bottom=places.y - height / 2,
        align="edge",
        color=np.where(ribbons.is_rest, "#b5b5b5", "#3c3c3c").tolist(),
        linewidth=0,
        zorder=2,
    )


def _names(
    axes: Any, ribbons: Ribbons, places: Places, x: Any, labels: list[str], font: float
) -> None:
    effects = require("matplotlib.patheffects", extra="plot")
    halo = [effects.withStroke(linewidth=2.4, foreground="white", alpha=0.85)]
    for k, label in enumerate(labels):
        first = ribbons.column[k] == 0
        axes.text(
            x[k] - 4 if first else x[k] + _BAR + 4,
            places.y[k],
            plain(label),
            ha="right" if first else "left",
            va="center_baseline",
            fontsize=font,
            color="#6a6a6a" if ribbons.is_rest[k] else "black",
            path_effects=halo,
            zorder=3,
        )


def _legend(axes: Any, ribbons: Ribbons, font: float) -> None:
    patches = require("matplotlib.patches", extra="plot")
    handles = [
        patches.Patch(color=colour, alpha=0.42, linewidth=0, label=words)
        for colour, words in ((POSITIVE, "for the output"), (NEGATIVE, "against it"))
    ]
    if ribbons.n_back:
        words = f"{ribbons.n_back:,} edges that lead back are not shown"
        handles.append(patches.Patch(alpha=0, linewidth=0, label=words))
    axes.legend(
        handles=handles,
        loc="lower left",
        ncols=len(handles),
        frameon=False,
        fontsize=font,
        borderaxespad=0,
        handlelength=1.2,
    )
