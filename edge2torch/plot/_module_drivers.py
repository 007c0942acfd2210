"""The strongest drivers of an explained module."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge2torch._core.checks import check_count
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainResult
from edge2torch.plot._rows import row_axes, row_title
from edge2torch.plot._style import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROW,
    legend_below,
    tidy,
)

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
        own = (drivers["feature_type"] == kind).to_numpy()
        axes.scatter(
            r[own],
            rows[own],
            s=22,
            c=colour[own].tolist(),
            marker=_MARKERS.get(kind, "D"),
            zorder=3,
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(drivers) - 0.4, -0.6)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.set_xlabel("Pearson r with the eigengene (95 % CI)", fontsize=font)
    row_title(axes, f"{result.module_id}: top drivers", font)
    tidy(axes)
    axes.tick_params(labelsize=font)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
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
