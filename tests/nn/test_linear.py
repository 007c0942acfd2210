"""Constraints and initial weights."""

import numpy as np
import pytest
import torch

from edge2torch.nn import KernelChoice, MaskedLinear, draw_weights, one_sided

CODES = np.array([0, 1, -1, 2, 1, -1], np.int8)
START = torch.tensor([0.5, 1.0, -1.0, 3.0, 0.01, -0.01])


def constrained():
    columns = np.arange(6)
    layer = MaskedLinear(
        np.zeros(6, int), columns, (1, 6), constraint=CODES, choice=KernelChoice(0, "under test")
    )
    layer.set_weights(START)
    return layer


def test_set_weights_are_read_back():
    torch.testing.assert_close(constrained().edge_weights(), START)


def test_fixed_weights_are_no_parameters():
    layer = constrained()
    assert layer.weight.shape == (5,)
    assert sum(p.numel() for p in layer.parameters()) == 5 + 1


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=3.0, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.5, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.5),
        torch.optim.Rprop,
        lambda p: torch.optim.LBFGS(p, lr=0.5),
    ],
    ids=["SGD", "AdamW", "RMSprop", "Rprop", "LBFGS"],
)
def test_signs_hold_under_any_optimizer(optimizer):
    torch.manual_seed(0)
    layer = constrained()
    stepper = optimizer(layer.parameters())
    x, wanted = torch.randn(16, 6), 10 * torch.randn(16, 1)
    for _ in range(30):

        def loss():
            stepper.zero_grad()
            value = torch.nn.functional.smooth_l1_loss(layer(x), wanted)
            value.backward()
            return value

        stepper.step(loss)
        weights = layer.edge_weights().detach()
        assert (weights[[1, 4]] >= 0).all()
        assert (weights[[2, 5]] <= 0).all()
        assert weights[3] == 3


def test_weight_decay_shrinks_constrained_weights_to_zero():
    layer = constrained()
    stepper = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(200):
        stepper.zero_grad()
        (0 * layer(torch.ones(1, 6)).sum()).backward()
        stepper.step()
    assert layer.edge_weights()[[1, 2, 4, 5]].abs().max() < 1e-4


def test_a_weight_leaves_zero_when_the_data_ask_for_it():
    theta = torch.tensor([-0.5, -0.5], requires_grad=True)
    sign = torch.tensor([1, -1], dtype=torch.int8)
    assert one_sided(theta, sign).tolist() == [0, 0]
    raising, lowering = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, -1.0])
    (up,) = torch.autograd.grad(one_sided(theta, sign), theta, raising)
    (down,) = torch.autograd.grad(one_sided(theta, sign), theta, lowering)
    assert up.tolist() == [-1, -1]  # a step against the gradient raises theta
    assert down.tolist() == [0, 0]


def test_one_sided_differentiates_away_from_zero():
    theta = torch.tensor([0.3, 0.7, -0.2], dtype=torch.float64, requires_grad=True)
    sign = torch.tensor([1, -1, 0], dtype=torch.int8)
    assert torch.autograd.gradcheck(lambda t: one_sided(t, sign), theta)
    assert torch.autograd.gradgradcheck(lambda t: one_sided(t, sign).exp(), theta)
    stacked = torch.func.vmap(lambda t: one_sided(t, sign))(torch.stack([theta, 2 * theta]))
    torch.testing.assert_close(stacked[1], 2 * stacked[0])


def test_drawn_weights_keep_given_ones_and_signs():
    given = np.where(CODES == 2, 3.0, np.nan)
    weights = draw_weights(np.full(6, 0.1), CODES, given, clear_of_zero=True)
    assert weights[3] == 3
    assert (weights[[1, 4]] > 0).all()
    assert (weights[[2, 5]] < 0).all()
    assert weights[[0, 1, 2, 4, 5]].abs().max() < 0.15


def test_drawn_weights_have_unit_mean_square():
    n = 100_000
    torch.manual_seed(0)
    codes, given = np.zeros(n, np.int8), np.full(n, np.nan)
    weights = draw_weights(np.ones(n), codes, given, clear_of_zero=True)
    assert abs(weights.square().mean().item() - 1) < 0.02
    assert abs(weights.mean().item()) < 0.02
