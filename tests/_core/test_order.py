"""order_of is numpy's stable argsort, where the places fit behind the numbers and where not."""

from __future__ import annotations

import numpy as np
import pytest

from edge2torch._core.order import by_row_and_column, order_of, sorted_with_order


@pytest.mark.parametrize("below", [1, 7, 1000, 2**40, 2**62])
@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_the_order_is_the_stable_one(n, below):
    keys = np.random.default_rng(0).integers(0, below, n)
    before = keys.copy()
    assert order_of(keys, below).tolist() == np.argsort(keys, kind="stable").tolist()
    assert (keys == before).all()


def test_small_types_do_not_overflow():
    keys = np.array([3, 1, 3, 0] * 200, np.int8)
    assert order_of(keys, 4).tolist() == np.argsort(keys, kind="stable").tolist()


@pytest.mark.parametrize("below", [2**12, 2**50, 2**62])
def test_no_place_is_looked_up_while_sorting(below, monkeypatch):
    """Sorting places was six times slower, from some two million edges on."""
    keys = np.random.default_rng(0).integers(0, below, 5000)
    expected = np.argsort(keys, kind="stable").tolist()
    monkeypatch.delattr(np, "argsort")
    assert order_of(keys, below).tolist() == expected


@pytest.mark.parametrize("below", [7, 2**40, 2**60])
def test_sorted_numbers_come_with_their_order(below):
    keys = np.random.default_rng(0).integers(0, below, 500)
    found, order = sorted_with_order(keys, below)
    assert found.tolist() == sorted(keys.tolist())
    assert keys[order].tolist() == found.tolist()


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 3)])
def test_pairs_are_counted_into_the_order_of_sorting(shape):
    rows, columns = np.random.default_rng(0).integers(0, [[shape[0]], [shape[1]]], (2, 300))
    start, found, place = by_row_and_column(rows, columns, shape)
    order = np.lexsort((columns, rows))
    assert place.tolist() == order.tolist()  # of pairs that are there twice, the first one first
    assert found.tolist() == columns[order].tolist()
    assert np.diff(start).tolist() == np.bincount(rows, minlength=shape[0]).tolist()
    assert found.dtype == place.dtype == np.int32
