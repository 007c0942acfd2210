"""Hostile values and shapes, the short form."""

import pytest

from tests.reliability.values import BACKENDS, CASES, DTYPES, SHAPES


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("case", CASES)
def test_values(case, dtype, backend):
    CASES[case](backend, dtype)


@pytest.mark.filterwarnings("ignore::edge2torch.Edge2TorchWarning")  # of steps that are too few
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape, backend):
    SHAPES[shape](20_000, backend)
