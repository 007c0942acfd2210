"""Which kernel computes a block: a small measured cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kernel = Literal["auto", "sparse", "dense"]
KERNELS: tuple[Kernel, ...] = ("auto", "sparse", "dense")

_TYPICAL_BATCH = 64


@dataclass(frozen=True)
class KernelChoice:
    """A block's kernel, and why.

    Parameters
    ----------
    kernel : {"sparse", "dense"}
        What computes the block.
    reason : str
        One sentence.

    Examples
    --------
    >>> choose_kernel(100, 1000, 1000).kernel
    'sparse'
    """

    kernel: Literal["sparse", "dense"]
    reason: str


def choose_kernel(
    n_edges: int, n_in: int, n_out: int, *, kernel: Kernel = "auto", batch: int = _TYPICAL_BATCH
) -> KernelChoice:
    """Choose by estimated time of one forward and backward pass.

    Parameters
    ----------
    n_edges, n_in, n_out : int
        The block's edges, source nodes and target nodes.
    kernel : {"auto", "sparse", "dense"}
        Anything but "auto" is taken as it is.
    batch : int
        Samples per step that the estimate assumes.

    Returns
    -------
    KernelChoice

    Examples
    --------
    >>> choose_kernel(50_000, 200, 250)
    KernelChoice(kernel='dense', reason='every source meets every target')
    """
    if kernel != "auto":
        return KernelChoice(kernel, f"kernel={kernel!r} was asked for")
    if n_edges == n_in * n_out:
        return KernelChoice("dense", "every source meets every target")
    # nanoseconds per step, fitted on AVX2 float32; one and two threads break even alike
    sparse = 270e3 + n_edges * (6 + 0.30 * batch) + 0.5 * (n_in + n_out) * batch
    dense = 170e3 + n_in * n_out * (3.5 + 0.08 * batch)
    density = f"{n_edges / max(n_in * n_out, 1):.2%} of {n_in} x {n_out}"
    cheaper: Literal["sparse", "dense"] = "sparse" if sparse <= dense else "dense"
    costs = f"{sparse / 1e6:.2f} ms sparse, {dense / 1e6:.2f} ms dense at batch {batch}"
    return KernelChoice(cheaper, f"{density}: estimated {costs}")
