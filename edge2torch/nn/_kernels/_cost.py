"""Which kernel computes a block: a small measured cost model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kernel = Literal["auto", "sparse", "dense"]
KERNELS: tuple[Kernel, ...] = ("auto", "sparse", "dense")
"""What ``kernel=`` may be."""

TYPICAL_BATCH = 64

# Nanoseconds of one forward and backward pass in float32, two threads, AVX2: a constant, per
# edge, per edge and sample, per node and sample; for the dense kernel also per matrix element,
# and per element and sample. Fitted by benchmarks/kernel_crossover.py: over 168 cases the rule
# picks the slower kernel in 4 %, at most 1.26 times and on average 1.005 times the better one.
_SPARSE = {"once": 207e3, "edge": 4.71, "edge_sample": 0.1199, "node_sample": 0.739}
_DENSE = {"once": 142e3, "edge": 3.45, "node_sample": 1.163, "cell": 0.949, "cell_sample": 0.0197}


@dataclass(frozen=True)
class KernelChoice:
    """A block's kernel, and why.

    Parameters
    ----------
    dense_from : float
        Batch size from which the block is multiplied as a dense matrix: 0 always, inf never.
    reason : str
        One sentence.

    Examples
    --------
    >>> choose_kernel(100, 1000, 1000).kernel
    'sparse'
    """

    dense_from: float
    reason: str

    @property
    def kernel(self) -> str:
        """The kernel in words."""
        if self.dense_from == 0:
            return "dense"
        if self.dense_from == math.inf:
            return "sparse"
        return f"sparse, dense from batch {self.dense_from:.0f}"


def choose_kernel(n_edges: int, n_in: int, n_out: int, *, kernel: Kernel = "auto") -> KernelChoice:
    """Choose by the estimated time of one forward and backward pass.

    Both kernels' times grow linearly with the batch, so the choice is a batch size from which
    the dense one is faster.

    Parameters
    ----------
    n_edges, n_in, n_out : int
        The block's edges, source nodes and target nodes.
    kernel : {"auto", "sparse", "dense"}
        Anything but "auto" is taken as it is.

    Returns
    -------
    KernelChoice

    Examples
    --------
    >>> choose_kernel(50_000, 200, 250)
    KernelChoice(dense_from=0, reason='every source meets every target')
    """
    if kernel != "auto":
        dense_from = 0 if kernel == "dense" else math.inf
        return KernelChoice(dense_from, f"kernel={kernel!r} was asked for")
    if n_edges == n_in * n_out:
        return KernelChoice(0, "every source meets every target")
    fixed, slope = _lead(n_edges, n_in, n_out)
    density = f"{n_edges / (n_in * n_out):.2%} of {n_in} x {n_out}"
    if fixed >= 0 and slope >= 0:
        return KernelChoice(0, f"{density}: dense is faster for every batch")
    if fixed <= 0 and slope <= 0:
        return KernelChoice(math.inf, f"{density}: sparse is faster for every batch")
    crossing = -fixed / slope
    if slope > 0:
        return KernelChoice(math.ceil(crossing), f"{density}: dense is faster for large batches")
    dense_from = 0 if crossing > TYPICAL_BATCH else math.inf
    return KernelChoice(dense_from, f"{density}: the faster one at batch {TYPICAL_BATCH}")


def layer_time(n_edges: int, n_in: int, n_out: int, batch: int) -> float:
    """Return the estimated nanoseconds of a block's forward and backward pass, the faster kernel."""
    sizes = {"once": 1, "edge": n_edges, "node": n_in + n_out, "cell": n_in * n_out}
    return min(
        sum(
            nanoseconds
            * sizes[term.removesuffix("_sample")]
            * (batch if term.endswith("_sample") else 1)
            for term, nanoseconds in costs.items()
        )
        for costs in (_SPARSE, _DENSE)
    )


def _lead(n_edges: int, n_in: int, n_out: int) -> tuple[float, float]:
    """How much longer sparse takes than dense: a constant, and per sample."""
    sizes = {"once": 1, "edge": n_edges, "node": n_in + n_out, "cell": n_in * n_out}
    fixed = slope = 0.0
    for costs, side in ((_SPARSE, 1), (_DENSE, -1)):
        for term, nanoseconds in costs.items():
            size = sizes[term.removesuffix("_sample")]
            if term.endswith("_sample"):
                slope += side * nanoseconds * size
            else:
                fixed += side * nanoseconds * size
    return fixed, slope
