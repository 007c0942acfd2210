"""Curves of survival with the numbers at risk, and predicted against observed events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.plot._style import NEGATIVE, NEUTRAL, POSITIVE, plain, tidy

_CURVE = ("survival", "low", "high", "at_risk", "censored")
_COLORS = (NEGATIVE, POSITIVE, NEUTRAL, "#7a5195", "#3b8f5a", "#b0892e")
_TICKS = 6  # times at which numbers at risk are given, about


def plot_survival(
    curves: Mapping[str, pd.DataFrame], *, title: str | None = None, xlabel: str = "time"
) -> Any:
    """Draw Kaplan-Meier curves of groups, with intervals, censored patients and numbers at risk.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        Name of each group, and what :func:`edge2torch.survival.kaplan_meier` returned of it.
    title : str, optional
        Above the curves.
    xlabel : str
        The unit of time.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        For no group, more than six, and tables that are no curves.

    Examples
    --------
    >>> from edge2torch.survival import kaplan_meier
    >>> axes = plot_survival({"all": kaplan_meier([1.0, 2.0, 3.0], [1, 0, 1])}, xlabel="years")
    >>> axes.get_xlabel()
    'years'
    """
    if not 0 < len(curves) <= len(_COLORS):
        raise Edge2TorchError(
            f"curves: {len(curves)} groups; from 1 to {len(_COLORS)} can be drawn."
        )
    for name, curve in curves.items():
        if lacking := [one for one in _CURVE if one not in getattr(curve, "columns", ())]:
            raise Edge2TorchError(
                f"curves[{name!r}] lacks {listing(lacking)}. Pass what kaplan_meier returned."
            )
    _figure, axes = require("matplotlib.pyplot", extra="plot").subplots(
        figsize=(7.2, 4.2 + 0.25 * len(curves)), layout="constrained"
    )
    for color, (name, curve) in zip(_COLORS, curves.items(), strict=False):
        start = pd.DataFrame({"survival": 1.0, "low": 1.0, "high": 1.0}, index=[0.0])
        steps = pd.concat([start, curve[["survival", "low", "high"]]]).ffill()
        x = steps.index.to_numpy(np.float64)
        axes.step(x, steps["survival"], where="post", color=color, label=plain(str(name)), lw=1.6)
        axes.fill_between(
            x, steps["low"], steps["high"], step="post", color=color, alpha=0.15, lw=0
        )
        gone = curve[curve["censored"] > 0]
        axes.plot(gone.index, gone["survival"], "|", color=color, ms=5, mew=0.8)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.set_xlabel(plain(xlabel))
    axes.set_ylabel("share without the event")
    axes.legend(frameon=False, loc="upper right", fontsize=9)
    if title:
        axes.set_title(plain(title), loc="left", fontsize=11)
    tidy(axes, 10)
    ticks = [t for t in axes.get_xticks() if 0 <= t <= axes.get_xlim()[1]]
    ticks = ticks[:: max(len(ticks) // _TICKS, 1)]
    axes.set_xticks(ticks)
    for k, (color, (_, curve)) in enumerate(zip(_COLORS, curves.items(), strict=False)):
        for t in ticks:
            later = curve[curve.index >= t]
            number = int(later["at_risk"].iloc[0]) if len(later) else 0
            axes.annotate(
                f"{number}",
                (t, 0),
                (0, -44 - 13 * k),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=color,
                annotation_clip=False,
            )
    axes.annotate(
        "at risk",
        (0, 0),
        (-14, -44),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=NEUTRAL,
        annotation_clip=False,
    )
    return axes


def plot_calibration(table: pd.DataFrame, *, title: str | None = None) -> Any:
    """Draw observed against predicted shares of patients with the event.

    Parameters
    ----------
    table : DataFrame
        What :func:`edge2torch.survival.calibration_at` returned.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        For another table.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"predicted": [0.2], "observed": [0.3], "low": [0.1], "high": [0.5]})
    >>> plot_calibration(table).get_ylabel()
    'observed (Kaplan–Meier)'
    """
    needed = ("predicted", "observed", "low", "high")
    if lacking := [one for one in needed if one not in getattr(table, "columns", ())]:
        raise Edge2TorchError(f"table lacks {listing(lacking)}. Pass what calibration_at returned.")
    _, axes = require("matplotlib.pyplot", extra="plot").subplots(
        figsize=(4.6, 4.4), layout="constrained"
    )
    x, y = table["predicted"], table["observed"]
    wide = np.nan_to_num(np.abs(np.stack([y - table["low"], table["high"] - y])))
    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=0.8, ls="--")
    axes.errorbar(x, y, wide, fmt="o", color=POSITIVE, ms=5, lw=1.2, clip_on=False, zorder=3)
    most = min(1.0, 1.08 * float(np.nanmax([x.max(), table["high"].max(), 0.1])))
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    axes.set_xlabel("predicted share with the event")
    axes.set_ylabel("observed (Kaplan–Meier)")
    if title:
        axes.set_title(plain(title), loc="left", fontsize=11)
    tidy(axes, 10)
    return axes
