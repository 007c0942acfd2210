"""Three products that are closed under differentiation.

All follow from one trilinear form, T(w, G, X) = sum over edges of w_e <G[row_e], X[col_e]>:
its derivative by G is ``spmm``, by X ``spmm_transposed``, by w ``sampled``. The derivatives of
these are the same three again, so backward, double backward, forward mode and ``vmap`` need
nothing else.

Eagerly they are ``autograd.Function``; under ``torch.compile`` and ``torch.export``, which
cannot look into those, they are custom operators with the same bodies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from edge2torch.nn._kernels import _raw

# crow, col, row: the pattern by rows; ccol, rowc: by columns; perm: column slot -> edge,
# inverse: edge -> column slot. Every product takes all of them, in this order.
Index = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
_N_INDEX = 7
_OUT_OF_CACHE = 2_000_000  # elements: measured between 1.3 million (not yet) and 2.3 million


def _spmm(w: Tensor, x: Tensor, *index: Tensor) -> Tensor:
    crow, col, *_ = index
    return _raw.spmm(w, x, crow, col)


def _spmm_transposed(w: Tensor, g: Tensor, *index: Tensor) -> Tensor:
    _, _, _, ccol, rowc, perm, _ = index
    return _raw.spmm(w.index_select(0, perm), g, ccol, rowc)


def _sampled(g: Tensor, x: Tensor, *index: Tensor) -> Tensor:
    crow, col, row, ccol, rowc, perm, inverse = index
    if x.shape[0] <= 2 * g.shape[0] or x.numel() < _OUT_OF_CACHE:
        return _raw.sampled_dot(g, x, crow, col, row)
    # gather from the smaller side, which stays in cache, and put the results in order
    return _raw.sampled_dot(x, g, ccol, rowc, col.index_select(0, perm)).index_select(0, inverse)


class _Product(Function):
    """What the three have in common: two differentiable operands, then the index tensors."""

    generate_vmap_rule = False

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @classmethod
    def of(cls, *operands: Tensor) -> Tensor:
        """Apply the product, differentiably."""
        return cls.apply(*operands)  # type: ignore[no-any-return, no-untyped-call]

    @classmethod
    def pull_back(
        cls,
        ctx: Any,
        gradient: Tensor,
        by_first: Callable[..., Tensor],
        by_second: Callable[..., Tensor],
    ) -> tuple[Tensor | None, ...]:
        first, second, *index = ctx.saved_tensors
        gradient = gradient.contiguous()
        return (
            by_first(first, second, gradient, index) if ctx.needs_input_grad[0] else None,
            by_second(first, second, gradient, index) if ctx.needs_input_grad[1] else None,
            *(None,) * _N_INDEX,
        )

    @classmethod
    def push_forward(cls, ctx: Any, d_first: Tensor | None, d_second: Tensor | None) -> Any:
        first, second, *index = ctx.saved_tensors
        parts = []
        if d_first is not None:
            parts.append(cls.of(d_first.contiguous(), second, *index))
        if d_second is not None:
            parts.append(cls.of(first, d_second.contiguous(), *index))
        return sum(parts[1:], parts[0])


class SpMM(_Product):
    """(w (e,), x (i, b)) -> (o, b)."""

    @staticmethod
    def forward(w: Tensor, x: Tensor, *index: Tensor) -> Tensor:
        return _spmm(w, x, *index)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return SpMM.pull_back(
            ctx,
            g,
            lambda w, x, g, index: Sampled.of(g, x, *index),
            lambda w, x, g, index: SpMMTransposed.of(w, g, *index),
        )

    @staticmethod
    def jvp(ctx: Any, dw: Tensor | None, dx: Tensor | None, *_: None) -> Any:
        return SpMM.push_forward(ctx, dw, dx)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], w: Tensor, x: Tensor, *index: Tensor) -> Any:
        return _vmap_over_batch(SpMM, info, dims, w, x, index)


class SpMMTransposed(_Product):
    """(w (e,), g (o, b)) -> (i, b)."""

    @staticmethod
    def forward(w: Tensor, g: Tensor, *index: Tensor) -> Tensor:
        return _spmm_transposed(w, g, *index)

    @staticmethod
    def backward(ctx: Any, z: Tensor) -> Any:
        return SpMMTransposed.pull_back(
            ctx,
            z,
            lambda w, g, z, index: Sampled.of(g, z, *index),
            lambda w, g, z, index: SpMM.of(w, z, *index),
        )

    @staticmethod
    def jvp(ctx: Any, dw: Tensor | None, dg: Tensor | None, *_: None) -> Any:
        return SpMMTransposed.push_forward(ctx, dw, dg)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], w: Tensor, g: Tensor, *index: Tensor) -> Any:
        return _vmap_over_batch(SpMMTransposed, info, dims, w, g, index)


class Sampled(_Product):
    """(g (o, b), x (i, b)) -> (e,)."""

    @staticmethod
    def forward(g: Tensor, x: Tensor, *index: Tensor) -> Tensor:
        return _sampled(g, x, *index)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        return Sampled.pull_back(
            ctx,
            v,
            lambda g, x, v, index: SpMM.of(v, x, *index),
            lambda g, x, v, index: SpMMTransposed.of(v, g, *index),
        )

    @staticmethod
    def jvp(ctx: Any, dg: Tensor | None, dx: Tensor | None, *_: None) -> Any:
        return Sampled.push_forward(ctx, dg, dx)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], g: Tensor, x: Tensor, *index: Tensor) -> Any:
        # per-sample gradients: the result is (v, e) by definition, and each instance is a sample
        g = g.unsqueeze(0) if dims[0] is None else g.movedim(dims[0], 0)
        x = x.unsqueeze(0) if dims[1] is None else x.movedim(dims[1], 0)
        _, col, row, *_ = index
        return (g.index_select(1, row) * x.index_select(1, col)).sum(2), 0


def _vmap_over_batch(
    product: type[_Product],
    info: Any,
    dims: tuple[Any, ...],
    w: Tensor,
    x: Tensor,
    index: tuple[Tensor, ...],
) -> tuple[Tensor, int]:
    if dims[0] is None:  # shared weights: the mapped dimension joins the batch
        x = x.movedim(dims[1], -1)
        y = product.of(w, x.reshape(x.shape[0], -1), *index)
        return y.unflatten(1, x.shape[1:]), 2
    weights = w.movedim(dims[0], 0)
    operands = [x] * info.batch_size if dims[1] is None else x.movedim(dims[1], 0).unbind(0)
    parts = [
        product.of(a, b.contiguous(), *index)
        for a, b in zip(weights.unbind(0), operands, strict=True)
    ]
    return torch.stack(parts), 0


class ToRows(Function):
    """(b, n) -> (n, b), contiguous."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _raw.transpose(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing to keep: the map is linear."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g.t()

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Any:
        return dx.t().contiguous()

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], x: Tensor) -> Any:
        return x.movedim(dims[0], 0).transpose(1, 2).contiguous(), 0


def feature_major(x: Tensor) -> Tensor:
    """Return x (b, n) as rows (n, b), contiguous over the batch; free where it lies so already."""
    rows = x.t()
    if rows.is_contiguous():
        return rows
    if torch.compiler.is_compiling():
        return rows.contiguous()
    return ToRows.apply(x)  # type: ignore[no-any-return, no-untyped-call]


_SIGNATURE = (
    "(Tensor a, Tensor b, Tensor crow, Tensor col, Tensor row, Tensor ccol, Tensor rowc, "
    "Tensor perm, Tensor inverse) -> Tensor"
)


def _custom_op(name: str, body: Callable[..., Tensor], fake: Callable[..., Tensor]) -> Any:
    op = torch.library.custom_op(f"edge2torch::{name}", body, mutates_args=(), schema=_SIGNATURE)
    op.register_fake(fake)
    return op


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


def multiply(weight: Tensor, x: Tensor, index: Index) -> Tensor:
    """Multiply feature-major x (i, b) by the sparse matrix: (o, b)."""
    if torch.compiler.is_compiling():
        return spmm_op(weight, x, *index)  # type: ignore[no-any-return]
    return SpMM.of(weight, x, *index)
