"""Rows of a data matrix with dropout, in one reading; compiled by numba where the walk is at work."""

from __future__ import annotations

from edge2torch.nn._whole._walk import kept


@kept
def gather(x, which, rows, levels, least, scale, out):
    """Fill out (b, k, i) with x[which[k], rows[k, b]], zero where its level is below ``least``.

    Return whether all rows are there; nothing is read beyond them. Levels (k * b * i,) are in the order of networks, not of ``out``, whose rows hold all networks.
    """
    n_networks, n_rows = rows.shape
    width = x.shape[2]
    zero = x.dtype.type(0)
    n_tables, n_there = x.shape[0], x.shape[1]
    for k in range(n_networks):
        if not -n_tables <= which[k] < n_tables:
            return False
        for b in range(n_rows):
            if not -n_there <= rows[k, b] < n_there:
                return False
            own, to = x[which[k], rows[k, b]], out[b, k]
            at = levels[(k * n_rows + b) * width : (k * n_rows + b + 1) * width]
            for j in range(width):
                to[j] = own[j] * scale if at[j] >= least else zero
    return True
