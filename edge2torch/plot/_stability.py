"""How far the node scores of replicates agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import Replicates, rank_stability
from edge2torch.plot._rows import row_axes, row_title
from edge2torch.plot._scores import score_table
from edge2torch.plot._style import NEUTRAL, POSITIVE


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
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(mean) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelsize=font)
    axes.tick_params(axis="x", labelsize=font)
    axes.set_xlabel(xlabel, fontsize=font + 1)
    axes.set_xlim(left=min(0.0, float(shown.min())))
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    said = f"{len(table)} replicates, mean Spearman {rank_stability(table):.2f}"
    row_title(axes, title or said, font)
    return axes
