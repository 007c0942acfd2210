"""The strongest drivers of an explained module, and their values over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainResult
from edge2torch.plot._rows import finish_rows, row_axes, row_title
from edge2torch.plot._style import NEGATIVE, NEUTRAL, POSITIVE, ROW, diverging_map, legend_below

_MARKERS = {"switch": "o", "abundance": "s"}
_Z95 = 1.959964


def plot_module_drivers(
    result: ExplainResult,
    n: int = 30,
    *,
    label_width: int = 28,
    width: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw the strongest drivers of a module: r with its 95 % confidence interval.

    The interval is Fisher's; a driver whose interval crosses zero is grey.

    Parameters
    ----------
    result : ExplainResult
        What :func:`edge2torch.explain.explain_module` returned for a module.
    n : int, default 30
        Most drivers to show.
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
    >>> import pandas as pd
    >>> from edge2torch.explain import ExplainResult
    >>> drivers = pd.DataFrame({
    ...     "gene_id": ["A", "B"], "feature_id": ["A::switch", "B::abundance"],
    ...     "feature_type": ["switch", "abundance"], "r": [0.9, -0.8], "n_samples": [40, 40]})
    >>> none = pd.DataFrame()
    >>> result = ExplainResult("M000", ("A", "B"), pd.Series(dtype=float), drivers, none, none)
    >>> [label.get_text() for label in plot_module_drivers(result).get_yticklabels()]
    ['A', 'B']
    """
    check_count("n", n)
    drivers = result.gene_driver_table
    drivers = drivers[drivers["r"].notna() & (drivers["n_samples"] > 3)].head(n)
    if drivers.empty:
        raise Edge2TorchError(f"result: no gene of module {result.module_id!r} has a correlation.")
    r = drivers["r"].to_numpy()
    # Fisher's z = atanh(r) has standard error 1 / sqrt(n - 3), whatever r; clipped where r is +-1
    reach = _Z95 / np.sqrt(drivers["n_samples"].to_numpy() - 3)
    middle = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    low, high = np.tanh(middle - reach), np.tanh(middle + reach)
    colour = np.select([low > 0, high < 0], [POSITIVE, NEGATIVE], NEUTRAL)
    axes, labels, font = row_axes(
        drivers["gene_id"],
        label_width,
        beside=4.4,
        height=1.3 + ROW * len(drivers),
        width=width,
        ax=ax,
    )
    rows = np.arange(len(drivers))
    axes.hlines(rows, low, high, colors=colour.tolist(), linewidth=1.4)
    for kind in drivers["feature_type"].unique():
        of_kind = (drivers["feature_type"] == kind).to_numpy()
        axes.scatter(
            r[of_kind],
            rows[of_kind],
            s=22,
            c=colour[of_kind].tolist(),
            marker=_MARKERS.get(kind, "D"),
            zorder=3,
        )
    axes.axvline(0, color="black", linewidth=0.8)
    finish_rows(axes, labels, font)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.set_xlabel("Pearson r with the eigengene (95 % CI)", fontsize=font)
    row_title(axes, f"{result.module_id}: top drivers", font)
    _driver_legend(axes, colour, list(drivers["feature_type"].unique()))
    return axes


def _driver_legend(axes: Any, colour: Any, kinds: list[str]) -> None:
    """Direction by colour and channel by shape."""
    Line2D = require("matplotlib.lines", extra="plot").Line2D
    words = {POSITIVE: "rises", NEGATIVE: "falls", NEUTRAL: "unclear"}
    entries = [
        Line2D([], [], color=tone, marker="", linewidth=2, label=word)
        for tone, word in words.items()
        if tone in colour
    ]
    entries += [
        Line2D(
            [], [], color="#333333", marker=_MARKERS.get(kind, "D"), linestyle="", label=kind, ms=4
        )
        for kind in kinds
    ]
    legend_below(axes, len(entries), handles=entries, handlelength=1.2, columnspacing=1.0)


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
        shown["gene_id"], label_width, beside=4.6, height=1.5 + ROW * len(shown), width=width, ax=ax
    )
    image = axes.imshow(
        values.T, aspect="auto", cmap=diverging_map(), vmin=-2.5, vmax=2.5, interpolation="nearest"
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
