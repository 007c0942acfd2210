"""What a posterior costs. One definition of it serves every term: N(q_m, softplus(q_s) + 1e-6)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def posterior_sd(q_s: Tensor) -> Tensor:
    """Return the standard deviation of the posterior.

    Parameters
    ----------
    q_s : Tensor, shape (b, k)
        What the encoder gives for it.

    Returns
    -------
    Tensor, shape (b, k)

    Examples
    --------
    >>> import torch
    >>> posterior_sd(torch.tensor([0.5413]))
    tensor([1.0000])
    """
    return F.softplus(q_s) + 1e-6


def kl_divergence(q_m: Tensor, q_s: Tensor) -> Tensor:
    """Return KL(posterior, standard normal) of every cell and latent.

    Parameters
    ----------
    q_m, q_s : Tensor, shape (b, k)
        Posterior mean, and what :func:`posterior_sd` takes.

    Returns
    -------
    Tensor, shape (b, k)

    References
    ----------
    Kingma & Welling 2014, doi:10.48550/arXiv.1312.6114.

    Examples
    --------
    >>> import torch
    >>> kl_divergence(torch.ones(1, 1), torch.full((1, 1), 0.541324))
    tensor([[0.5000]])
    """
    sd = posterior_sd(q_s)
    return 0.5 * (sd.square() + q_m.square() - 1) - sd.log()


def dip_loss(q_m: Tensor, q_s: Tensor) -> Tensor:
    """Return how far the covariance of the aggregate posterior is from the identity (DIP-VAE-II).

    Parameters
    ----------
    q_m, q_s : Tensor, shape (b, k)
        Posterior mean, and what :func:`posterior_sd` takes.

    Returns
    -------
    Tensor, scalar
        Sum of squares; zero for a batch of one, which has no covariance.

    References
    ----------
    Kumar et al. 2018, doi:10.48550/arXiv.1711.00848.

    Examples
    --------
    >>> import torch
    >>> dip_loss(torch.tensor([[0.0], [2.0]]), torch.full((2, 1), -50.0))
    tensor(1.)
    """
    if len(q_m) < 2:
        return q_m.sum() * 0
    covariance = torch.atleast_2d(torch.cov(q_m.T))
    covariance = covariance + torch.diag(posterior_sd(q_s).square().mean(0))
    identity = torch.eye(len(covariance), dtype=q_m.dtype, device=q_m.device)
    apart: Tensor = (covariance - identity).square().sum()
    return apart


def total_correlation(q_z: Tensor, q_m: Tensor, q_s: Tensor) -> Tensor:
    """Estimate KL(q(z), product of q(z_j)) where q is the mixture of the batch's posteriors.

    Zero when the batch's posteriors are all the same; both densities are normalised by the same
    number of cells, so that independent latents do not come out negative by a constant.

    Parameters
    ----------
    q_z, q_m, q_s : Tensor, shape (b, k)
        Sample, posterior mean, and what :func:`posterior_sd` takes.

    Returns
    -------
    Tensor, scalar

    References
    ----------
    Chen et al. 2018, doi:10.48550/arXiv.1802.04942.

    Examples
    --------
    >>> import torch
    >>> total_correlation(torch.randn(8, 3), torch.zeros(8, 3), torch.zeros(8, 3)).abs() < 1e-5
    tensor(True)
    """
    sd = posterior_sd(q_s)
    density = -0.5 * ((q_z[:, None] - q_m) / sd).square() - sd.log()
    cells = math.log(len(q_m))
    joint = density.sum(-1).logsumexp(1) - cells
    apart = (density.logsumexp(1) - cells).sum(-1)
    return (joint - apart).mean()


def mmd_loss(q_z: Tensor, prior: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy between samples and the prior, never negative.

    Parameters
    ----------
    q_z, prior : Tensor, shape (b, k)
        Samples of the posterior and of the prior. The kernel is a Gaussian of bandwidth √k.

    Returns
    -------
    Tensor, scalar

    References
    ----------
    Zhao et al. 2019, doi:10.1609/aaai.v33i01.33015885.

    Examples
    --------
    >>> import torch
    >>> mmd_loss(torch.ones(4, 2), torch.ones(4, 2))
    tensor(0.)
    """

    def similarity(a: Tensor, b: Tensor) -> Tensor:
        distance = (a[:, None] - b).square().sum(-1)
        return torch.exp(-0.5 * distance / a.shape[1]).mean()

    return similarity(q_z, q_z) + similarity(prior, prior) - 2 * similarity(q_z, prior)
