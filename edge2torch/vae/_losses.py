"""What a posterior costs. One definition of it serves every term: N(q_m, softplus(q_s) + 1e-6)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def posterior_sd(q_s: Tensor) -> Tensor:
    """Return the standard deviation of the posterior, (b, k), from what the encoder gives for it."""
    return F.softplus(q_s) + 1e-6


def kl_divergence(q_m: Tensor, q_s: Tensor) -> Tensor:
    """Return KL(posterior, standard normal) of every cell and latent, (b, k).

    Kingma & Welling 2014, doi:10.48550/arXiv.1312.6114.
    """
    sd = posterior_sd(q_s)
    return 0.5 * (sd.square() + q_m.square() - 1) - sd.log()


def dip_loss(q_m: Tensor, q_s: Tensor) -> Tensor:
    """Return how far the covariance of the aggregate posterior (b, k) is from the identity, a scalar.

    Kumar et al. 2018, doi:10.48550/arXiv.1711.00848 (DIP-VAE-II).
    """
    if len(q_m) < 2:
        return q_m.sum() * 0  # a batch of one has no covariance; zero with a gradient
    covariance = torch.atleast_2d(torch.cov(q_m.T))
    covariance = covariance + torch.diag(posterior_sd(q_s).square().mean(0))
    identity = torch.eye(len(covariance), dtype=q_m.dtype, device=q_m.device)
    apart: Tensor = (covariance - identity).square().sum()
    return apart


def total_correlation(q_z: Tensor, q_m: Tensor, q_s: Tensor) -> Tensor:
    """Estimate KL(q(z), product of q(z_j)) where q is the mixture of the batch's posteriors (b, k).

    Zero when the batch's posteriors are all the same. Chen et al. 2018, doi:10.48550/arXiv.1802.04942.
    """
    sd = posterior_sd(q_s)
    density = -0.5 * ((q_z[:, None] - q_m) / sd).square() - sd.log()
    # Both densities are normalised by the same number of cells, so that independent latents do not come
    # out negative by a constant.
    cells = math.log(len(q_m))
    joint = density.sum(-1).logsumexp(1) - cells
    apart = (density.logsumexp(1) - cells).sum(-1)
    return (joint - apart).mean()


def mmd_loss(q_z: Tensor, prior: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy between samples and the prior (b, k), never negative.

    The kernel is a Gaussian of bandwidth √k. Zhao et al. 2019, doi:10.1609/aaai.v33i01.33015885.
    """

    def similarity(a: Tensor, b: Tensor) -> Tensor:
        distance = (a[:, None] - b).square().sum(-1)
        return torch.exp(-0.5 * distance / a.shape[1]).mean()

    return similarity(q_z, q_z) + similarity(prior, prior) - 2 * similarity(q_z, prior)
