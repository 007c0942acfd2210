"""Numbers of a column, whatever stands in it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError, compile_graph, survival
from edge2torch._core.columns import numbers_of


@pytest.mark.parametrize(
    "value",
    [None, "word", "", 10**400, 1j, np.complex64(1), pd.Timestamp("2020"), dt.date(2020, 1, 1), pd.NaT, [1]],
    ids=repr,
)  # fmt: skip
def test_what_is_no_number_is_missing_and_the_others_stay(value: object) -> None:
    column = pd.Series([0.5, value, "2", 3], dtype=object)
    np.testing.assert_array_equal(numbers_of(column)[[0, 2, 3]], [0.5, 2, 3])
    assert not np.isfinite(numbers_of(column)[1])


def test_dates_are_no_numbers() -> None:
    when = pd.Series(pd.date_range("2020", periods=2))
    assert np.isnan(numbers_of(when)).all()
    assert np.isnan(numbers_of(when - when[0])).all()
    np.testing.assert_array_equal(numbers_of(pd.Series([1, None], dtype="Int64")), [1, np.nan])


def test_numbers_of_hundreds_of_digits_are_refused_at_every_door() -> None:
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["y", "y"]})
    long = pd.Series([10**400, 1], dtype=object)
    for name, options in (("initial_weight", {}), ("sign", {"sign_column": "sign"})):
        with pytest.raises(Edge2TorchError, match=name):
            compile_graph(edges.assign(**{name: long}), quiet=True, **options)
    with pytest.raises(Edge2TorchError, match="t"):
        survival.outcome_of(pd.DataFrame({"t": long, "e": [1, 0]}), "t", "e")
