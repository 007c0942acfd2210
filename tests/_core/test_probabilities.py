"""Probabilities of classes are torch's, and seeds leave no trace."""

from __future__ import annotations

import pytest
import torch

from edge2torch._core.probabilities import softmax
from edge2torch._core.randomness import seeded


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 10), (1, 1)])
def test_probabilities_are_those_of_torch(shape: tuple[int, ...]) -> None:
    y = 300 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = y.double().softmax(-1)
    torch.testing.assert_close(softmax(y), expected, rtol=1e-14, atol=1e-300)
    before = y.clone()
    softmax(y.double())
    assert torch.equal(y, before)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="seeds the accelerator as well")
def test_a_seed_draws_what_manual_seed_does_and_keeps_no_call(monkeypatch) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    before = torch.get_rng_state()
    monkeypatch.setattr(torch, "manual_seed", None)  # it would keep a stack trace for each call
    with seeded(5):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)
