"""Hostile values and shapes: every backend gives the right result or one clear error."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import edge2torch as e2t
from edge2torch.simulate import random_dag
from tests.reliability.rows import Row

BACKENDS = ("feedforward", "recurrent", "gnn")
DTYPES = {
    torch.float64: 1e-12,
    torch.float32: 2e-5,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}  # and how far a result may be from that of float64
DAG = random_dag(40, 120, seed=0, n_inputs=8)
N_INPUTS = 8


def model_of(backend: str, dtype: torch.dtype, edges: pd.DataFrame = DAG) -> nn.Module:
    """Return the same model for every call."""
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(edges, backend=backend, quiet=True)
    return e2t.customize_model(model, node_activation="tanh", artifact=artifact).to(dtype)


def data(dtype: torch.dtype, rows: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, N_INPUTS, dtype=torch.float64, generator=generator).to(dtype)


def agrees(model: nn.Module, x: Tensor, y: Tensor | None = None) -> None:
    """Compare with the same weights and inputs in float64."""
    exact = copy.deepcopy(model).double()(x.double()).to(x.dtype)
    tolerance = DTYPES[x.dtype]
    torch.testing.assert_close(
        model(x) if y is None else y, exact, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def ordinary(backend: str, dtype: torch.dtype) -> None:
    agrees(model_of(backend, dtype), data(dtype))


def no_row(backend: str, dtype: torch.dtype) -> None:
    model = model_of(backend, dtype)
    y = model(data(dtype, 0))
    assert y.shape[0] == 0
    assert y.shape[1:] == model(data(dtype)).shape[1:]
    y.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def one_row(backend: str, dtype: torch.dtype) -> None:
    agrees(model_of(backend, dtype), data(dtype, 1))


def one_edge(backend: str, dtype: torch.dtype) -> None:
    model = model_of(backend, dtype, pd.DataFrame({"source": ["a"], "target": ["b"]}))
    agrees(model, data(dtype)[:, :1])


def not_a_number(backend: str, dtype: torch.dtype) -> None:
    """Spoil one row; the others keep their bits."""
    model, x = model_of(backend, dtype), data(dtype)
    for value in (float("nan"), float("inf"), -float("inf")):
        spoiled = x.clone()
        spoiled[2, 3] = value
        rows = [0, 1, 3, 4, 5]
        assert torch.equal(model(spoiled)[rows], model(x)[rows])
        agrees(model, spoiled[rows])


def every_input_not_a_number(backend: str, dtype: torch.dtype) -> None:
    """A row without a number must not come out as if it had some."""
    x = torch.full((3, N_INPUTS), float("nan"), dtype=dtype)
    assert model_of(backend, dtype)(x).isnan().any(dim=1).all()


def subnormal(backend: str, dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).tiny
    agrees(model_of(backend, dtype), data(dtype) * tiny / 4)


def huge(backend: str, dtype: torch.dtype) -> None:
    """1e30, which float16 cannot hold: there it is the largest that it can."""
    big = min(1e30, torch.finfo(dtype).max / 64)
    model, x = model_of(backend, dtype), data(dtype).sign() * big
    y = model(x)
    if y.isfinite().all():
        agrees(model, x, y)
    else:  # squares overflow: whatever is a number is then right
        exact = copy.deepcopy(model).double()(x.double()).to(dtype)
        known = y.isfinite()
        torch.testing.assert_close(y[known], exact[known], rtol=DTYPES[dtype], atol=DTYPES[dtype])


def strided(backend: str, dtype: torch.dtype) -> None:
    model, x = model_of(backend, dtype), data(dtype)
    expected = model(x)
    for spread in (
        x.t().contiguous().t(),
        torch.stack([x, x], 2)[:, :, 1],
        x.repeat_interleave(2, 0)[::2],
        x.flip(1).flip(1),
    ):
        assert torch.equal(spread, x)
        torch.testing.assert_close(model(spread), expected, rtol=DTYPES[dtype], atol=DTYPES[dtype])


def zero_stride(backend: str, dtype: torch.dtype) -> None:
    model, x = model_of(backend, dtype), data(dtype)
    row, column = x[:1].expand(6, -1), x[:, :1].expand(-1, N_INPUTS)
    for expanded in (row, column):
        agrees(model, expanded)


def gradient_of_inputs(backend: str, dtype: torch.dtype) -> None:
    model, x = model_of(backend, dtype), data(dtype).requires_grad_()
    (found,) = torch.autograd.grad(model(x).sum(), x)
    exact = copy.deepcopy(model).double()
    twin = x.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(exact(twin).sum(), twin)
    tolerance = 4 * DTYPES[dtype]
    torch.testing.assert_close(found, expected.to(dtype), rtol=tolerance, atol=tolerance)


def integers(backend: str, dtype: torch.dtype) -> None:
    model = model_of(backend, dtype)
    for kind in (torch.int64, torch.uint8, torch.bool, torch.complex64):
        with pytest.raises(e2t.Edge2TorchError, match=r"\bx\b"):
            model(torch.zeros(2, N_INPUTS, dtype=kind))


def other_precision(backend: str, dtype: torch.dtype) -> None:
    """An input of another precision than the weights is an error that says so."""
    other = torch.float32 if dtype != torch.float32 else torch.float64
    with pytest.raises(e2t.Edge2TorchError, match=r"\bx\b"):
        model_of(backend, dtype)(data(other))


def meta(backend: str, dtype: torch.dtype) -> None:
    """Shapes without values."""
    model = model_of(backend, dtype)
    expected = model(data(dtype)).shape
    y = model.to("meta")(data(dtype).to("meta"))
    assert y.shape == expected
    assert y.is_meta
    y.sum().backward()


def cuda(backend: str, dtype: torch.dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    model, x = model_of(backend, dtype), data(dtype)
    expected = model(x)
    found = model.to("cuda")(x.to("cuda")).cpu()
    torch.testing.assert_close(found, expected, rtol=4 * DTYPES[dtype], atol=4 * DTYPES[dtype])


CASES: dict[str, Callable[[str, torch.dtype], None]] = {
    case.__name__.replace("_", " "): case
    for case in (
        ordinary, no_row, one_row, one_edge, not_a_number, every_input_not_a_number, subnormal,
        huge, strided, zero_stride, gradient_of_inputs, integers, other_precision, meta, cuda,
    )
}  # fmt: skip


# ------------------------------------------------------------------------------------ shapes


def numbered(source: Tensor, target: Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {"source": [f"n{k}" for k in source.tolist()], "target": [f"n{k}" for k in target.tolist()]}
    )


def star(n: int, backend: str) -> None:
    """Compare one node with n inputs to the sum in float64."""
    nodes = torch.arange(1, n + 1)
    model, _ = e2t.compile_graph(
        numbered(nodes, torch.zeros_like(nodes)), backend=backend, quiet=True
    )
    x = torch.randn(2, n, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        model(x), copy.deepcopy(model).double()(x.double()).float(), rtol=1e-4, atol=1e-4
    )
    model(x).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def chain(n: int, backend: str) -> None:
    """Compile n nodes in a row, or say that they are too many."""
    nodes = torch.arange(n)
    table = numbered(nodes[:-1], nodes[1:])
    if backend == "feedforward" and n > 10_000:
        with pytest.raises(e2t.Edge2TorchError, match="layers"):
            e2t.compile_graph(table, backend=backend, quiet=True)
        return
    model, _ = e2t.compile_graph(table, backend=backend, quiet=True)
    assert model(torch.ones(2, 1)).shape[0] == 2


def ring(n: int, backend: str) -> None:
    """Name a cycle of n nodes in an error that is short, or compile it with its input."""
    nodes = torch.arange(n)
    table = numbered(nodes, nodes.roll(-1))
    if backend == "feedforward":
        with pytest.raises(e2t.Edge2TorchError, match="cycle") as caught:
            e2t.compile_graph(table, backend=backend, quiet=True)
        assert len(str(caught.value)) < 2_000
        return
    ends = pd.DataFrame({"source": ["in", "n3"], "target": ["n0", "out"]})
    model, _ = e2t.compile_graph(pd.concat([table, ends]), backend=backend, quiet=True)
    assert model(torch.ones(2, 1)).shape[0] == 2


SHAPES: dict[str, Callable[[int, str], None]] = {"star": star, "chain": chain, "ring": ring}


def rows(n: int = 1_000_000) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from _value_rows(backend)
        for name, shape in SHAPES.items():
            began = time.process_time()
            trouble = _trouble(lambda: shape(n, backend))  # noqa: B023 - called at once
            figure = f"{time.process_time() - began:.1f} s of one core"
            yield Row(
                "hostile shapes", f"{backend}, {name} of {n:,}", trouble or figure, held=not trouble
            )


def _value_rows(backend: str) -> Iterator[Row]:
    found = {
        f"{name}, {str(dtype).removeprefix('torch.')}": _trouble(lambda: case(backend, dtype))  # noqa: B023
        for name, case in CASES.items()
        for dtype in DTYPES
    }
    wrong = {name: words for name, words in found.items() if words and words != "skipped"}
    skipped = sum(words == "skipped" for words in found.values())
    figure = f"{len(found) - len(wrong) - skipped} of {len(found) - skipped} cases × precisions"
    figure += f", {skipped} skipped (no CUDA device)" if skipped else ""
    figure += "".join(f"; {name}: {words}" for name, words in wrong.items())
    yield Row("hostile values", backend, figure, held=not wrong)


def _trouble(call: Callable[[], None]) -> str:
    try:
        call()
    except pytest.skip.Exception:
        return "skipped"
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - a failure is a row
        return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
    return ""
