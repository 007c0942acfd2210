"""Abundance of every gene, against a library that a few genes cannot move.

Counts per million are shares of a whole: where some genes rise, all others fall, and genes that do
nothing fall and rise together, which looks like a module. A robust library is the total times a
median of ratios (doi:10.1186/gb-2010-11-10-r106), over the genes that vary least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 2_000_000  # numbers held at once
_WELL = 10  # counts per sample
_QUIET = 0.25


@dataclass(frozen=True, eq=False)
class Abundances:
    """Scores of all genes (g, samples), freed from the design, before standardising.

    ``r2_before`` (g,) is what the design explained; ``coefficients`` (g, design columns);
    ``reference`` (g,) the usual level of the genes that the library is measured by, NaN elsewhere;
    ``library`` (samples,).
    """

    scores: NDArray[np.float32]
    r2_before: Floats
    coefficients: Floats
    reference: Floats
    library: Floats


def abundances(
    counts: NDArray[np.float32], basis: Floats, solver: Floats, *, robust: bool
) -> Abundances:
    """Log abundances of counts (g, samples), residualised a block of genes at a time."""
    reference = usual_levels(counts) if robust else np.full(len(counts), np.nan)
    library = library_sizes(counts, reference)
    scores = np.empty(counts.shape, np.float32)
    r2 = np.empty(len(counts))
    coefficients = np.empty((len(counts), solver.shape[1]))
    step = max(1, _BLOCK // counts.shape[1])
    for first in range(0, len(counts), step):
        rows = slice(first, first + step)
        logs = log_abundance(counts[rows], library)
        left = logs - (logs @ basis) @ basis.T
        total = ((logs - logs.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        r2[rows] = 1 - (left**2).sum(axis=1) / np.where(total > 0, total, 1)
        scores[rows], coefficients[rows] = left, logs @ solver
    return Abundances(scores, r2, coefficients, reference, library)


def log_abundance(counts: NDArray[np.float32], library: Floats) -> Floats:
    """log2 of counts per million of the library plus one half, (g, samples)."""
    return np.asarray(np.log2(1e6 * counts / library + 0.5))


def usual_levels(counts: NDArray[np.float32]) -> Floats:
    """Mean log abundance of genes that are well counted and vary least, NaN for the others.

    A first library, from the median of all well counted genes, tells which quarter varies least.
    """
    mean = counts.mean(axis=1, dtype=np.float64)
    well = np.flatnonzero(mean >= min(_WELL, float(np.median(mean))))
    logs = log_abundance(counts[well], counts.sum(axis=0, dtype=np.float64))
    level = logs.mean(axis=1)
    logs -= level[:, None]
    spread = (logs - np.median(logs, axis=0)).var(axis=1)
    quiet = spread <= np.quantile(spread, _QUIET)
    levels = np.full(len(counts), np.nan)
    levels[well[quiet]] = level[quiet]
    return levels


def library_sizes(counts: NDArray[np.float32], reference: Floats) -> Floats:
    """Total count of every sample, times the median ratio to the reference if there is one."""
    total = counts.sum(axis=0, dtype=np.float64)
    chosen = ~np.isnan(reference)
    if not chosen.any():
        return np.asarray(total)
    ratios = log_abundance(counts[chosen], total) - reference[chosen, None]
    return np.asarray(total * 2 ** np.median(ratios, axis=0))
