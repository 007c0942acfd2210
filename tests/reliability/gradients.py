"""Derivatives of kernels and whole models, over constraints and precisions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

import edge2torch as e2t
from edge2torch.nn import KernelChoice, MaskedLinear
from edge2torch.simulate import random_dag
from tests.reliability.rows import Row

KERNELS = {"sparse": math.inf, "dense": 0.0}
CONSTRAINTS: dict[str, tuple[int, ...]] = {
    "none": (0,),
    "positive": (1,),
    "negative": (-1,),
    "fixed": (2,),
    "mixed": (0, 1, -1, 2),
}
NAMES = {0: None, 1: "positive", -1: "negative", 2: "fixed"}
SHAPES = {"wide": ((3, 12), 20), "tall": ((12, 3), 20), "sparse": ((6, 7), 9), "one": ((1, 1), 1)}
LOW = {torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}
BACKENDS = ("feedforward", "recurrent", "gnn")


def layer(kernel: str, constraint: str, shape: str) -> MaskedLinear:
    """Return a layer whose weights keep clear of zero, where a constraint has a kink."""
    rng = np.random.default_rng(0)
    (n_out, n_in), n_edges = SHAPES[shape]
    slots = np.sort(rng.choice(n_out * n_in, n_edges, replace=False))
    codes = np.resize(CONSTRAINTS[constraint], n_edges).astype(np.int8)
    choice = KernelChoice(KERNELS[kernel], "under test")
    made = MaskedLinear(
        slots // n_in, slots % n_in, (n_out, n_in), constraint=codes, choice=choice
    ).double()
    size = rng.uniform(0.3, 1.5, n_edges)
    sign = np.where(np.isin(codes, (1, -1)), codes, rng.choice([-1, 1], n_edges))
    made.set_weights(torch.from_numpy(size * sign))
    return made


def _function(model: nn.Module, x: Tensor) -> tuple[object, tuple[Tensor, ...]]:
    """Return a model as a function of its input and parameters, and a place to differentiate it."""
    names = [name for name, _ in model.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        y: Tensor = torch.func.functional_call(model, named, (x,))
        return y.tanh()

    values = [value.detach().clone().requires_grad_() for value in model.parameters()]
    return run, (x.requires_grad_(), *values)


def derivatives_of(model: nn.Module, n_inputs: int, rows: int = 2) -> None:
    """Compare first and second derivatives with differences."""
    x = torch.randn(rows, n_inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    run, at = _function(model, x)
    assert gradcheck(run, at)
    assert gradgradcheck(run, at)


def low_precision(kernel: str, constraint: str, shape: str, dtype: torch.dtype) -> float:
    """Return the largest difference to the gradients of float64, relative to the largest of them."""
    exact, low = layer(kernel, constraint, shape), layer(kernel, constraint, shape).to(dtype)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(9, exact.in_features, generator=generator).to(dtype)
    exact.load_state_dict({name: value.double() for name, value in low.state_dict().items()})
    exact(x.double()).tanh().sum().backward()
    low(x).tanh().sum().backward()
    worst = 0.0
    for ours, theirs in zip(low.parameters(), exact.parameters(), strict=True):
        if theirs.grad is not None and ours.grad is not None and theirs.numel():
            difference = (ours.grad.double() - theirs.grad).abs().max()
            worst = max(worst, float(difference / theirs.grad.abs().max().clamp(min=1e-3)))
    return worst


def model(backend: str, constraint: str, seed: int = 0) -> tuple[nn.Module, int]:
    """Return a small compiled model under a constraint, in float64."""
    edges = random_dag(9, 14, seed=seed, n_inputs=3)
    codes = [NAMES[code] for code in np.resize(CONSTRAINTS[constraint], len(edges))]
    weights = [0.7 if name == "fixed" else np.nan for name in codes]
    columns = {"constraint": pd.Series(codes, dtype=object), "initial_weight": weights}
    torch.manual_seed(seed)
    small = {"channels": 2, "steps": 2} if backend == "gnn" else {}
    base, artifact = e2t.compile_graph(
        edges.assign(**columns), backend=backend, quiet=True, **small
    )
    made = e2t.customize_model(base, node_activation="tanh", artifact=artifact).double()
    return made, len(artifact.feature_names)


def rows(seeds: int = 10) -> Iterator[Row]:
    tried = [(k, c, s) for k in KERNELS for c in CONSTRAINTS for s in SHAPES]
    wrong = [case for case in tried if not _holds(layer(*case), layer(*case).in_features)]
    yield _row("kernels × constraints × shapes", len(tried), [" ".join(case) for case in wrong])
    for dtype, tolerance in LOW.items():
        worst = max(low_precision(*case, dtype) for case in tried)
        name = str(dtype).removeprefix("torch.")
        figure = f"{len(tried)} cases, largest relative difference to float64 {worst:.1e}"
        yield Row("gradients", f"kernels in {name}", figure, held=worst <= tolerance)
    for backend in BACKENDS:
        cases = [(constraint, seed) for constraint in CONSTRAINTS for seed in range(seeds)]
        bad = [f"{c} {seed}" for c, seed in cases if not _holds(*model(backend, c, seed))]
        yield _row(f"{backend}, constraints × graphs", len(cases), bad)


def _holds(model: nn.Module, n_inputs: int) -> bool:
    try:
        derivatives_of(model, n_inputs)
    except (AssertionError, RuntimeError):  # gradcheck's errors are RuntimeErrors
        return False
    return True


def _row(subject: str, n: int, wrong: list[str]) -> Row:
    figure = f"{n - len(wrong)} of {n} pass gradcheck and gradgradcheck"
    figure += f"; not: {', '.join(wrong[:5])}" if wrong else ""
    return Row("gradients", subject, figure, held=not wrong)
