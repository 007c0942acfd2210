"""Eigenvalues with their vectors: of one matrix, with what is known of their error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig, matrix_balance
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, eigs, splu

Floats = NDArray[np.float64]

_ARNOLDI = ((4, 60, 60), (6, 120, 80))  # eigenvalues, vectors, restarts: quick, then thorough
_WORK = 5e9  # multiplications in one attempt, beyond which a bound is the better answer
_AGREED = 1e-4  # relative, of the two sides; the quotient of both vectors is far closer
EPSILON = float(np.finfo(float).eps)
UNBOUNDED = 1e12  # slopes of a multiple eigenvalue are infinite, and are cut here


def dense_pair(matrix: Floats) -> tuple[complex, Any, Any, float]:
    """Return the largest eigenvalue, its right and left vector, and how far off it may be."""
    balanced, (scale, _) = matrix_balance(matrix, permute=False, separate=True)
    values, lefts, rights = eig(balanced, left=True, right=True)
    # of a conjugate pair the one above, so that the same one is chosen every time
    k = int(np.argmax(np.abs(values) * (1 + (values.imag >= 0) * 1e-12)))
    right, left = rights[:, k], lefts[:, k].conj()
    condition = 1 / max(abs(left @ right), 1 / UNBOUNDED)
    error = 10 * EPSILON * float(np.linalg.norm(balanced)) * condition
    return complex(values[k]), right * scale, left / scale, error


def pair_of_both_sides(matrix: Any, transposed: Any) -> tuple[complex, Any, Any, float] | None:
    """Return the largest eigenvalue where both sides, each from a start of its own, agree on it."""
    n = matrix.shape[0]
    for k, ncv, restarts in _ARNOLDI:
        rng = np.random.default_rng(0)
        options = {
            "k": k,
            "ncv": ncv,
            "tol": 1e-6,
            "maxiter": min(restarts, max(10, int(_WORK / (n * ncv**2)))),
        }
        try:
            (values, rights), (again, lefts) = (
                eigs(one, which="LM", v0=rng.standard_normal(n), **options)
                for one in (matrix, transposed)
            )
        except (ArpackNoConvergence, ArpackError):
            continue
        # of a conjugate pair the one above, so that both sides and all calls mean the same one
        most = int(np.argmax(np.abs(values) * (1 + (values.imag >= 0) * 1e-9)))
        value, right = complex(values[most]), rights[:, most]
        nearest = int(np.argmin(np.abs(again - value)))
        left = lefts[:, nearest]
        off = max(abs(np.abs(again).max() - abs(value)), abs(again[nearest] - value))
        if off > _AGREED * abs(value) or value == 0:
            continue
        image = matrix @ right.real + 1j * (matrix @ right.imag)
        condition = 1 / max(abs(left @ right), 1 / UNBOUNDED)
        quotient = (left @ image) / (left @ right)
        if abs(quotient - value) > _AGREED * abs(value):
            continue
        error = np.linalg.norm(image - quotient * right) * np.linalg.norm(left) * condition
        return complex(quotient), right, left, float(error + 10 * EPSILON * condition)
    return None


def perron_vector(matrix: csr_array) -> tuple[Floats, float, float]:
    """Return a positive vector of a nonnegative matrix, and two bounds on its Perron root."""
    n = matrix.shape[0]
    vector = np.ones(n)
    try:
        # rightmost: of a periodic matrix, too, no other has this real part
        _, found = eigs(matrix, k=1, which="LR", v0=vector, tol=1e-10, maxiter=120)
        vector = np.abs(found[:, 0])
    except (ArpackNoConvergence, ArpackError):
        pass
    vector = np.maximum(vector / vector.max(), 1e-200)
    below, above, best = 0.0, np.inf, vector
    for _ in range(300):
        image = matrix @ vector
        ratio = image / vector
        if ratio.max() < above:
            above, best = float(ratio.max()), vector
        below = max(below, float(ratio.min()))
        if above - below <= 1e-12 * above:
            break
        vector = image + 0.3 * below * vector if below else image + vector
        vector = np.maximum(vector / vector.max(), 1e-200)
    return best, below, above


def noda(matrix: csr_array, vector: Floats) -> tuple[Floats, float, float]:
    """Inverse iteration from above, which keeps vectors positive and both bounds valid (Noda)."""
    n = matrix.shape[0]
    below, above = 0.0, np.inf
    for _ in range(60):
        ratio = (matrix @ vector) / vector
        below, above = max(below, float(ratio.min())), min(above, float(ratio.max()))
        if above - below <= 1e-12 * above:
            break
        shift = above * (1 + 1e-12)
        following = splu(csc_array(shift * eye_array(n) - matrix)).solve(vector)
        if not (following > 0).all():  # rounding: the last bounds stand
            break
        vector = following / following.max()
    return vector, below, above
