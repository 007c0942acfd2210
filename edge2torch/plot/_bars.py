"""Nodes in rows: signed bars of the highest scores, or a dot for every replicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import Replicates, rank_stability
from edge2torch.plot._rows import finish_rows, row_axes, row_title
from edge2torch.plot._scores import node_scores, score_table
from edge2torch.plot._style import NEGATIVE, NEUTRAL, POSITIVE


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
    finish_rows(axes, labels, font)
    axes.locator_params(axis="x", nbins=6 if font > 8 else 4)
    axes.set_xlabel(xlabel, fontsize=font + 1)
    if title:
        row_title(axes, title, font)
    return axes


def plot_stability(
    scores: Replicates | pd.DataFrame,
    n: int = 20,
    *,
    title: str | None = None,
    xlabel: str = "score",
    label_width: int = 44,
    width: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw the score of the strongest nodes in every replicate, a dot each, and their mean.

    Parameters
    ----------
    scores : Replicates or DataFrame
        What :func:`edge2torch.interpret.replicate` returned, or replicates × nodes.
    n : int, default 20
        How many nodes to show, the highest mean first.
    title : str, optional
        Left out, the mean Spearman correlation between replicates.
    xlabel : str
        What a score is.
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
        When there are no scores, or they are not numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> scores = pd.DataFrame({"tf_1": [2.0, 3.0], "tf_2": [1.0, 0.5], "tf_3": [0.1, 0.2]})
    >>> ax = plot_stability(scores, n=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['tf_1', 'tf_2']
    """
    check_count("n", n)
    table = score_table(scores.scores if isinstance(scores, Replicates) else scores, "scores")
    if not np.isfinite(table.to_numpy()).all():
        raise Edge2TorchError("scores holds values that are missing or infinite.")
    mean = table.mean().sort_values(ascending=False, kind="stable")[:n]
    axes, labels, font = row_axes(
        mean.index, label_width, beside=3.4, height=0.9 + 0.25 * len(mean), width=width, ax=ax
    )
    rows = np.arange(len(mean))
    shown = table[mean.index].to_numpy()
    axes.scatter(shown.ravel(), np.tile(rows, len(shown)), s=12, color=NEUTRAL, linewidths=0)
    axes.scatter(mean.to_numpy(), rows, s=70, marker="|", color=POSITIVE, linewidths=2)
    finish_rows(axes, labels, font)
    axes.set_xlabel(xlabel, fontsize=font + 1)
    axes.set_xlim(left=min(0.0, float(shown.min())))
    agreement = f"{len(table)} replicates, mean Spearman {rank_stability(table):.2f}"
    row_title(axes, title or agreement, font)
    return axes
