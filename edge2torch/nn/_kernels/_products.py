"""Three products that are closed under differentiation.

All follow from one trilinear form, T(w, G, X) = sum over edges of w_e <G[row_e], X[col_e]>:
its derivative by G is ``SpMM``, by X ``SpMMTransposed``, by w ``Sampled``. The derivatives of
these are the same three again, so backward, double backward, forward mode and ``vmap`` need
nothing else.

Operands and results are (b, n) with the samples of a node side by side in memory: what lies
otherwise is copied. Eagerly the products are ``autograd.Function``; under ``torch.compile``,
``torch.export`` and ``torch.jit.trace``, which cannot look into those, custom operators with the same bodies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from edge2torch.nn._kernels import _raw

_is_compiling, _tracer = torch.compiler.is_compiling, torch._C._get_tracing_state
_OUT_OF_CACHE = 2_000_000  # elements: measured between 1.3 million (not yet) and 2.3 million


class Index:
    """The tensors of a pattern; a class of its own, so that torch does not look inside.

    Parameters
    ----------
    crow, col, row : Tensor
        The pattern by rows: where each row starts; each edge's column and row.
    ccol, rowc : Tensor
        The same by columns.
    perm, inverse : Tensor
        Which edge stands at each place of the order by columns, and the reverse.

    Examples
    --------
    >>> import torch
    >>> one, two = torch.tensor([0]), torch.tensor([0, 1])
    >>> Index(two, one, one, two, one, one, one).tensors[0].tolist()
    [0, 1]
    """

    __slots__ = ("ccol", "col", "crow", "inverse", "perm", "row", "rowc")

    def __init__(
        self,
        crow: Tensor,
        col: Tensor,
        row: Tensor,
        ccol: Tensor,
        rowc: Tensor,
        perm: Tensor,
        inverse: Tensor,
    ) -> None:
        self.crow, self.col, self.row = crow, col, row
        self.ccol, self.rowc, self.perm, self.inverse = ccol, rowc, perm, inverse

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in the order of the parameters."""
        return (self.crow, self.col, self.row, self.ccol, self.rowc, self.perm, self.inverse)


def _rows(x: Tensor) -> Tensor:
    """Return x (b, n) as a contiguous matrix (n, b); free where it lies so already."""
    rows = x.t()
    return rows if rows.is_contiguous() else _raw.transpose(x)


def _spmm(w: Tensor, x: Tensor, index: Index) -> Tensor:
    return _raw.spmm(w, x, index.crow, index.col)


def _spmm_transposed(w: Tensor, g: Tensor, index: Index) -> Tensor:
    return _raw.spmm(w.index_select(0, index.perm), g, index.ccol, index.rowc)


def _sampled(g: Tensor, x: Tensor, index: Index) -> Tensor:
    if x.shape[0] <= 2 * g.shape[0] or x.numel() < _OUT_OF_CACHE:
        return _raw.sampled_dot(g, x, index.crow, index.col, index.row)
    # gather from the smaller side, which stays in cache, and put the results in order
    column = index.col.index_select(0, index.perm)
    return _raw.sampled_dot(x, g, index.ccol, index.rowc, column).index_select(0, index.inverse)


def _is_transformed() -> bool:
    """Tell whether what is computed now may be mapped, or differentiated forward."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


class _Product(Function):
    """What the three have in common: two differentiable operands, then the index."""

    generate_vmap_rule = False

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        first, second, *_, ctx.index = inputs
        ctx.save_for_backward(first, second)
        ctx.save_for_forward(first, second)

    @classmethod
    def of(cls, *operands: Any) -> Tensor:
        """Apply the product, differentiably."""
        if torch._C._are_functorch_transforms_active():
            return cls.apply(*operands)  # type: ignore[no-any-return, no-untyped-call]
        # torch's own apply reads the signature of forward each time: as long as the product itself
        return super(Function, cls).apply(*operands)  # type: ignore[misc, no-any-return]

    @classmethod
    def push_forward(cls, ctx: Any, d_first: Tensor | None, d_second: Tensor | None) -> Any:
        first, second = ctx.saved_tensors
        parts = []
        if d_first is not None:
            parts.append(cls.of(d_first, second, ctx.index))
        if d_second is not None:
            parts.append(cls.of(first, d_second, ctx.index))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


class SpMM(_Product):
    """(w (e,), x (b, i)) -> (b, o)."""

    @staticmethod
    def forward(w: Tensor, x: Tensor, index: Index) -> Tensor:
        return _spmm(w, _rows(x), index).t()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return *_pull_back(ctx, g), None

    @staticmethod
    def jvp(ctx: Any, dw: Tensor | None, dx: Tensor | None, _: None) -> Any:
        return SpMM.push_forward(ctx, dw, dx)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], w: Tensor, x: Tensor, index: Index) -> Any:
        return _vmap_over_batch(SpMM, info, dims, w, x, index)


class Affine(_Product):
    """(w (e,), x (b, i), bias (o,)) -> (b, o)."""

    @staticmethod
    def forward(w: Tensor, x: Tensor, bias: Tensor, index: Index) -> Tensor:
        return _spmm(w, _rows(x), index).add_(bias.unsqueeze(1)).t()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return *_pull_back(ctx, g), g.sum(0) if ctx.needs_input_grad[2] else None, None

    @staticmethod
    def jvp(ctx: Any, dw: Tensor | None, dx: Tensor | None, d_bias: Tensor | None, _: None) -> Any:
        if dw is None and dx is None:
            return d_bias.expand(len(ctx.saved_tensors[1]), -1)  # type: ignore[union-attr]
        d_product = SpMM.push_forward(ctx, dw, dx)
        return d_product if d_bias is None else d_product + d_bias

    @staticmethod
    def vmap(
        info: Any, dims: tuple[Any, ...], w: Tensor, x: Tensor, bias: Tensor, index: Index
    ) -> Any:
        y, at = _vmap_over_batch(SpMM, info, dims, w, x, index)
        if dims[2] is not None:
            bias = bias.movedim(dims[2], 0).unsqueeze(1)
        return y.movedim(at, 0) + bias, 0


def _pull_back(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of w x + b by w and by x."""
    w, x = ctx.saved_tensors
    by_w, by_x, *_ = ctx.needs_input_grad
    if torch.is_grad_enabled() or _is_transformed():
        return (
            Sampled.of(g, x, ctx.index) if by_w else None,
            SpMMTransposed.of(w, g, ctx.index) if by_x else None,
        )
    g = _rows(g)
    return (
        _sampled(g, _rows(x), ctx.index) if by_w else None,
        _spmm_transposed(w, g, ctx.index).t() if by_x else None,
    )


class SpMMTransposed(_Product):
    """(w (e,), g (b, o)) -> (b, i)."""

    @staticmethod
    def forward(w: Tensor, g: Tensor, index: Index) -> Tensor:
        return _spmm_transposed(w, _rows(g), index).t()

    @staticmethod
    def backward(ctx: Any, z: Tensor) -> Any:
        w, g = ctx.saved_tensors
        by_w, by_g, _ = ctx.needs_input_grad
        return (
            Sampled.of(g, z, ctx.index) if by_w else None,
            SpMM.of(w, z, ctx.index) if by_g else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, dw: Tensor | None, dg: Tensor | None, _: None) -> Any:
        return SpMMTransposed.push_forward(ctx, dw, dg)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], w: Tensor, g: Tensor, index: Index) -> Any:
        return _vmap_over_batch(SpMMTransposed, info, dims, w, g, index)


class Sampled(_Product):
    """(g (b, o), x (b, i)) -> (e,)."""

    @staticmethod
    def forward(g: Tensor, x: Tensor, index: Index) -> Tensor:
        return _sampled(_rows(g), _rows(x), index)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        g, x = ctx.saved_tensors
        by_g, by_x, _ = ctx.needs_input_grad
        return (
            SpMM.of(v, x, ctx.index) if by_g else None,
            SpMMTransposed.of(v, g, ctx.index) if by_x else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, dg: Tensor | None, dx: Tensor | None, _: None) -> Any:
        return Sampled.push_forward(ctx, dg, dx)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], g: Tensor, x: Tensor, index: Index) -> Any:
        # per-sample gradients: the result is (v, e) by definition, and each instance is a sample
        g = g.unsqueeze(0) if dims[0] is None else g.movedim(dims[0], 0)
        x = x.unsqueeze(0) if dims[1] is None else x.movedim(dims[1], 0)
        return (g.index_select(2, index.row) * x.index_select(2, index.col)).sum(1), 0


def _vmap_over_batch(
    product: type[_Product],
    info: Any,
    dims: tuple[Any, ...],
    w: Tensor,
    x: Tensor,
    index: Index,
) -> tuple[Tensor, int]:
    if dims[0] is None:  # shared weights: the mapped dimension joins the batch
        x = x.movedim(dims[1], 0)
        return product.of(w, x.flatten(0, 1), index).unflatten(0, x.shape[:2]), 0
    weights = w.movedim(dims[0], 0)
    operands = [x] * info.batch_size if dims[1] is None else x.movedim(dims[1], 0).unbind(0)
    parts = [product.of(a, b, index) for a, b in zip(weights.unbind(0), operands, strict=True)]
    return torch.stack(parts), 0


class _ToRows(Function):
    """(b, n) -> the same values with the samples of a node side by side."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _raw.transpose(x).t()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing to keep: the map is linear."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Any:
        return _raw.transpose(dx).t()

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], x: Tensor) -> Any:
        return x.movedim(dims[0], 0).transpose(1, 2).contiguous().transpose(1, 2), 0


def feature_major(x: Tensor) -> Tensor:
    """Return x (b, n) with the samples of a node side by side; free where it lies so already."""
    if x.stride(0) == 1 and x.stride(1) == x.shape[0]:
        return x
    if _is_compiling() or _tracer() is not None:
        return x.t().contiguous().t()
    if x.t().is_contiguous():
        return x
    if x.requires_grad or _is_transformed():
        return _ToRows.apply(x)  # type: ignore[no-any-return, no-untyped-call]
    return _raw.transpose(x).t()


_SIGNATURE = (
    "(Tensor a, Tensor b, Tensor crow, Tensor col, Tensor row, Tensor ccol, Tensor rowc, "
    "Tensor perm, Tensor inverse) -> Tensor"
)
_N_INDEX = 7


def _custom_op(
    name: str, body: Callable[[Tensor, Tensor, Index], Tensor], fake: Callable[..., Tensor]
) -> Any:
    def on_rows(a: Tensor, b: Tensor, *index: Tensor) -> Tensor:
        return body(a, b, Index(*index))

    op = torch.library.custom_op(f"edge2torch::{name}", on_rows, mutates_args=(), schema=_SIGNATURE)
    op.register_fake(fake)
    return op


# on contiguous rows (n, b)
spmm_op = _custom_op(
    "spmm", _spmm, lambda w, x, crow, *_: x.new_empty(crow.shape[0] - 1, x.shape[1])
)
spmm_transposed_op = _custom_op(
    "spmm_transposed",
    _spmm_transposed,
    lambda w, g, crow, col, row, ccol, *_: g.new_empty(ccol.shape[0] - 1, g.shape[1]),
)
sampled_op = _custom_op("sampled", _sampled, lambda g, x, crow, col, *_: g.new_empty(col.shape[0]))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001 - torch's
    ctx.save_for_backward(*inputs)


def _spmm_op_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    w, x, *index = ctx.saved_tensors
    g = g.contiguous()
    return (
        sampled_op(g, x, *index) if ctx.needs_input_grad[0] else None,
        spmm_transposed_op(w, g, *index) if ctx.needs_input_grad[1] else None,
        *(None,) * _N_INDEX,
    )


spmm_op.register_autograd(_spmm_op_backward, setup_context=_save)


def multiply(weight: Tensor, x: Tensor, bias: Tensor | None, index: Index) -> Tensor:
    """Multiply x (b, i) by the sparse matrix and add the bias: (b, o)."""
    x = feature_major(x)
    if _is_compiling() or _tracer() is not None:
        y = spmm_op(weight, x.t(), *index.tensors).t()
        return y if bias is None else y + bias  # type: ignore[no-any-return]
    return SpMM.of(weight, x, index) if bias is None else Affine.of(weight, x, bias, index)
