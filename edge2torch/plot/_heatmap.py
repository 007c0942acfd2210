"""A heat map of nodes × classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch.plot._names import short_labels
from edge2torch.plot._rows import row_axes, row_title
from edge2torch.plot._scores import score_table
from edge2torch.plot._style import diverging_map, limit_of, plain


def plot_node_heatmap(
    table: pd.DataFrame,
    *,
    n: int = 30,
    title: str | None = None,
    colorbar_label: str = "attribution",
    label_width: int = 44,
    width: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw nodes × classes on a diverging scale around zero, rows grouped by their strongest class.

    Parameters
    ----------
    table : DataFrame
        A row per node, a column per class (or output, condition, ...).
    n : int, default 30
        How many nodes to show: each class in turn gives its strongest node that is not shown yet.
    title, colorbar_label : str, optional
        Words on the picture.
    label_width : int, default 44
        Longer node names are cut, so that what is left tells them apart.
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
        When the table is empty or holds text.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch.plot import plot_node_heatmap
    >>> table = pd.DataFrame({"B": [2.0, 0.1], "T": [-1.0, 3.0]}, index=["bcr", "tcr"])
    >>> [label.get_text() for label in plot_node_heatmap(table).get_yticklabels()]
    ['bcr', 'tcr']
    """
    check_count("n", n)
    values = score_table(table)
    rows = _rows(values.to_numpy(), n)
    shown = values.iloc[rows]
    n_rows, n_columns = shown.shape
    axes, labels, font = row_axes(
        shown.index,
        label_width,
        beside=1.6 + 0.42 * n_columns,
        height=2.2 + 0.23 * n_rows,
        width=width,
        ax=ax,
    )
    limit = limit_of(shown.to_numpy())
    image = axes.imshow(
        shown.to_numpy(), cmap=diverging_map(), vmin=-limit, vmax=limit, aspect="auto"
    )
    columns = [plain(label) for label in short_labels(shown.columns, 28 if font > 8 else 16)]
    if max(map(len, columns)) > 4:
        axes.set_xticks(range(n_columns), columns, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(range(n_columns), columns)
    axes.set_yticks(range(n_rows), labels)
    axes.tick_params(length=0, labelsize=font)
    axes.set_xticks(np.arange(n_columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n_rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, shrink=0.6)
    bar.set_label(colorbar_label, fontsize=font)
    bar.ax.tick_params(labelsize=font - 1)
    bar.outline.set_visible(False)
    if title:
        row_title(axes, title, font)
    return axes


def _rows(values: np.ndarray[Any, np.dtype[np.float64]], n: int) -> list[int]:
    """Positions of the rows to show, grouped by the column in which each is strongest."""
    size = np.nan_to_num(np.abs(values))
    ranking = np.argsort(-size, axis=0, kind="stable")  # column by column, strongest first
    chosen = list(dict.fromkeys(ranking.ravel().tolist()))[:n]
    peak = size[chosen].argmax(axis=1)
    signed = np.nan_to_num(values[chosen, peak])
    return [chosen[k] for k in np.lexsort((-signed, peak))]
