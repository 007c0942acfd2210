"""Signed horizontal bars: which nodes matter most, and in which direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge2torch._core.checks import check_count
from edge2torch.plot._rows import row_axes, row_title
from edge2torch.plot._scores import node_scores
from edge2torch.plot._style import NEGATIVE, POSITIVE


def plot_top_nodes(
    scores: Any,
    n: int = 20,
    *,
    spread: Any | None = None,
    title: str | None = None,
    xlabel: str = "attribution",
    label_width: int = 44,
    width: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw the nodes of largest magnitude as signed bars, the largest on top.

    Parameters
    ----------
    scores : Series, dict or DataFrame
        One value per node name; a frame of samples × nodes, or the dict of such frames that
        ``interpret_model`` returns, is averaged over samples.
    n : int, default 20
        How many nodes to show.
    spread : Series or dict, optional
        A standard deviation per node, drawn as a whisker.
    title, xlabel : str, optional
        Words on the picture.
    label_width : int, default 44
        Longer names are cut, so that what is left tells them apart.
    width : float, optional
        Of a new figure, in inches; 3.5 is a journal's column. Names leave half of it.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        When the scores are empty or not numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch.plot import plot_top_nodes
    >>> ax = plot_top_nodes(pd.Series({"tf_signal": 9.1, "tf_noise": -0.3}), n=1)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['tf_signal']
    """
    check_count("n", n)
    values = node_scores(scores)
    order = values.abs().sort_values(ascending=False, kind="stable").index[:n]
    shown = values[order]
    axes, labels, font = row_axes(
        order, label_width, beside=3.4, height=0.9 + 0.25 * len(shown), width=width, ax=ax
    )
    rows = np.arange(len(shown))
    axes.barh(
        rows,
        shown.to_numpy(),
        height=0.7,
        color=np.where(shown.to_numpy() < 0, NEGATIVE, POSITIVE).tolist(),
        xerr=None if spread is None else node_scores(spread, "spread").reindex(order).to_numpy(),
        error_kw={"ecolor": "#333333", "elinewidth": 0.9, "capsize": 2},
    )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelsize=font)
    axes.tick_params(axis="x", labelsize=font)
    axes.locator_params(axis="x", nbins=6 if font > 8 else 4)
    axes.set_xlabel(xlabel, fontsize=font + 1)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if title:
        row_title(axes, title, font)
    return axes
