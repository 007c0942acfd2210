"""Curves with their numbers at risk, and calibration."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.plot import plot_calibration, plot_survival
from edge2torch.survival import calibration_at, kaplan_meier
from tests.survival.cohort import AGE, EVENT, TIME

mpl.use("agg")


def test_the_numbers_at_risk_are_those_of_the_curves() -> None:
    old = AGE > 56
    curves = {
        name: kaplan_meier(TIME[rows], EVENT[rows])
        for name, rows in {"$old": old, "young": ~old}.items()
    }
    axes = plot_survival(curves, xlabel="years")
    texts = [one.get_text() for one in axes.texts]
    ticks = axes.get_xticks()
    expected = [str(int((TIME[rows] >= t).sum())) for rows in (old, ~old) for t in ticks]
    assert texts == [*expected, "at risk"]
    assert [one.get_text() for one in axes.get_legend().get_texts()] == [r"\$old", "young"]
    steps = axes.lines[0]
    assert steps.get_ydata()[0] == 1
    assert steps.get_ydata()[-1] == pytest.approx(curves["$old"]["survival"].iloc[-1])


def test_calibration_shows_each_group_and_its_interval() -> None:
    table = calibration_at(TIME, EVENT, pd.Series((80 - AGE) / 50).clip(0, 1), 5.0, groups=4)
    axes = plot_calibration(table, title="five years")
    drawn = axes.lines[1]
    assert drawn.get_xdata().tolist() == table["predicted"].tolist()
    assert drawn.get_ydata().tolist() == table["observed"].tolist()
    assert axes.get_title(loc="left") == "five years"


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(Edge2TorchError, match="curves: 0 groups; from 1 to 6 can be drawn"):
        plot_survival({})
    with pytest.raises(Edge2TorchError, match="lacks 'low', 'high'"):
        plot_survival({"a": kaplan_meier(TIME, EVENT).drop(columns=["low", "high"])})
    with pytest.raises(Edge2TorchError, match="table lacks 'observed'"):
        plot_calibration(pd.DataFrame({"predicted": [0.1], "low": [0.1], "high": [0.2]}))
