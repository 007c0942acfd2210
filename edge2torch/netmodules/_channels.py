"""The two channels of a gene: how its transcripts trade places, and how abundant it is.

A switch coordinate is one axis per gene, the direction in which the usage of its transcripts varies
most. An abundance is a log count against a library that a few genes cannot move. Counts per million
are shares of a whole: where some genes rise, all others fall, and genes that do nothing fall and rise
together, which looks like a module. A robust library is the total times a median of ratios
(doi:10.1186/gb-2010-11-10-r106), over the genes that vary least.

Genes and transcripts with few counts have neither. Of a gene with no reads in most samples, one read
in one of them is all that varies: once standardised, every such gene is that sample, and together
they look like a module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SWITCH_BLOCK = 4_000_000  # numbers held at once
_ABUNDANCE_BLOCK = 2_000_000
_MIN_USAGE = 1e-8  # keeps a logarithm finite; half a count was added before
_ZERO_LOADING = 1e-9  # below it the sign of a loading is that of rounding
_AS_USED = 0.8  # of the usage of the most used transcript: as good as that
_WELL_COUNTED = 10  # counts per sample
_STEADIEST = 0.25  # share of the genes that the library is measured by
_MIN_SAMPLES = 3  # however few there are: one or two odd samples are no pattern


@dataclass(frozen=True, eq=False)
class Switches:
    """Scores of the genes that have two transcripts or more.

    ``genes`` (g,) are positions in the sorted genes; ``scores`` (g, samples), before
    standardising; ``rows`` (t,) are their transcripts, with ``loading`` (t,) and ``coefficients``
    (t, design columns). ``minor`` and ``degraded`` (g,) are what reliability is made of.
    ``left_out`` are the other transcripts of these genes.
    """

    genes: NDArray[np.int64]
    scores: NDArray[np.float32]
    r2_before: Floats
    rows: NDArray[np.int64]
    loading: Floats
    coefficients: Floats
    minor: Floats
    degraded: Floats
    left_out: NDArray[np.int64]


def clr_of(counts: Floats) -> tuple[Floats, Floats]:
    """Usage and centred log-ratio of counts (.., k transcripts, samples) of one gene each."""
    usage = counts + 0.5
    usage = usage / usage.sum(axis=-2, keepdims=True)
    logs = np.log(np.maximum(usage, _MIN_USAGE))
    return usage, logs - logs.mean(axis=-2, keepdims=True)


def log_ratios(counts: NDArray[np.float32], gene: NDArray[np.object_]) -> Floats:
    """Centred log-ratios of rows that are grouped by gene, (transcripts, samples)."""
    starts = np.flatnonzero(np.r_[True, gene[1:] != gene[:-1]])
    sizes = np.diff(np.r_[starts, len(gene)])
    usage = counts.astype(np.float64) + 0.5
    usage /= np.repeat(np.add.reduceat(usage, starts, axis=0), sizes, axis=0)
    logs = np.log(np.maximum(usage, _MIN_USAGE))
    mean = np.add.reduceat(logs, starts, axis=0) / sizes[:, None]
    return np.asarray(logs - np.repeat(mean, sizes, axis=0))


def switch_coordinates(
    counts: NDArray[np.float32],
    gene: NDArray[np.int64],
    basis: Floats,
    solver: Floats,
    degradation: Floats | None = None,
    *,
    kept: NDArray[np.bool_] | None = None,
) -> Switches:
    """Find the axis of every gene; ``gene`` (transcripts,) is sorted, ``kept`` says which count."""
    at = np.arange(len(gene)) if kept is None else np.flatnonzero(kept)
    parts = [
        (*_axes(counts, at[rows], basis, solver, degradation), at[rows], gene[at[rows[:, 0]]])
        for rows in _blocks(gene[at], counts.shape[1])
    ]
    n, q = counts.shape[1], solver.shape[1]
    if not parts:
        numbers, positions = np.empty(0), np.empty(0, np.int64)
        return Switches(
            genes=positions,
            scores=np.empty((0, n), np.float32),
            r2_before=numbers,
            rows=positions,
            loading=numbers,
            coefficients=np.empty((0, q)),
            minor=numbers,
            degraded=numbers,
            left_out=positions,
        )
    # blocks come by number of transcripts; genes and rows go back into the order of the input
    genes = np.concatenate([part[-1] for part in parts])
    order = np.argsort(genes, kind="stable")
    rows = np.concatenate([part[-2].ravel() for part in parts])
    by_row = np.argsort(rows, kind="stable")
    scores, r2, loading, coefficients, minor, degraded = (
        np.concatenate([part[k] for part in parts]) for k in range(6)
    )
    return Switches(
        genes=genes[order],
        scores=scores[order].astype(np.float32),
        r2_before=r2[order],
        rows=rows[by_row],
        loading=loading[by_row],
        coefficients=coefficients[by_row],
        minor=minor[order],
        degraded=degraded[order],
        left_out=np.setdiff1d(np.flatnonzero(np.isin(gene, genes)), at),
    )


def _blocks(gene: NDArray[np.int64], n_samples: int) -> Iterator[NDArray[np.int64]]:
    """Rows of genes with equally many transcripts, (genes, k), so many that they fit."""
    if not len(gene):
        return
    starts = np.flatnonzero(np.r_[True, gene[1:] != gene[:-1]])
    sizes = np.diff(np.r_[starts, len(gene)])
    for k in np.unique(sizes[sizes >= 2]):
        chosen = starts[sizes == k]
        step = max(1, _SWITCH_BLOCK // (int(k) * n_samples))
        for first in range(0, len(chosen), step):
            yield chosen[first : first + step, None] + np.arange(k)


def _axes(
    counts: NDArray[np.float32],
    rows: NDArray[np.int64],
    basis: Floats,
    solver: Floats,
    degradation: Floats | None,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    usage, clr = clr_of(counts[rows].astype(np.float64))  # (g, k, samples)
    left = clr - (clr @ basis) @ basis.T  # freed from the design before the axis is chosen
    _, vectors = np.linalg.eigh(left @ left.transpose(0, 2, 1))  # ascending: the last varies most
    axis = vectors[:, :, -1] * _sign(vectors[:, :, -1], usage.mean(axis=2))[:, None]
    scores = np.einsum("gk,gks->gs", axis, left)
    raw = np.einsum("gk,gks->gs", axis, clr - clr.mean(axis=2, keepdims=True))
    total = (raw**2).sum(axis=1)
    r2 = 1 - (scores**2).sum(axis=1) / np.where(total > 0, total, 1)
    minor = 1 - usage.mean(axis=2).max(axis=1)
    coefficients = (clr @ solver).reshape(-1, solver.shape[1])
    return scores, r2, axis.ravel(), coefficients, minor, _degraded(clr, degradation)


def _sign(axis: Floats, usage: Floats) -> Floats:
    """Make the reference's loading positive: the most used transcript.

    Transcripts used nearly as much are ties, which go to the first id (rows are sorted), so that
    a little noise in the usage does not turn a gene round.
    """
    genes = np.arange(len(axis))
    reference = (usage >= _AS_USED * usage.max(axis=1, keepdims=True)).argmax(axis=1)
    at = axis[genes, reference]
    # rounded, so that loadings that are equal but for the last bits are ties, too
    largest = axis[genes, np.abs(axis).round(12).argmax(axis=1)]
    return np.where(np.where(np.abs(at) > _ZERO_LOADING, at, largest) < 0, -1.0, 1.0)


def _degraded(clr: Floats, degradation: Floats | None) -> Floats:
    """Share of a gene's variance along the direction in which degradation moves it."""
    if degradation is None:
        return np.zeros(len(clr))
    centred = clr - clr.mean(axis=2, keepdims=True)
    direction = centred @ degradation
    size = np.sqrt((direction**2).sum(axis=1, keepdims=True))
    direction = direction / np.where(size > 0, size, 1)
    along = np.einsum("gk,gks->gs", direction, centred)
    total = (centred**2).sum(axis=(1, 2))
    share = (along**2).sum(axis=1) / np.where(total > 0, total, 1)
    return np.asarray(share)


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
    step = max(1, _ABUNDANCE_BLOCK // counts.shape[1])
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
    # at least the upper half, in data that are shallow throughout
    well = np.flatnonzero(mean >= min(_WELL_COUNTED, float(np.median(mean))))
    logs = log_abundance(counts[well], counts.sum(axis=0, dtype=np.float64))
    level = logs.mean(axis=1)
    logs -= level[:, None]
    spread = (logs - np.median(logs, axis=0)).var(axis=1)
    quiet = spread <= np.quantile(spread, _STEADIEST)
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


def well_counted(counts: NDArray[np.float32], least: float, share: float) -> NDArray[np.bool_]:
    """Which rows of counts (rows, samples) reach ``least`` in enough samples."""
    return np.asarray((counts >= least).sum(axis=1) >= samples_needed(counts.shape[1], share))


def samples_needed(n: int, share: float) -> int:
    """So many of n samples are that share, rounded up; three at least."""
    # rounded first: .07 * 100 comes out a little above 7
    return min(n, max(_MIN_SAMPLES, math.ceil(round(share * n, 6))))
