"""How likely data are under what a decoder says, in log space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge2torch._core.checks import check_choice
from edge2torch.vae._negative_binomial import nb_log_prob, nb_log_prob_of_cells


def zinb_log_prob(
    x: Tensor, log_mean: Tensor, log_dispersion: Tensor, dropout_logit: Tensor
) -> Tensor:
    """Return the log probability (b, g) of counts that are zero by dropout, or else negative binomial."""
    # log sigmoid and logaddexp: probabilities near 0 and 1 would leave the range of float32
    counted = nb_log_prob(x, log_mean, log_dispersion) + F.logsigmoid(-dropout_logit)
    return torch.where(x > 0, counted, torch.logaddexp(F.logsigmoid(dropout_logit), counted))


def poisson_log_prob(x: Tensor, log_mean: Tensor) -> Tensor:
    """Return log Poisson(x; mean) of counts (b, g)."""
    x, log_mean = torch.broadcast_tensors(x, log_mean)
    return _where_counted(-log_mean.exp(), _poisson_counted, x, log_mean)


def _poisson_counted(x: Tensor, log_mean: Tensor) -> Tensor:
    return x * log_mean - log_mean.exp() - torch.lgamma(x + 1)


def _where_counted(
    zeros: Tensor, formula: Callable[..., Tensor], x: Tensor, *parameters: Tensor
) -> Tensor:
    """Replace the entries with counts above zero by a formula evaluated in float64."""
    # Large terms cancel there; most counts of cells are zero and stay in their own precision.
    at = (x > 0).reshape(-1).nonzero().squeeze(-1)
    exact = formula(*(values.reshape(-1)[at].double() for values in (x, *parameters)))
    return zeros.reshape(-1).index_copy(0, at, exact.to(zeros.dtype)).view(x.shape)


def gaussian_log_prob(x: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    """Return log N(x; mean, sd²) of values (b, g)."""
    distance = (x - mean) * torch.exp(-log_sd)
    return -0.5 * distance.square() - log_sd - 0.9189385332046727  # log √(2π)


def bernoulli_log_prob(x: Tensor, logit: Tensor) -> Tensor:
    """Return the log probability of zeros and ones (b, g), from the logit of a one."""
    return x * logit - F.softplus(logit)


@dataclass(frozen=True)
class Likelihood:
    """A row of the table of likelihoods.

    Parameters
    ----------
    name : str
        What ``compile_vae(likelihood=...)`` calls it.
    support : str
        ``"counts"``, ``"real"`` or ``"binary"``.
    log_prob : callable
        ``log_prob(x, prediction, own)``, all (b, g); ``own`` holds the gene parameters.
    own : tuple of str
        Parameters that each gene has.
    of_cells : callable, optional
        ``of_cells(x, scores, log_library, own)``: the same of proportions, summed over genes, where
        one pass from the decoder's scores costs less.
    """

    name: str
    support: str
    log_prob: Callable[[Tensor, Tensor, dict[str, Tensor]], Tensor]
    own: tuple[str, ...] = ()
    of_cells: Callable[[Tensor, Tensor, Tensor, dict[str, Tensor]], Tensor] | None = None

    @property
    def is_count(self) -> bool:
        """Whether the decoder gives proportions of a library."""
        return self.support == "counts"


LIKELIHOODS = {
    row.name: row
    for row in (
        Likelihood(
            "nb",
            "counts",
            lambda x, p, own: nb_log_prob(x, p, own["disp"]),
            ("disp",),
            lambda x, y, library, own: nb_log_prob_of_cells(x, y, library, own["disp"]),
        ),
        Likelihood(
            "zinb",
            "counts",
            lambda x, p, own: zinb_log_prob(x, p, own["disp"], own["dropout_logit"]),
            ("disp", "dropout_logit"),
        ),
        Likelihood("poisson", "counts", lambda x, p, own: poisson_log_prob(x, p)),
        Likelihood(
            "gaussian",
            "real",
            lambda x, p, own: gaussian_log_prob(x, p, own["log_sd"]),
            ("log_sd",),
        ),
        Likelihood("bernoulli", "binary", lambda x, p, own: bernoulli_log_prob(x, p)),
    )
}


def find_likelihood(name: str) -> Likelihood:
    """Return the likelihood of a name; an unknown one is an error that lists those there are."""
    return LIKELIHOODS[check_choice("likelihood", name, LIKELIHOODS)]
