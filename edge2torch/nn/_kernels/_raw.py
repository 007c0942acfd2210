"""The products themselves, on plain tensors, without gradients.

All dense operands are feature-major matrices (n, b), contiguous over the batch. No product
allocates more than its result: never a batch x edges temporary.
"""

from __future__ import annotations

import functools
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

_SAMPLED_DTYPES = (torch.float32, torch.float64)
_NARROW = 8  # below one vector of the batch sampled_addmm is ten times slower: pad up to it
_TRANSPOSED_AT_ONCE = 4096  # rows: torch transposes a whole matrix on one core, pieces on all
_WORTH_CUTTING = 1 << 15  # elements
_CHUNK = 1 << 22  # elements that the half-precision fall-back may hold at a time


def spmm(weight: Tensor, x: Tensor, pointer: Tensor, index: Tensor) -> Tensor:
    """out[r] = sum of weight[k] * x[index[k]] over k in pointer[r] : pointer[r + 1]."""
    if x.shape[1] == 0 or index.numel() == 0:
        return x.new_zeros(pointer.numel() - 1, x.shape[1])
    # detached: for tensors that require a gradient torch takes a variant that prepares its own
    return F.embedding_bag(
        index,
        x.detach(),
        pointer,
        mode="sum",
        per_sample_weights=weight.detach(),
        include_last_offset=True,
    )


def transpose(x: Tensor) -> Tensor:
    """Return x (b, n) as a contiguous matrix (n, b)."""
    if x.numel() < _WORTH_CUTTING:
        return x.t().contiguous()
    n = x.shape[1]
    rows = x.new_empty(n, x.shape[0])
    step = max(1, min(_TRANSPOSED_AT_ONCE, -(-n // 2)))
    for start in range(0, n, step):
        piece = slice(start, start + step)
        rows[piece].copy_(x[:, piece].t())
    return rows


def sampled_dot(g: Tensor, x: Tensor, pointer: Tensor, index: Tensor, row: Tensor) -> Tensor:
    """out[k] = <g[row[k]], x[index[k]]>, where ``pointer`` holds ``row`` compressed."""
    if index.numel() == 0 or x.shape[1] == 0:
        return x.new_zeros(index.numel())
    if x.is_meta:  # torch has shapes of sparse results for devices only
        return x.new_empty(index.numel())
    if x.dtype not in _SAMPLED_DTYPES:
        return _sampled_dot_in_chunks(g, x, index, row)
    if 1 < x.shape[1] < _NARROW:
        pad = (0, _NARROW - x.shape[1])
        g, x = F.pad(g, pad), F.pad(x, pad)
    _silence_beta_warning()
    pattern = torch.sparse_csr_tensor(
        pointer, index, x.new_zeros(index.numel()), (g.shape[0], x.shape[0]), check_invariants=False
    )
    product: Tensor = torch.sparse.sampled_addmm(pattern, g, x.t(), beta=0.0)
    return product.values()


def _sampled_dot_in_chunks(g: Tensor, x: Tensor, index: Tensor, row: Tensor) -> Tensor:
    size = max(1, _CHUNK // x.shape[1])
    parts = [
        (g.index_select(0, r).float() * x.index_select(0, c).float()).sum(1)
        for r, c in zip(row.split(size), index.split(size), strict=True)
    ]
    return torch.cat(parts).to(x.dtype)


@functools.cache
def _silence_beta_warning() -> None:
    """PyTorch says once per process that CSR is in beta: let it say so here, unheard."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pointer, index = torch.tensor([0, 1]), torch.tensor([0])
        torch.sparse_csr_tensor(pointer, index, torch.zeros(1), (1, 1), check_invariants=False)
