"""How a gene's transcripts trade places along a module."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import ExplainResult
from edge2torch.plot._names import short_labels
from edge2torch.plot._style import legend_below, new_axes, plain, tidy

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
    own = polarity[polarity["gene_id"] == gene]
    if own.empty:
        raise Edge2TorchError(f"gene={gene!r} has no transcripts in module {result.module_id!r}.")
    own = own.sort_values("r", ascending=False, na_position="last")
    if len(own) > len(_COLOURS):
        own = own.loc[own["r"].abs().nlargest(len(_COLOURS)).index].sort_values(
            "r", ascending=False
        )
    axes = new_axes(5.2, 3.8, ax)
    x = result.eigengene.to_numpy(dtype=float)
    names = own.get("transcript_id", own["feature_id"])
    labels = short_labels(names, 26)
    for colour, feature, label, r in zip(
        _COLOURS, own["feature_id"], labels, own["r"], strict=False
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
    scale = float(
        np.ptp(places)
    )  # the spline's own scale: the cross-validation is ill-posed on tiny x
    curve = interpolate.make_smoothing_spline(places / scale, at.to_numpy())
    return where, curve(where / scale)
