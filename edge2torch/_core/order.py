"""Sorting whole numbers: the slowest part of building structures of millions of edges.

Numbers of nodes, of which there are fewer than edges, are counted, not compared: scipy's conversions between
sparse formats read the edges once and write each where its node's begin, for a sixth of what sorting takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array


def order_of(keys: NDArray[np.integer], below: int) -> NDArray[np.int64]:
    """Return the stable order of whole numbers from 0 to below."""
    return sorted_with_order(keys, below)[1]


def sorted_with_order(
    keys: NDArray[np.integer], below: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return whole numbers from 0 to below sorted, and their stable order.

    The place of a number is written behind its last bit and sorted with it. numpy sorts numbers
    many times faster than places of numbers, which it has to look up all over the memory. Where both
    are longer than a word, the last bits are sorted first, then the others. Sorted numbers are read out
    of these words, too: to fetch each by its place takes longer than the sorting where there are millions.
    """
    bits = max(len(keys) - 1, 1).bit_length()
    if below.bit_length() + bits > 63:
        fitting = 63 - bits
        wide = keys.astype(np.int64)
        last = order_of(wide & ((1 << fitting) - 1), (1 << fitting) - 1)
        order = last[order_of(wide[last] >> fitting, below >> fitting)]
        return wide[order], order
    marked = keys.astype(np.int64) << bits
    marked |= np.arange(len(keys))
    marked.sort()
    found = marked >> bits
    marked &= (1 << bits) - 1
    return found, marked


def whole(below: int) -> type[np.signedinteger]:
    """Return the narrower type of whole numbers that holds what is below: half the memory to go through."""
    return np.int32 if below < 2**31 else np.int64


def compressed(
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    values: NDArray[np.integer],
    shape: tuple[int, int],
) -> csr_array:
    """Return a matrix by rows, the entries of a row in the order in which they came, repeated ones too."""
    width = whole(max(len(values), *shape))
    ends = (rows.astype(width, copy=False), columns.astype(width, copy=False))
    entries = coo_array((values, ends), shape)
    entries.has_canonical_format = True  # else those of one place are sorted and added up
    return entries.tocsr()


def by_row_and_column(
    rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]:
    """Return where each row begins, then columns and places of pairs by row, then column, then place."""
    place = np.arange(len(rows), dtype=whole(len(rows)))
    by_column = compressed(columns, rows, place, shape[::-1])
    by_row = by_column.T.tocsr()  # counted once more: what was in order stays so
    return by_row.indptr, by_row.indices, by_row.data
