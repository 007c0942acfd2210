"""The largest eigenvalue of a sparse matrix, certified or with a bound that says so.

A matrix falls apart into its strongly connected components; each is solved by what suits it: a
single cycle in closed form, a periodic one by what returns after a period, a small one by LAPACK,
a large one by Arnoldi's method from both sides. Where that does not settle, the spectral radius of
the absolute values is the answer, as a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.sparse.linalg import LinearOperator

from edge2torch.nn._eigen_pairs import (
    EPSILON,
    UNBOUNDED,
    Floats,
    dense_pair,
    noda,
    pair_of_both_sides,
    perron_vector,
)

Ints = NDArray[np.int64]

_TINY = 32  # components up to here are solved many at a time
_DENSE = 300  # up to here LAPACK takes tens of milliseconds
_DENSE_AT_MOST = 1000  # seconds: only where Arnoldi's method does not settle
_PERIODS = 5000
_LOOKS = 16  # at all entries, for a bound
_UNDERFLOW = 1e-290  # sums from here on have lost nothing that matters
_EXCESS = 2000  # edges beyond one per node up to which a factorisation stays sparse
_CLOSE = 1e-6  # relative, of the two bounds on a Perron root


@dataclass(frozen=True, eq=False)
class Leading:
    """An eigenvalue of the largest modulus, or a bound on it.

    Parameters
    ----------
    value : complex
        The eigenvalue, or the bound.
    lower : float
        What the largest modulus is at least.
    slope : ndarray of complex, shape (e,)
        Derivative of ``value`` by each entry.
    """

    value: complex
    lower: float
    slope: NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class _Entries:
    """A matrix as entries: each edge leads from column to row."""

    rows: Ints
    columns: Ints
    values: Floats
    n: int

    def sparse(self) -> csr_array:
        return csr_array((self.values, (self.rows, self.columns)), (self.n, self.n))

    def dense(self) -> Floats:
        matrix = np.zeros((self.n, self.n))
        matrix[self.rows, self.columns] = self.values
        return matrix

    def absolute(self) -> _Entries:
        return replace(self, values=np.abs(self.values))


def leading_eigenvalue(
    rows: Ints, columns: Ints, values: Floats, n: int, *, above: float = 0.0
) -> Leading | None:
    """Return the largest eigenvalue of an (n, n) matrix of entries; None where all are 0.

    None too where sums of rows or columns show at once that none is ``above`` so much.
    """
    if not np.isfinite(values).all():
        return Leading(complex(np.nan), np.nan, np.full(len(values), complex(np.nan)))
    slope = np.zeros(len(values), complex)
    best, least = complex(0), 0.0
    for edges, part in _components(_Entries(rows, columns, values, n)):
        enough = max(abs(best), above)
        if enough >= _norm_bound(part) or (enough > 0 and enough >= _closer_bound(part)):
            break
        found = _of_component(part)
        least = max(least, found.lower)
        if abs(found.value) > abs(best):
            best, slope = found.value, np.zeros_like(slope)
            slope[edges] = found.slope
    return Leading(best, least, slope) if best else None


# ------------------------------------------------------------------------- components


def _components(whole: _Entries) -> list[tuple[Ints, _Entries]]:
    """Return the components with cycles, those first that can amplify most, and their entries."""
    alive = np.flatnonzero(whole.values)
    graph = csr_array(
        (np.ones(len(alive), np.int8), (whole.rows[alive], whole.columns[alive])),
        (whole.n, whole.n),
    )
    _, component = connected_components(graph, directed=True, connection="strong")
    inside = alive[component[whole.rows[alive]] == component[whole.columns[alive]]]
    if len(inside) == 0:
        return []
    # entries of a component side by side, their nodes numbered within it
    own = component[whole.rows[inside]]
    order = np.argsort(own, kind="stable")
    inside, own = inside[order], own[order]
    nodes = np.argsort(component, kind="stable")
    place = np.empty_like(nodes)
    sizes = np.bincount(component)
    place[nodes] = np.arange(whole.n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    size = sizes[own[starts]]
    weight = _strongest_of_small(whole, inside, starts, size, place)
    ends = np.append(starts[1:], len(inside))
    largest_row = np.maximum.reduceat(
        _sums(whole.rows[inside], np.abs(whole.values[inside])), starts
    )
    promise = np.where(np.isnan(weight), largest_row, weight)
    # of the small ones, the strongest alone is looked at again
    small = np.flatnonzero(~np.isnan(weight))
    kept = np.flatnonzero(np.isnan(weight))
    if len(small):
        kept = np.append(kept, small[np.argmax(weight[small])])
    kept = kept[np.argsort(-promise[kept], kind="stable")]
    parts = []
    for k in kept:
        edges = inside[starts[k] : ends[k]]
        rows, columns = place[whole.rows[edges]], place[whole.columns[edges]]
        parts.append((edges, _Entries(rows, columns, whole.values[edges], int(size[k]))))
    return parts


def _sums(rows: Ints, values: Floats) -> Floats:
    """Return for each entry the sum of its row."""
    totals = np.bincount(rows, values).astype(np.float64)
    return totals[rows]


def _strongest_of_small(
    whole: _Entries, inside: Ints, starts: Ints, size: Ints, place: Ints
) -> Floats:
    """Return the largest modulus of each small component, NaN for the others."""
    found = np.full(len(starts), np.nan)
    counts = np.diff(np.append(starts, len(inside)))
    which = np.repeat(np.arange(len(starts)), counts)
    for s in np.unique(size[size <= _TINY]):
        alike = np.flatnonzero(size == s)
        number = np.full(len(starts), -1)
        number[alike] = np.arange(len(alike))
        edges = inside[number[which] >= 0]
        stack = np.zeros((len(alike), s, s))
        at = number[which[number[which] >= 0]]
        stack[at, place[whole.rows[edges]], place[whole.columns[edges]]] = whole.values[edges]
        found[alike] = np.abs(np.linalg.eigvals(stack)).max(1)
    return found


def _norm_bound(part: _Entries) -> float:
    """Return what no eigenvalue can pass: the largest row sum, or column sum."""
    values = np.abs(part.values)
    return float(min(_sums(part.rows, values).max(), _sums(part.columns, values).max()))


def _closer_bound(part: _Entries) -> float:
    """Return what no eigenvalue of an irreducible matrix can pass, nearer the root of its absolute values.

    That is max (|A| v)_i / v_i for any positive v (Collatz, Wielandt): here sums of rows, of rows of
    sums, and so on, which costs a look each where a root costs hundreds.
    """
    values, vector, least = np.abs(part.values), np.ones(part.n), np.inf
    for _ in range(_LOOKS):
        image = np.bincount(part.rows, values * vector[part.columns], part.n)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            above = float((image / vector).max())
        if not (image.min() > _UNDERFLOW and np.isfinite(above)):
            break
        least, vector = min(least, above), image / image.max()
    return least * (1 + part.n * EPSILON)


def _of_component(part: _Entries) -> Leading:
    if len(part.values) == part.n:
        return _of_cycle(part)
    if part.n <= _DENSE:
        return _by_lapack(part)
    scale = _balance(part)
    change = scale[part.columns] / scale[part.rows]
    found = _of_large(replace(part, values=part.values * change))
    return replace(found, slope=found.slope * change)


def _of_large(part: _Entries) -> Leading:
    period, phase = _period(part)
    signs = _one_sided(part)
    found: Leading | None
    if 1 < period <= _PERIODS and (signs is None or np.bincount(phase).min() <= _DENSE):
        found = _of_period(part, period, phase)
    elif signs is None:
        found = _by_arnoldi(part)
    else:
        found = _perron(part, signs)
        is_close = abs(found.value) - found.lower <= _CLOSE * abs(found.value)
        found = found if is_close or part.n > _DENSE_AT_MOST else None
    if found is not None:
        return found
    if part.n <= _DENSE_AT_MOST:
        return _by_lapack(part)
    return replace(_perron(part, np.sign(part.values)), lower=0.0)


# ------------------------------------------------------------------------- closed forms


def _of_cycle(part: _Entries) -> Leading:
    """Return the geometric mean of a single cycle: every entry has the same share in it."""
    modulus = float(np.exp(np.log(np.abs(part.values)).mean()))
    is_negative = np.count_nonzero(part.values < 0) % 2 == 1
    value = modulus * np.exp(1j * np.pi * is_negative / part.n)
    error = part.n * EPSILON * modulus
    return Leading(complex(value), modulus - error, value / (part.n * part.values))


def _period(part: _Entries) -> tuple[int, Ints]:
    """Return the greatest common divisor of all cycles' lengths, and each node's phase."""
    graph = csr_array((np.ones(len(part.rows)), (part.columns, part.rows)), (part.n, part.n))
    level = shortest_path(graph, unweighted=True, indices=0).astype(np.int64)
    period = int(np.gcd.reduce(np.abs(level[part.columns] + 1 - level[part.rows])))
    return period, level % max(period, 1)


def _of_period(part: _Entries, period: int, phase: Ints) -> Leading | None:
    """Solve what returns after a period to the nodes of one phase, of which there are fewest.

    The eigenvalues of a periodic matrix are the roots of that one's, ``period`` of each modulus.
    """
    first = int(np.bincount(phase).argmin())
    phase = (phase - first) % period
    order = np.argsort(phase, kind="stable")
    bounds = np.append(0, np.cumsum(np.bincount(phase)))
    matrix = part.sparse()[order][:, order]
    steps = [
        matrix[bounds[(k + 1) % period] : bounds[(k + 1) % period + 1], bounds[k] : bounds[k + 1]]
        for k in range(period)
    ]
    found = _through(steps)
    if found is None:
        return None
    inner, right, left, error, logarithm = found
    if inner == 0:
        return Leading(complex(0), 0.0, np.zeros(len(part.values), complex))
    modulus = np.exp((logarithm + np.log(abs(inner))) / period)
    value = complex(modulus * np.exp(1j * np.angle(inner) / period))
    rights, lefts = [right], [left]
    for step in steps[:-1]:
        rights.append(step @ rights[-1] / value)
    for step in reversed(steps[1:]):
        lefts.append(step.T @ lefts[-1] / value)
    v, w = np.empty(part.n, complex), np.empty(part.n, complex)
    v[order] = np.concatenate(rights)
    w[order] = np.concatenate([lefts[0], *reversed(lefts[1:])])
    error = abs(modulus) * (error / abs(inner) / period + 10 * period * EPSILON)
    return _leading(part, value, v, w, error=error)


def _through(steps: list[csr_array]) -> tuple[complex, Any, Any, float, float] | None:
    """Return eigenvalue, vectors and error of a product, over the exponential of a logarithm."""
    width, logarithm = steps[0].shape[1], 0.0
    if width <= _DENSE:
        through = np.eye(width)
        for step in steps:
            through = step @ through
            size = np.abs(through).max()
            if size == 0:
                return 0j, None, None, 0.0, 0.0
            through, logarithm = through / size, logarithm + np.log(size)
        return *dense_pair(through), logarithm
    sizes = [max(1e-300, np.sqrt((step.data**2).sum() / step.shape[0])) for step in steps]

    def around(x: Any) -> Any:
        for step, size in zip(steps, sizes, strict=True):
            x = step @ x / size
        return x

    def back(x: Any) -> Any:
        for step, size in zip(reversed(steps), reversed(sizes), strict=True):
            x = step.T @ x / size
        return x

    shape = (width, width)
    found = pair_of_both_sides(
        *(LinearOperator(shape, matvec=go, dtype=float) for go in (around, back))
    )
    return None if found is None else (*found, float(np.log(sizes).sum()))


# ------------------------------------------------------------------------- dense


def _by_lapack(part: _Entries) -> Leading:
    value, right, left, error = dense_pair(part.dense())
    return _leading(part, value, right, left, error=error)


def _leading(part: _Entries, value: complex, right: Any, left: Any, *, error: float) -> Leading:
    overlap = left @ right
    least = np.linalg.norm(left) * np.linalg.norm(right) / UNBOUNDED**2
    if abs(overlap) <= least:  # a multiple eigenvalue
        overlap = least or 1.0
    slope = left[part.rows] * right[part.columns] / overlap
    return Leading(value, max(abs(value) - error, 0.0), slope)


# ------------------------------------------------------------------------- large ones


def _balance(part: _Entries) -> Floats:
    """Return a scale of the nodes under which what enters and what leaves them are alike."""
    values, logarithm = np.abs(part.values), np.zeros(part.n)
    for _ in range(50):
        scaled = values * np.exp(logarithm[part.columns] - logarithm[part.rows])
        into = np.bincount(part.rows, scaled, part.n)
        out = np.bincount(part.columns, scaled, part.n)
        change = 0.25 * np.log(into / out)
        logarithm += change
        if np.abs(change).max() < 0.05:
            break
    scale: Floats = np.exp(logarithm - logarithm.mean())
    return scale


def _one_sided(part: _Entries) -> Floats | None:
    """Return the signs of the entries, if turning some nodes round makes all positive; else None.

    In a graph of two copies of every node, an entry that is negative leads to the other copy.
    """
    if (part.values > 0).all():
        return np.ones(len(part.values))
    other = np.where(part.values < 0, part.n, 0)
    rows = np.concatenate([part.rows + other, (part.rows + part.n + other) % (2 * part.n)])
    columns = np.concatenate([part.columns, part.columns + part.n])
    graph = csr_array((np.ones(len(rows), np.int8), (rows, columns)), (2 * part.n, 2 * part.n))
    _, label = connected_components(graph, directed=False)
    return np.sign(part.values) if label[0] != label[part.n] else None


def _by_arnoldi(part: _Entries) -> Leading | None:
    matrix = part.sparse()
    found = pair_of_both_sides(matrix, matrix.T.tocsr())
    if found is None:
        return None
    value, right, left, error = found
    return _leading(part, value, right, left, error=error)


def _perron(part: _Entries, signs: Floats) -> Leading:
    """Return the Perron root of the absolute values of an irreducible matrix, and its bounds.

    For any positive v, min (A v)_i / v_i <= root <= max (A v)_i / v_i (Collatz, Wielandt).
    """
    part = replace(part, values=np.abs(part.values))
    matrix = part.sparse()
    below, above, vectors = 0.0, np.inf, []
    for one in (matrix, matrix.T.tocsr()):
        vector, low, high = perron_vector(one)
        if high - low > _CLOSE * high and len(part.values) - part.n <= _EXCESS:
            vector, low, high = noda(one, vector)
        below, above = max(below, low), min(above, high)
        vectors.append(vector)
    right, left = vectors
    root = (left @ (matrix @ right)) / (left @ right)  # off by the product of both errors
    is_close = above - below <= _CLOSE * above
    value = float(np.clip(root, below, above)) if is_close else above
    found = _leading(part, complex(value), right, left, error=0.0)
    return replace(found, lower=below, slope=found.slope * signs)
