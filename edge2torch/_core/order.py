"""Sorting whole numbers: the slowest part of building structures of millions of edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
