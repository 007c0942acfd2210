"""Score against degree: what the graph's shape does to a ranking, before and after correction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from edge2torch._core.checks import check_count
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.plot._layout import text_width
from edge2torch.plot._names import short_labels
from edge2torch.plot._style import NEUTRAL, POSITIVE, plain, tidy

_COLUMNS = ("score", "corrected", "degree")
_PANELS = (("score", "score (1: an average node)"), ("corrected", "corrected score (log2)"))

_WIDE, _TALL, _LINE = 290.0, 200.0, 12.0  # points: about a panel; from one name to the next
_SIDE = 0.15  # of the panel's data, left free on either side


def plot_degree_bias(
    significance: pd.DataFrame,
    *,
    label: int = 3,
    degree: str = "degree",
    degree_name: str = "edges of the node",
    label_width: int = 30,
    title: str | None = None,
) -> Any:
    """Draw node scores against degree, as they are and corrected, side by side.

    A ranking that follows the graph's shape rises with degree; each panel says by how much
    (Spearman's correlation).

    Parameters
    ----------
    significance : DataFrame
        What :func:`edge2torch.interpret.node_significance` returned.
    label : int, default 3
        How many of the highest nodes are named in each panel.
    degree : str
        The column to draw against: ``"degree"`` or ``"subgraph"``.
    degree_name : str
        What to call it on the axis.
    label_width : int, default 30
        Longer names are cut, so that what is left tells them apart.
    title : str, optional
        Above both panels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    Edge2TorchError
        When the table lacks a column that is drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     {"score": [3.0, 1.0, 2.0], "corrected": [0.1, 2.0, 0.0], "degree": [30, 5, 12]},
    ...     index=["a", "b", "c"],
    ... )
    >>> figure = plot_degree_bias(table, label=1)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['before: Spearman 1.00', 'after: Spearman -0.50']
    """
    check_count("label", label)
    needed = (*_COLUMNS[:2], degree)
    if missing := [name for name in needed if name not in getattr(significance, "columns", ())]:
        raise Edge2TorchError(
            f"significance lacks the column(s) {listing(missing)}. Pass what node_significance "
            "returned with an artifact, which knows the degrees."
        )
    ticker = require("matplotlib.ticker", extra="plot")
    figure, axes = require("matplotlib.pyplot", extra="plot").subplots(
        1, 2, figsize=(10, 4), layout="constrained"
    )
    x = significance[degree].to_numpy(np.float64)
    for ax, (column, name), when in zip(axes, _PANELS, ("before", "after"), strict=True):
        y = significance[column].to_numpy(np.float64)
        top = np.argsort(-y, kind="stable")[:label]
        ax.scatter(x, y, s=16, color=NEUTRAL, linewidths=0)
        ax.scatter(x[top], y[top], s=22, color=POSITIVE, linewidths=0)
        _name(ax, x, y, top, short_labels(significance.index[top], label_width))
        rho = spearmanr(x, y)[0] if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0
        ax.set_title(f"{when}: Spearman {rho:.2f}", loc="left", fontsize=11)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(ticker.NullLocator())
        ax.set_xlabel(degree_name)
        ax.set_ylabel(name)
        ax.margins(x=_SIDE)
        tidy(ax, 10)
    if title:
        figure.suptitle(plain(title), x=0.01, ha="left", fontsize=12)
    return figure


def _name(
    ax: Any,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    top: NDArray[np.int64],
    labels: list[str],
) -> None:
    """Names beside the highest dots, a line apart; pushed up, where there are no other dots."""
    effects = require("matplotlib.patheffects", extra="plot")
    halo = [effects.withStroke(linewidth=2, foreground="white", alpha=0.85)]
    across = np.log(x[top] / x.min()) / (np.log(x.max() / x.min()) or 1.0)
    right = (1 - (_SIDE + across) / (1 + 2 * _SIDE)) * _WIDE  # points right of a dot
    points = (y[top] - y.min()) / (np.ptp(y) or 1.0) * _TALL
    lines = _LINE * np.arange(len(top))[::-1]
    lifts = np.maximum.accumulate((points - lines)[::-1])[::-1] + lines - points
    if len(top):
        ax.set_ylim(top=ax.get_ylim()[1] + lifts[0] / _TALL * np.ptp(y))
    for place, text, lift, room in zip(top, labels, lifts, right, strict=True):
        left = room < min(text_width(text, 8) + 12, _WIDE / 2)
        ax.annotate(
            plain(text),
            (x[place], y[place]),
            (-9 if left else 9, lift),
            textcoords="offset points",
            fontsize=8,
            ha="right" if left else "left",
            va="center",
            path_effects=halo,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": POSITIVE, "shrinkA": 0},
        )
