"""A fixed sparsity pattern with the index structures that its products need."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.nn._kernels._cost import TYPICAL_BATCH
from edge2torch.nn._kernels._products import Index, multiply

_INDEX_NAMES = ("crow", "col", "row", "ccol", "rowc", "perm", "inverse")


class EdgePattern(nn.Module):
    """The positions of a sparse matrix's entries, compressed by rows and by columns.

    Built once, vectorised, from edges sorted by row, then column; edge k of every weight
    vector is the k-th of them. Indices are int32 where they fit, and travel with ``.to()``
    but stay out of the ``state_dict``.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (e,)
        Target and source positions, sorted by row, then column, each pair once.
    shape : tuple of int
        (o, i).
    dense_from : float
        Batch size from which :meth:`product` multiplies a dense matrix: 0 always, inf never.

    Examples
    --------
    >>> import numpy as np, torch
    >>> pattern = EdgePattern(np.array([0, 0]), np.array([0, 2]), (1, 3))
    >>> pattern.product(torch.tensor([1.0, 10.0]), torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[31.]])
    """

    crow: Tensor
    col: Tensor
    row: Tensor
    ccol: Tensor
    rowc: Tensor
    perm: Tensor
    inverse: Tensor
    slot: Tensor | None

    def __init__(
        self,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        shape: tuple[int, int],
        *,
        dense_from: float = math.inf,
    ) -> None:
        super().__init__()
        self._index: Index | None = None
        self.out_features, self.in_features = shape
        self.n_edges = len(rows)
        self.dense_from = dense_from
        self.is_complete = self.n_edges == shape[0] * shape[1]
        self._register(_compress(np.asarray(rows), np.asarray(columns), shape))
        turns_dense = dense_from < math.inf and not self.is_complete
        self.register_buffer("slot", self._slots() if turns_dense else None, persistent=False)

    def _slots(self) -> Tensor:
        """Return each edge's position in the flattened matrix."""
        return self.row.long() * self.in_features + self.col

    def _register(self, arrays: dict[str, NDArray[np.integer]]) -> None:
        fits = self.n_edges < 2**31 and max(self.in_features, self.out_features) < 2**31
        dtype = torch.int32 if fits else torch.int64
        for name in _INDEX_NAMES:
            tensor = torch.from_numpy(np.ascontiguousarray(arrays[name])).to(dtype)
            self.register_buffer(name, tensor, persistent=False)

    @property
    def index(self) -> Index:
        """The index tensors."""
        tensors = self._buffers
        if self._index is None or self._index.crow is not tensors["crow"]:  # moved to a device
            self._index = Index(*(cast(Tensor, tensors[name]) for name in _INDEX_NAMES))
        return self._index

    def product(self, weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply x (b, i) by the matrix with the given edge weights (e,), add a bias (o,): (b, o)."""
        if self.is_dense_for(x.shape[0]):
            return _multiply_dense(self.to_dense(weight), x, bias)
        if is_autocast(x):  # the sparse kernels keep the weights' precision
            with torch.autocast(x.device.type, enabled=False):
                return multiply(weight, x.to(weight.dtype), bias, self.index)
        return multiply(weight, x, bias, self.index)

    def is_dense_for(self, batch: int) -> bool:
        """Tell whether a batch of this size is computed by dense matrix multiplication."""
        if torch.compiler.is_exporting():  # the exported batch may be of any size
            return self.dense_from <= TYPICAL_BATCH
        return batch >= self.dense_from

    def to_dense(self, weight: Tensor) -> Tensor:
        """Return the matrix (o, i) with the given edge weights (e,) and zeros elsewhere."""
        shape = (self.out_features, self.in_features)
        if self.is_complete:
            return weight.view(shape)
        slot = self.slot if self.slot is not None else self._slots()
        return weight.new_zeros(shape[0] * shape[1]).index_copy(0, slot, weight).view(shape)


def _multiply_dense(matrix: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    """Return x W.T + b (b, o) in the memory layout of x (b, i)."""
    if x.is_contiguous():
        return F.linear(x, matrix, bias)
    y = torch.mm(matrix, x.t()).t()
    return y if bias is None else y + bias


def is_autocast(x: Tensor) -> bool:
    """Tell whether autocast is on for the device of a tensor; some devices have none."""
    device = x.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _compress(
    rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]
) -> dict[str, NDArray[np.integer]]:
    n_out, n_in = shape
    # numpy sorts 16-bit integers by radix, several times faster than wider ones
    perm = np.argsort(columns.astype(np.uint16) if n_in <= 65536 else columns, kind="stable")
    inverse = np.empty_like(perm)
    inverse[perm] = np.arange(len(perm))
    return {
        "crow": _pointer(rows, n_out),
        "col": columns,
        "row": rows,
        "ccol": _pointer(columns, n_in),
        "rowc": rows[perm],
        "perm": perm,
        "inverse": inverse,
    }


def _pointer(positions: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    counts = np.bincount(positions, minlength=size)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
