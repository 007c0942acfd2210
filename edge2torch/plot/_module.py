"""Pictures of an explained module: drivers, usage, heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, require
from edge2torch.explain import ExplainResult
from edge2torch.plot._scores import check_count
from edge2torch.plot._style import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    diverging_map,
    new_axes,
    plain,
    short_labels,
)

_TRANSCRIPT_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe-Ito
_MARKERS = {"switch": "o", "abundance": "s"}
_ROW = 0.2  # inches
_Z95 = 1.959964


def plot_module_drivers(
    result: ExplainResult, n: int = 30, *, label_width: int = 28, ax: Any | None = None
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
        Longer names are cut in the middle.
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
    check_count(n, "n")
    drivers = result.gene_driver_table
    drivers = drivers[drivers["r"].notna() & (drivers["n_samples"] > 3)].head(n)
    if drivers.empty:
        raise Edge2TorchError(f"result: no gene of module {result.module_id!r} has a correlation.")
    r = drivers["r"].to_numpy()
    reach = _Z95 / np.sqrt(drivers["n_samples"].to_numpy() - 3)
    middle = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    low, high = np.tanh(middle - reach), np.tanh(middle + reach)
    colour = np.select([low > 0, high < 0], [POSITIVE, NEGATIVE], NEUTRAL)
    axes = new_axes(3.2 + 0.08 * label_width, 1.3 + _ROW * len(drivers), ax)
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
    axes.set_yticks(rows, [plain(x) for x in short_labels(drivers["gene_id"], label_width)])
    axes.set_ylim(len(drivers) - 0.4, -0.6)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.set_xlabel("Pearson r with the eigengene (95 % CI)", fontsize=9)
    axes.set_title(plain(f"{result.module_id}: top drivers"), loc="left", fontsize=11)
    _tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    _driver_legend(axes, colour, list(drivers["feature_type"].unique()))
    return axes


def _driver_legend(axes: Any, colour: Any, kinds: list[str]) -> None:
    """Direction by colour and channel by shape, above the axes so that nothing is covered."""
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
    below = -0.5 / (axes.get_window_extent().height / axes.figure.dpi)
    axes.legend(
        handles=entries,
        loc="upper center",
        bbox_to_anchor=(0.5, below),
        ncols=len(entries),
        fontsize=8,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.0,
    )


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
    own = polarity[polarity["gene_id"] == gene]
    if own.empty:
        raise Edge2TorchError(f"gene={gene!r} has no transcripts in module {result.module_id!r}.")
    own = own.sort_values("r", ascending=False, na_position="last")
    if len(own) > len(_TRANSCRIPT_COLOURS):
        own = own.loc[own["r"].abs().nlargest(len(_TRANSCRIPT_COLOURS)).index].sort_values(
            "r", ascending=False
        )
    axes = new_axes(5.2, 3.8, ax)
    x = result.eigengene.to_numpy(dtype=float)
    names = own.get("transcript_id", own["feature_id"])
    labels = short_labels(names, 26)
    for colour, feature, label, r in zip(
        _TRANSCRIPT_COLOURS, own["feature_id"], labels, own["r"], strict=False
    ):
        y = feature_table.loc[result.eigengene.index, feature].to_numpy(dtype=float)
        axes.scatter(x, y, s=12, color=colour, alpha=0.45, linewidth=0)
        axes.plot(*_smooth(x, y), color=colour, linewidth=2, label=plain(f"{label} (r = {r:+.2f})"))
    axes.set_xlabel(plain(f"eigengene of {result.module_id}"), fontsize=9)
    axes.set_ylabel(plain(ylabel), fontsize=9)
    (short,) = short_labels([gene], 24)
    axes.set_title(plain(f"{short}: transcripts along the module"), loc="left", fontsize=11)
    _tidy(axes)
    below = -0.5 / (axes.get_window_extent().height / axes.figure.dpi)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, below),
        ncols=2,
        fontsize=8,
        frameon=False,
        handlelength=1.4,
    )
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
    scale = float(
        np.ptp(places)
    )  # the spline's own scale: the cross-validation is ill-posed on tiny x
    curve = interpolate.make_smoothing_spline(places / scale, at.to_numpy())
    return where, curve(where / scale)


def plot_module_heatmap(
    result: ExplainResult,
    feature_table: pd.DataFrame,
    n: int = 15,
    *,
    label_width: int = 28,
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
        Longer names are cut in the middle.
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
    check_count(n, "n")
    drivers = result.gene_driver_table
    rising, falling = drivers[drivers["r"] > 0].head(n), drivers[drivers["r"] < 0].head(n)
    shown = pd.concat([rising, falling[::-1]])
    if shown.empty:
        raise Edge2TorchError(f"result: no gene of module {result.module_id!r} has a correlation.")
    order = result.eigengene.dropna().sort_values().index
    values = feature_table.loc[order, shown["feature_id"]].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    axes = new_axes(3.6 + 0.08 * label_width, 1.5 + _ROW * len(shown), ax)
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap=diverging_map(),
        vmin=-2.5,
        vmax=2.5,
        interpolation="nearest",
    )
    axes.set_yticks(
        np.arange(len(shown)), [plain(x) for x in short_labels(shown["gene_id"], label_width)]
    )
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.set_xlabel(f"{len(order)} samples, from low to high eigengene", fontsize=9)
    axes.set_title(plain(f"{result.module_id}: drivers over samples"), loc="left", fontsize=11)
    if len(rising) and len(falling):
        axes.axhline(len(rising) - 0.5, color="black", linewidth=1)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=min(1.0, 8 / len(shown) + 0.3), pad=0.02)
    bar.set_label("standard deviations from the mean", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return axes


def _tidy(axes: Any) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
