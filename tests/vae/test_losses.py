from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from edge2torch.vae._losses import (
    dip_loss,
    kl_divergence,
    mmd_loss,
    posterior_sd,
    total_correlation,
)

UNIT = math.log(math.e - 1)  # softplus of it is 1


def test_kl_is_that_of_the_distribution_that_is_sampled() -> None:
    q_m, q_s = torch.randn(6, 3), torch.randn(6, 3)
    wanted = torch_kl(Normal(q_m, posterior_sd(q_s)), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(q_m, q_s), wanted)


def test_the_optimum_of_the_kl_is_a_unit_normal() -> None:
    q_s = torch.zeros(1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([q_s], max_iter=50)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = kl_divergence(torch.zeros(1, 1), q_s).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert posterior_sd(q_s).item() == pytest.approx(1, abs=1e-3)


def test_dip_counts_covariances_and_variances_apart_from_the_identity() -> None:
    torch.manual_seed(0)
    noise = torch.randn(50_000, 2)
    spread = torch.full((50_000, 2), -30.0)  # a posterior without a spread
    assert dip_loss(noise, spread) < 1e-3
    mixed = torch.stack([noise[:, 0], 0.6 * noise[:, 0] + 0.8 * noise[:, 1]], dim=1)
    assert dip_loss(mixed, spread).item() == pytest.approx(2 * 0.6**2, abs=0.05)
    assert dip_loss(torch.zeros(9, 2), torch.full((9, 2), UNIT)).item() == pytest.approx(
        0, abs=1e-8
    )
    assert dip_loss(torch.zeros(1, 2), torch.zeros(1, 2)).item() == 0


def test_total_correlation_is_the_known_one() -> None:
    torch.manual_seed(0)
    n, rho, sd = 1500, 0.8, 0.5
    raw = torch.randn(n, 2)
    means = torch.stack([raw[:, 0], rho * raw[:, 0] + math.sqrt(1 - rho**2) * raw[:, 1]], 1)
    q_s = torch.full((n, 2), math.log(math.expm1(sd)))
    z = means + sd * torch.randn(n, 2)
    effective = rho / (1 + sd**2)
    found = total_correlation(z, means, q_s).item()
    assert found == pytest.approx(-0.5 * math.log(1 - effective**2), abs=0.05)
    q_m = torch.zeros(64, 10)
    assert abs(total_correlation(torch.randn(64, 10), q_m, q_m).item()) < 1e-4


def test_mmd_tells_samples_of_the_prior_from_others() -> None:
    torch.manual_seed(0)
    prior = torch.randn(400, 3)
    assert 0 <= mmd_loss(torch.randn(400, 3), prior) < 0.02
    assert mmd_loss(torch.randn(400, 3) + 2, prior) > 0.2
