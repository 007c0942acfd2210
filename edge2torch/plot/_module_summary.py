"""How a gene's transcripts trade places along a module, and all pictures of a module together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.files import path_of
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainResult
from edge2torch.plot._module_drivers import plot_module_drivers, plot_module_heatmap
from edge2torch.plot._names import short_labels
from edge2torch.plot._style import legend_below, new_axes, plain, save_axes, tidy

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe-Ito


def plot_module_usage(
    result: ExplainResult,
    feature_table: pd.DataFrame,
    gene: str | None = None,
    *,
    ylabel: str = "usage (centred log-ratio)",
    ax: Any | None = None,
) -> Any:
    """Draw the transcripts of a gene against the eigengene, with a smooth curve for each.

    Parameters
    ----------
    result : ExplainResult
        What :func:`edge2torch.explain.explain_module` returned for a module.
    feature_table : DataFrame, samples × features
        What was explained with.
    gene : str, optional
        Which gene; the one with the largest ``switch_strength`` by default.
    ylabel : str
        What the features measure.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        When the module has no transcripts, or none of this gene.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from edge2torch.explain import ExplainResult
    >>> eigengene = pd.Series(np.linspace(-1, 1, 12), [f"s{k}" for k in range(12)])
    >>> table = pd.DataFrame({"A.1": eigengene, "A.2": -eigengene})
    >>> polarity = pd.DataFrame({
    ...     "feature_id": ["A.1", "A.2"], "gene_id": "A", "r": [1.0, -1.0], "switch_strength": 2.0})
    >>> none = pd.DataFrame()
    >>> result = ExplainResult("M000", ("A",), eigengene, none, polarity, none)
    >>> plot_module_usage(result, table).get_title(loc="left")
    'A: transcripts along the module'
    """
    polarity = result.transcript_polarity_table
    if polarity.empty:
        raise Edge2TorchError(f"result: module {result.module_id!r} has no transcripts to draw.")
    if gene is None:
        gene = str(polarity.sort_values("switch_strength", ascending=False)["gene_id"].iloc[0])
    shown = polarity[polarity["gene_id"] == gene]
    if shown.empty:
        raise Edge2TorchError(f"gene={gene!r} has no transcripts in module {result.module_id!r}.")
    shown = shown.sort_values("r", ascending=False, na_position="last")
    if len(shown) > len(_COLOURS):
        shown = shown.loc[shown["r"].abs().nlargest(len(_COLOURS)).index].sort_values(
            "r", ascending=False
        )
    axes = new_axes(5.2, 3.8, ax)
    x = result.eigengene.to_numpy(dtype=float)
    names = shown.get("transcript_id", shown["feature_id"])
    labels = short_labels(names, 26)
    for colour, feature, label, r in zip(
        _COLOURS, shown["feature_id"], labels, shown["r"], strict=False
    ):
        y = feature_table.loc[result.eigengene.index, feature].to_numpy(dtype=float)
        axes.scatter(x, y, s=12, color=colour, alpha=0.45, linewidth=0)
        axes.plot(*_smooth(x, y), color=colour, linewidth=2, label=plain(f"{label} (r = {r:+.2f})"))
    axes.set_xlabel(plain(f"eigengene of {result.module_id}"), fontsize=9)
    axes.set_ylabel(plain(ylabel), fontsize=9)
    (short,) = short_labels([gene], 24)
    axes.set_title(plain(f"{short}: transcripts along the module"), loc="left", fontsize=11)
    tidy(axes)
    legend_below(axes, 2, handlelength=1.4)
    return axes


def _smooth(x: Any, y: Any) -> tuple[Any, Any]:
    """A smoothing spline whose stiffness is cross-validated; a line where points are few."""
    interpolate = require("scipy.interpolate")
    known = ~np.isnan(x) & ~np.isnan(y)
    at = pd.Series(y[known]).groupby(x[known]).mean()
    where = np.linspace(x[known].min(), x[known].max(), 200)
    if len(at) < 8:
        return where, np.polyval(np.polyfit(x[known], y[known], 1), where)
    places = at.index.to_numpy(dtype=float)
    scale = float(np.ptp(places))  # the cross-validation is ill-posed where x is tiny
    curve = interpolate.make_smoothing_spline(places / scale, at.to_numpy())
    return where, curve(where / scale)


def plot_module_summary(result: ExplainResult, feature_table: pd.DataFrame, n: int = 20) -> Any:
    """Draw drivers, heat map and the strongest switch of a module on one figure.

    Parameters
    ----------
    result : ExplainResult
        What :func:`edge2torch.explain.explain_module` returned for a module.
    feature_table : DataFrame, samples × features
        What was explained with.
    n : int, default 20
        Most drivers to show; a third as many of each direction in the heat map.

    Returns
    -------
    matplotlib.figure.Figure

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
    >>> drivers = pd.DataFrame({
    ...     "gene_id": ["A", "B"], "feature_id": ["A", "B"], "feature_type": "abundance",
    ...     "r": [0.9, -0.9], "n_samples": 12})
    >>> none = pd.DataFrame()
    >>> result = ExplainResult("M000", ("A", "B"), eigengene, drivers, none, none)
    >>> len(plot_module_summary(result, table).axes)
    3
    """
    pyplot = require("matplotlib.pyplot", extra="plot")
    rows = min(n, len(result.gene_driver_table))
    usage = not result.transcript_polarity_table.empty
    figure = pyplot.figure(
        figsize=(13, max(5.0 if usage else 3.2, 1.8 + 0.24 * rows)), layout="constrained"
    )
    grid = figure.add_gridspec(2 if usage else 1, 2, width_ratios=[1, 1.25])
    plot_module_drivers(result, n, ax=figure.add_subplot(grid[:, 0]))
    plot_module_heatmap(result, feature_table, max(n // 3, 1), ax=figure.add_subplot(grid[0, 1]))
    if usage:
        plot_module_usage(result, feature_table, ax=figure.add_subplot(grid[1, 1]))
    for letter, axes in zip(
        "abc", (a for a in figure.axes if a.get_title(loc="left")), strict=False
    ):
        title = axes.get_title(loc="left")
        axes.set_title(f"{letter}   {title}", loc="left", fontsize=11)
    return figure


def save_module_figures(
    result: ExplainResult,
    feature_table: pd.DataFrame,
    folder: str | Path,
    *,
    kind: Literal["png", "pdf", "svg"] = "png",
    n: int = 30,
) -> list[Path]:
    """Write the pictures of a module into a folder.

    Parameters
    ----------
    result : ExplainResult
        What :func:`edge2torch.explain.explain_module` returned for a module.
    feature_table : DataFrame, samples × features
        What was explained with.
    folder : path
        Where to write; it has to exist.
    kind : {"png", "pdf", "svg"}
        Format.
    n : int, default 30
        Most drivers to show.

    Returns
    -------
    list of Path
        ``drivers``, ``heatmap``, ``summary``, and ``usage`` where the module has transcripts.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from edge2torch.explain import ExplainResult
    >>> eigengene = pd.Series(np.linspace(-1, 1, 12), [f"s{k}" for k in range(12)])
    >>> table = pd.DataFrame({"A": eigengene})
    >>> drivers = pd.DataFrame({
    ...     "gene_id": ["A"], "feature_id": ["A"], "feature_type": "abundance",
    ...     "r": [0.9], "n_samples": 12})
    >>> none = pd.DataFrame()
    >>> result = ExplainResult("M000", ("A",), eigengene, drivers, none, none)
    >>> [path.name for path in save_module_figures(result, table, ".")]
    ['drivers.png', 'heatmap.png', 'summary.png']
    """
    place = path_of(folder, "folder")
    pyplot = require("matplotlib.pyplot", extra="plot")
    made: dict[str, Callable[[], Any]] = {
        "drivers": lambda: plot_module_drivers(result, n).figure,
        "heatmap": lambda: plot_module_heatmap(result, feature_table, max(n // 2, 1)).figure,
        "summary": lambda: plot_module_summary(result, feature_table, n),
    }
    if not result.transcript_polarity_table.empty:
        made["usage"] = lambda: plot_module_usage(result, feature_table).figure
    written = []
    for name, draw in made.items():
        figure = draw()
        try:
            path = place / f"{name}.{kind}"
            save_axes(figure.axes[0], path)
            written.append(path)
        finally:
            pyplot.close(figure)
    return written
