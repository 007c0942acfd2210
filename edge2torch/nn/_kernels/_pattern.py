"""A fixed sparsity pattern with the index structures that its products need."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from edge2torch._core.order import whole
from edge2torch.nn._kernels._cost import TYPICAL_BATCH
from edge2torch.nn._kernels._products import Index, multiply

_POINTERS = ("crow", "ccol")
_PER_EDGE = ("col", "row", "rowc", "perm", "inverse")
# Asked once: before torch 2.13 torch.compile breaks its graph at the question.
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla")
_PLAIN = (Tensor, nn.Parameter)
# looked up once: of a small layer that counts
_is_mapped, _is_compiling = torch._C._are_functorch_transforms_active, torch.compiler.is_compiling
_n_modes, _tracer = torch._C._len_torch_dispatch_stack, torch._C._get_tracing_state
_is_deterministic = torch._C._get_deterministic_algorithms
_FEW = 1 << 12  # edges: up to so many a call takes longer than they do
_SHARED_OUT = 1 << 15
_FEW_SAMPLES = 128  # up to so many a transposed matrix takes no longer than another on the way back
_WITH_AUTOCAST = frozenset(filter(torch.amp.is_autocast_available, _DEVICES))


class EdgePattern(nn.Module):
    """The positions of a sparse matrix's entries, compressed by rows and by columns.

    Built once, vectorised, from edges sorted by row, then column; edge k of every weight
    vector is the k-th of them. Indices are int32 where they fit, and travel with ``.to()``
    but stay out of the ``state_dict``. A complete matrix that is always multiplied densely keeps
    none per edge; what asks for them gets them computed.

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
    ccol: Tensor
    slot: Tensor | None
    turned: Tensor | None

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
        self._register(np.asarray(rows), np.asarray(columns))
        turns_dense = dense_from < math.inf and not self.is_complete
        self.register_buffer("slot", self._slots() if turns_dense else None, persistent=False)
        is_small = turns_dense and self.n_edges <= _FEW
        self.register_buffer("turned", self._turned() if is_small else None, persistent=False)
        self._zeros: tuple[Tensor, Tensor] | None = None

    def _slots(self) -> Tensor:
        """Return each edge's position in the flattened matrix."""
        return self.row.long() * self.in_features + self.col

    def _turned(self) -> Tensor:
        """Return each edge's position in the flattened transposed matrix."""
        return self.col.long() * self.out_features + self.row

    def _register(self, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> None:
        n_out, n_in = self.out_features, self.in_features
        arrays: dict[str, NDArray[np.integer]] = {"crow": _pointer(rows, n_out)}
        if self.is_complete and self.dense_from == 0:
            arrays["ccol"] = _pointer(columns, n_in)
        else:
            arrays |= _compress(rows, columns, arrays["crow"], (n_out, n_in))
        fits = self.n_edges < 2**31 and max(n_in, n_out) < 2**31
        dtype = torch.int32 if fits else torch.int64
        for name, values in arrays.items():
            tensor = torch.tensor(values, dtype=dtype)
            own = name if name in _POINTERS else f"_{name}"
            self.register_buffer(own, tensor, persistent=False)

    @property
    def row(self) -> Tensor:
        """Each edge's row, (e,)."""
        return self._per_edge("row")

    @property
    def col(self) -> Tensor:
        """Each edge's column, (e,)."""
        return self._per_edge("col")

    @property
    def rowc(self) -> Tensor:
        """The rows in the order by columns, (e,)."""
        return self._per_edge("rowc")

    @property
    def perm(self) -> Tensor:
        """Which edge stands at each place of the order by columns, (e,)."""
        return self._per_edge("perm")

    @property
    def inverse(self) -> Tensor:
        """At which place of the order by columns each edge stands, (e,)."""
        return self._per_edge("inverse")

    def _per_edge(self, name: str) -> Tensor:
        kept = self._buffers.get(f"_{name}")
        if kept is not None:
            return kept
        n_out, n_in = self.out_features, self.in_features
        edge, row, col = (
            torch.arange(size, dtype=self.crow.dtype, device=self.crow.device)
            for size in (self.n_edges, n_out, n_in)
        )
        if name == "row":
            return row.repeat_interleave(n_in)
        if name in ("col", "rowc"):
            return col.repeat(n_out) if name == "col" else row.repeat(n_in)
        turned = edge.view(n_out, n_in) if name == "perm" else edge.view(n_in, n_out)
        return turned.t().reshape(-1)

    @property
    def index(self) -> Index:
        """The index tensors."""
        if self._index is None or self._index.crow is not self._buffers["crow"]:  # on a device now
            self._index = Index(
                self.crow, self.col, self.row, self.ccol, self.rowc, self.perm, self.inverse
            )
        return self._index

    def is_intact(self) -> bool:
        """Tell whether the indices are still those of a pattern, told by what each edge has once."""
        inverse = self._buffers.get("_inverse")
        if inverse is not None and int(inverse.sum()) != self.n_edges * (self.n_edges - 1) // 2:
            return False
        if int(self.crow[-1]) != self.n_edges or int(self.ccol[-1]) != self.n_edges:
            return False
        made = ((self.slot, self._slots), (self.turned, self._turned))
        return all(kept is None or torch.equal(kept, make()) for kept, make in made)

    def product(self, weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply x (b, i) by the matrix with the given edge weights (e,), add a bias (o,): (b, o)."""
        if self.dense_from == 0 or self.is_dense_for(x.shape[0]):
            if not x.is_contiguous():  # keep its memory layout
                y = torch.mm(self.to_dense(weight), x.t()).t()
                return y if bias is None else y + bias
            if self.is_complete and self.out_features == 1 and bias is not None:
                return torch.addmm(bias, x, weight.unsqueeze(1))  # not transposed twice
            turned = self._buffers["turned"]
            if turned is None or bias is None or not _is_plain(weight):
                return F.linear(x, self.to_dense(weight), bias)
            # Of a small layer every call counts: one fills the matrix. F.linear transposes it; made
            # transposed it needs no further call, neither here nor on the way back.
            zeros = self._zeros
            if zeros is None or zeros[0].dtype != weight.dtype:
                zeros = self._zeros = self._spread_zeros(weight)
            adds = _is_deterministic()  # where torch is to be so, it refuses to put without adding
            if x.shape[0] < _FEW_SAMPLES:
                return torch.addmm(bias, x, zeros[1].put(turned, weight, adds))
            return F.linear(x, zeros[0].put(self._buffers["slot"], weight, adds), bias)  # type: ignore[arg-type]
        if is_autocast(x):  # the sparse kernels keep the weights' precision
            with torch.autocast(x.device.type, enabled=False):
                return multiply(weight, x.to(weight.dtype), bias, self.index)
        return multiply(weight, x, bias, self.index)

    def _spread_zeros(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return zeros (o, i) and (i, o) that take no memory."""
        zero, shape = weight.new_zeros(()), (self.out_features, self.in_features)
        return zero.expand(shape), zero.expand(shape[::-1])

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
        size = shape[0] * shape[1]
        # index_copy takes half as long again in one thread, and shares more than so many out to several
        if _is_plain(weight) and (self.n_edges < _SHARED_OUT or torch.get_num_threads() == 1):
            return weight.new_zeros(()).expand(size).index_add(0, slot, weight).view(shape)
        return weight.new_zeros(size).index_copy(0, slot, weight).view(shape)


def _is_plain(weight: Tensor) -> bool:
    """Tell whether weights are on the CPU, and nobody maps, traces or compiles what is computed."""
    return (
        not _is_compiling()  # first: torch.compile cannot ask the others
        and type(weight) in _PLAIN
        and weight.is_cpu
        and not _is_mapped()
        and not _n_modes()
        and _tracer() is None
    )


def is_autocast(x: Tensor) -> bool:
    """Tell whether autocast is on for the device of a tensor; some devices have none."""
    return x.device.type in _WITH_AUTOCAST and torch.is_autocast_enabled(x.device.type)


def _compress(
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    crow: NDArray[np.integer],
    shape: tuple[int, int],
) -> dict[str, NDArray[np.integer]]:
    width = whole(max(len(rows), *shape))
    place = np.arange(len(rows), dtype=width)
    by_row = csr_array((place, columns.astype(width, copy=False), crow.astype(width)), shape)
    by_column = by_row.tocsc()  # counted, which takes less than sorting, the longer the less
    perm = by_column.data
    inverse = np.empty_like(perm)
    inverse[perm] = place
    found = dict(zip(_PER_EDGE, (columns, rows, by_column.indices, perm, inverse), strict=True))
    return found | {"ccol": by_column.indptr}


def _pointer(positions: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    counts = np.bincount(positions, minlength=size)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
