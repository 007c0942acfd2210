from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from edge2torch.errors import Edge2TorchError
from edge2torch.vae import compile_vae
from edge2torch.vae._likelihoods import (
    bernoulli_log_prob,
    gaussian_log_prob,
    poisson_log_prob,
    zinb_log_prob,
)
from edge2torch.vae._negative_binomial import nb_log_prob

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-6}
both = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def grid(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.tensor([0.0, 1, 2, 7, 100, 12_345, 1e6], dtype=dtype)
    log_mean = torch.tensor([1e-6, 0.01, 1, 50, 1e4, 1e6], dtype=dtype).log()
    log_dispersion = torch.tensor([1e-4, 0.1, 1, 30, 1e4], dtype=dtype).log()
    return torch.meshgrid(x, log_mean, log_dispersion, indexing="ij")  # type: ignore[return-value]


def exact_nb(x: float, log_mean: float, log_dispersion: float) -> float:
    with mpmath.workdps(50):
        mean, size = mpmath.exp(mpmath.mpf(log_mean)), mpmath.exp(mpmath.mpf(log_dispersion))
        ways = mpmath.loggamma(x + size) - mpmath.loggamma(size) - mpmath.loggamma(x + 1)
        rest = size * mpmath.log(size / (size + mean)) + x * mpmath.log(mean / (size + mean))
        return float(ways + rest)


@both
def test_nb_is_exact_from_small_to_large_counts_and_dispersions(dtype: torch.dtype) -> None:
    x, log_mean, log_dispersion = (part.reshape(-1) for part in grid(dtype))
    found = nb_log_prob(x, log_mean, log_dispersion).double().numpy()
    triples = zip(x.tolist(), log_mean.tolist(), log_dispersion.tolist(), strict=True)
    wanted = np.array([exact_nb(*triple) for triple in triples])
    rtol = TOLERANCE[dtype]
    # next to zero the double precision of terms near 1e7 is what is left
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=max(rtol, 4e-8) * 0.1)


@both
def test_nb_and_zinb_against_scipy(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.poisson(3, 200), dtype=dtype)
    log_mean = torch.tensor(rng.normal(0.5, 1, 200), dtype=dtype)
    log_dispersion = torch.tensor(rng.normal(0, 1, 200), dtype=dtype)
    logit = torch.tensor(rng.normal(0, 1, 200), dtype=dtype)
    mean, size = np.exp(log_mean.double().numpy()), np.exp(log_dispersion.double().numpy())
    nb = stats.nbinom.logpmf(x.numpy(), size, size / (size + mean))
    tolerance = TOLERANCE[dtype]
    found = nb_log_prob(x, log_mean, log_dispersion).double().numpy()
    np.testing.assert_allclose(found, nb, rtol=tolerance, atol=tolerance)
    dropped = 1 / (1 + np.exp(-logit.double().numpy()))
    zinb = np.log((1 - dropped) * np.exp(nb) + dropped * (x.numpy() == 0))
    found = zinb_log_prob(x, log_mean, log_dispersion, logit).double().numpy()
    np.testing.assert_allclose(found, zinb, rtol=tolerance, atol=tolerance)


@both
def test_the_others_against_scipy(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(1)
    count = torch.tensor(rng.poisson(5, 100), dtype=dtype)
    real, one = (torch.tensor(rng.normal(size=100), dtype=dtype) for _ in range(2))
    binary = (real > 0).to(dtype)
    x, p = real.double().numpy(), one.double().numpy()
    tolerance = TOLERANCE[dtype]
    for found, wanted in (
        (poisson_log_prob(count, one), stats.poisson.logpmf(count.numpy(), np.exp(p))),
        (gaussian_log_prob(real, one, 0.3 * one), stats.norm.logpdf(x, p, np.exp(0.3 * p))),
        (bernoulli_log_prob(binary, one), stats.bernoulli.logpmf(binary.numpy(), 1 / (1 + np.exp(-p)))),
    ):  # fmt: skip
        np.testing.assert_allclose(found.double().numpy(), wanted, rtol=tolerance, atol=tolerance)


def test_gradients_are_those_of_the_formula() -> None:
    x = torch.tensor([0.0, 3.0, 40.0], dtype=torch.float64)
    parameters = [torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda m, d, p: zinb_log_prob(x, m, d, p), parameters)
    assert torch.autograd.gradcheck(lambda m: poisson_log_prob(x, m), parameters[:1])


def test_an_unknown_likelihood_is_named() -> None:
    with pytest.raises(Edge2TorchError, match=r"likelihood must be .*'gaussian'.*found 'normal'"):
        compile_vae(features=["a"], latents=1, likelihood="normal")
