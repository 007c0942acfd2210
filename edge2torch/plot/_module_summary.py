"""The pictures of an explained module together: on one figure, or as files in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.messages import require
from edge2torch.explain import ExplainResult
from edge2torch.plot._module_drivers import plot_module_drivers
from edge2torch.plot._module_heatmap import plot_module_heatmap
from edge2torch.plot._module_usage import plot_module_usage
from edge2torch.plot._save import save_axes


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
            path = Path(folder) / f"{name}.{kind}"
            save_axes(figure.axes[0], path)
            written.append(path)
        finally:
            pyplot.close(figure)
    return written
