"""Dropout of many values at once, beside what torch's own does."""

import pytest
import torch
from torch import nn

from edge2torch.nn import QuickDropout, _dropout, drop_in_rows, drop_values


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.5, 0.97])
def test_inputs_are_dropped_as_dropout_drops_them(probability):
    torch.manual_seed(0)
    x = torch.linspace(1, 2, 200_001).view(3, -1)  # a number that four does not divide
    before = x.clone()
    dropped = drop_values(x, probability)
    is_zero = dropped == 0
    assert torch.equal(x, before)
    assert is_zero.float().mean().item() == pytest.approx(probability, abs=0.005)
    torch.testing.assert_close(
        dropped[~is_zero], (x / (1 - probability))[~is_zero], rtol=1e-3, atol=0
    )
    for other in (is_zero.roll(k, 1) for k in range(1, 9)):  # those of one word tell nothing
        both = (is_zero & other).float().mean().item()
        assert both == pytest.approx(probability**2, abs=0.005)
    share = is_zero.float().view(-1)[:200_000].view(-1, 8).mean(0)
    assert share.tolist() == pytest.approx([probability] * 8, abs=0.015)


def test_what_is_dropped_is_fixed_by_the_seed_of_torch():
    torch.manual_seed(1)
    x = torch.ones(2, 100, dtype=torch.float64)
    one, other = drop_values(x, 0.5), drop_values(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(drop_values(x, 0.5), one)
    assert not torch.equal(one, other)
    assert torch.equal(drop_values(x, 0.0), x)
    assert not drop_values(x, 1 - 1e-9).any()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_values_keep_their_places_in_memory_and_their_gradients(kind):
    torch.manual_seed(2)
    x = torch.rand(7, 31, dtype=kind).add_(1).t().requires_grad_()  # as layers lie: features first
    y = QuickDropout(0.5)(x)
    assert y.stride() == x.stride()
    assert torch.equal(y, 2 * x * (y != 0))
    y.sum().backward()
    assert torch.equal(x.grad, 2 * (y != 0).to(kind))
    assert 0.3 < (y != 0).float().mean() < 0.7


def test_nothing_is_dropped_at_rest():
    x = torch.ones(3, 4)
    assert torch.equal(QuickDropout(0.5).eval()(x), x)
    assert isinstance(QuickDropout(0.5), nn.Dropout)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("probability", [0.0, 0.25, 0.2, 1 - 1e-9])
def test_rows_in_one_reading_are_those_that_are_taken_and_dropped(monkeypatch, kind, probability):
    pytest.importorskip("edge2torch.nn._whole._walk")
    torch.manual_seed(3)
    x, which = torch.randn(2, 9, 5, dtype=kind), torch.tensor([0, 1, 1])
    rows = torch.randint(9, (3, 7))
    found = []
    for walk in (_dropout._WALK, "not imported"):
        monkeypatch.setattr(_dropout, "_WALK", walk)
        torch.manual_seed(4)
        found.append(drop_in_rows(x, which, rows, probability))
    assert found[0].shape == (3, 7, 5)
    assert torch.equal(*found)
    torch.manual_seed(4)
    assert torch.equal(found[0], drop_values(x[which[:, None], rows], probability))
