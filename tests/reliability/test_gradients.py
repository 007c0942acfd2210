"""Derivatives of first and second order, the short form."""

import pytest

from tests.reliability.gradients import (
    BACKENDS,
    CONSTRAINTS,
    KERNELS,
    LOW,
    SHAPES,
    derivatives_of,
    layer,
    low_precision,
    model,
)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(kernel, constraint):
    for shape in ("sparse", "one"):
        made = layer(kernel, constraint, shape)
        derivatives_of(made, made.in_features)


@pytest.mark.parametrize("dtype", LOW, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_low_precision(constraint, dtype):
    for kernel in KERNELS:
        for shape in SHAPES:
            assert low_precision(kernel, constraint, shape, dtype) <= LOW[dtype]


@pytest.mark.parametrize("constraint", ["none", "mixed"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_models(backend, constraint):
    derivatives_of(*model(backend, constraint), rows=1)
