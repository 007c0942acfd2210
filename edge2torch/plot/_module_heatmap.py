"""The drivers of an explained module over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainResult
from edge2torch.plot._rows import row_axes, row_title
from edge2torch.plot._style import ROW, diverging_map


def plot_module_heatmap(
    result: ExplainResult,
    feature_table: pd.DataFrame,
    n: int = 15,
    *,
    label_width: int = 28,
    width: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw the strongest positive and negative drivers over the samples, by eigengene.

    Parameters
    ----------
    result : ExplainResult
        What :func:`edge2torch.explain.explain_module` returned for a module.
    feature_table : DataFrame, samples × features
        What was explained with.
    n : int, default 15
        Most drivers of each direction.
    label_width : int, default 28
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
        When no gene has a correlation.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from edge2torch.explain import ExplainResult
    >>> eigengene = pd.Series(np.linspace(-1, 1, 12), [f"s{k}" for k in range(12)])
    >>> table = pd.DataFrame({"A": eigengene, "B": -eigengene})
    >>> drivers = pd.DataFrame(
    ...     {"gene_id": ["A", "B"], "feature_id": ["A", "B"], "r": [1.0, -1.0]})
    >>> none = pd.DataFrame()
    >>> result = ExplainResult("M000", ("A", "B"), eigengene, drivers, none, none)
    >>> [text.get_text() for text in plot_module_heatmap(result, table).get_yticklabels()]
    ['A', 'B']
    """
    check_count("n", n)
    drivers = result.gene_driver_table
    rising, falling = drivers[drivers["r"] > 0].head(n), drivers[drivers["r"] < 0].head(n)
    shown = pd.concat([rising, falling[::-1]])
    if shown.empty:
        raise Edge2TorchError(f"result: no gene of module {result.module_id!r} has a correlation.")
    order = result.eigengene.dropna().sort_values().index
    values = feature_table.loc[order, shown["feature_id"]].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    axes, labels, font = row_axes(
        shown["gene_id"],
        label_width,
        beside=4.6,
        height=1.5 + ROW * len(shown),
        width=width,
        ax=ax,
    )
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap=diverging_map(),
        vmin=-2.5,
        vmax=2.5,
        interpolation="nearest",
    )
    axes.set_yticks(np.arange(len(shown)), labels)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelsize=font - 1)
    axes.set_xlabel(f"{len(order)} samples, from low to high eigengene", fontsize=font)
    row_title(axes, f"{result.module_id}: drivers over samples", font)
    if len(rising) and len(falling):
        axes.axhline(len(rising) - 0.5, color="black", linewidth=1)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=min(1.0, 8 / len(shown) + 0.3), pad=0.02)
    bar.set_label("standard deviations from the mean", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return axes
