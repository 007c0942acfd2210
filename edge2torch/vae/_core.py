"""The module that every VAE here is: two compiled halves, a bottleneck, and the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edge2torch.vae._likelihoods import find_likelihood
from edge2torch.vae._losses import (
    dip_loss,
    kl_divergence,
    mmd_loss,
    posterior_sd,
    total_correlation,
)
from edge2torch.vae._networks import Decoder, Encoder, GeneDecoder, LatentEncoder, weight_init


class VAEOutput(NamedTuple):
    """What a forward pass gives: the reference's seven, in its order.

    Parameters
    ----------
    q_z, q_m, q_s : Tensor, shape (b, k)
        Sample, posterior mean, and what its standard deviation is the softplus of.
    pred_x : Tensor, shape (b, g)
        Proportions, means or probabilities.
    le, ld : Tensor or None
        The interpretative bottleneck (b, i), and the latents read back from it (b, k).
    pred_xl : Tensor or None
        The prediction from ``ld``.
    """

    q_z: Tensor
    q_m: Tensor
    q_s: Tensor
    pred_x: Tensor
    le: Tensor | None
    ld: Tensor | None
    pred_xl: Tensor | None


class _Posterior(NamedTuple):
    """Sample, mean and spread (b, k) of the latents; log library (b, 1) and its divergence (b,)."""

    z: Tensor
    mean: Tensor
    spread: Tensor
    log_library: Tensor
    library_kl: Tensor


class VAECore(nn.Module):
    """Encoder, decoder and interpretative bottleneck.

    The encoder's input is log1p of counts, or the values themselves where the likelihood is not
    one of counts.
    """

    library_prior: Tensor

    def __init__(
        self,
        encoder: LatentEncoder,
        decoder: GeneDecoder,
        *,
        likelihood: str = "nb",
        n_latents: int,
        interpretative: int | None = None,
        learned_library: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = find_likelihood(likelihood)
        self.n_latents, self.learned_library = n_latents, learned_library
        self.latent_encoder: nn.Linear | None = None
        self.latent_decoder: nn.Linear | None = None
        if interpretative is not None:
            self.latent_encoder = nn.Linear(n_latents, interpretative)
            self.latent_decoder = nn.Linear(interpretative, n_latents)
        if learned_library:  # mean and standard deviation of the logarithm, set from data by a fit
            self.register_buffer("library_prior", torch.tensor([0.0, 1.0]))

    def forward(self, x: Tensor, conditions: Tensor | None = None) -> VAEOutput:
        """Map encoder input x (b, g) and covariates (b, c) to the reference's seven tensors."""
        q_m, q_s = (part[:, : self.n_latents] for part in self.encode(x, conditions))
        q_z = q_m + posterior_sd(q_s) * torch.randn_like(q_m)
        pred_x = self.decoder(_beside(q_z, conditions))
        if self.latent_encoder is None or self.latent_decoder is None:
            return VAEOutput(q_z, q_m, q_s, pred_x, None, None, None)
        le = self.latent_encoder(q_z)
        ld = self.latent_decoder(le)
        return VAEOutput(q_z, q_m, q_s, pred_x, le, ld, self.decoder(_beside(ld, conditions)))

    def encode(self, x: Tensor, conditions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return q_m and q_s (b, k); a learned library stands in a last column."""
        return self.encoder.posterior(_beside(x, conditions))

    def divergence(self, q_m: Tensor, q_s: Tensor) -> Tensor:
        """Return each latent's divergence from the standard normal (b, k)."""
        return kl_divergence(q_m, q_s)

    def encoder_input(self, values: Tensor) -> Tensor:
        """Turn values (b, g) into what the encoder takes."""
        return values.log1p() if self.likelihood.is_count else values

    def log_likelihood(
        self, values: Tensor, z: Tensor, log_library: Tensor, conditions: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z) (..., b, g) for z (..., b, k).

        Where values are counts, the library per cell is (b, 1).
        """
        fed = _beside(z, conditions)
        predicted = self.decoder.predict(fed.flatten(0, -2)).unflatten(0, fed.shape[:-1])
        if self.likelihood.is_count:
            predicted = predicted + log_library
        return self.likelihood.log_prob(values, predicted, self.decoder.own)

    def losses(
        self,
        values: Tensor,
        conditions: Tensor | None,
        weights: Mapping[str, float],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return the terms of the loss per cell, weighted ones under their own names, unweighted.

        ``elbo`` is the plain evidence lower bound; ``total`` is what training minimises. Samples
        are drawn from ``generator``, or else from torch's own.
        """
        q = self._sample(values, conditions, generator)
        recon, *back = self._reconstruction(values, q, conditions, weights).mean(-1)
        kl, library_kl = kl_divergence(q.mean, q.spread).sum(1).mean(), q.library_kl.mean()
        terms = {"recon": recon, "kl": kl, "elbo": -(recon + kl + library_kl)}
        total = recon + weights.get("beta", 1.0) * kl + library_kl
        further = [
            *(("irecon", term) for term in back),
            *self._extras(q.z, q.mean, q.spread, weights, generator),
        ]
        for name, term in further:
            terms[name] = term
            total = total + weights[name] * term
        terms["total"] = total
        return terms

    def cell_terms(
        self,
        values: Tensor,
        conditions: Tensor | None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return the parts of every cell's ELBO, its own first, and its log library, each (b,)."""
        q = self._sample(values, conditions, generator)
        recon = self._reconstruction(values, q, conditions, {})[0]
        kl = kl_divergence(q.mean, q.spread).sum(1)
        return {
            "elbo": -(recon + kl + q.library_kl),
            "recon": recon,
            "kl": kl,
            "library_kl": q.library_kl,
            "log_library": q.log_library[:, 0],
        }

    def _sample(
        self, values: Tensor, conditions: Tensor | None, generator: torch.Generator | None
    ) -> _Posterior:
        """Draw every cell's latents and library."""
        q_m, q_s = self.encode(self.encoder_input(values), conditions)
        q_all = q_m + posterior_sd(q_s) * _noise(q_m, generator)
        log_library, library_kl = self._library(values, q_all, q_m, q_s)
        z, mean, spread = (part[:, : self.n_latents] for part in (q_all, q_m, q_s))
        return _Posterior(z, mean, spread, log_library, library_kl)

    def _reconstruction(
        self,
        values: Tensor,
        q: _Posterior,
        conditions: Tensor | None,
        weights: Mapping[str, float],
    ) -> Tensor:
        """Return what reconstruction costs (1, b), or (2, b) with that through the bottleneck.

        Both are decoded in one pass, as two predictions of the same values.
        """
        predicting = [q.z]
        if weights.get("irecon") and self.latent_encoder and self.latent_decoder:
            predicting.append(self.latent_decoder(self.latent_encoder(q.z)))
        z, of_cells = torch.stack(predicting), self.likelihood.of_cells
        if of_cells is None:
            return -self.log_likelihood(values, z, q.log_library, conditions).sum(-1)
        fed = _beside(z, conditions)
        scores = self.decoder.scores(fed.flatten(0, -2)).unflatten(0, fed.shape[:-1])
        return -of_cells(values, scores, q.log_library, self.decoder.own)

    def _extras(
        self,
        q_z: Tensor,
        q_m: Tensor,
        q_s: Tensor,
        weights: Mapping[str, float],
        generator: torch.Generator | None,
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield name and value of every further term that has a weight."""
        if weights.get("dip"):
            yield "dip", dip_loss(q_m, q_s)
        if weights.get("tc"):
            yield "tc", total_correlation(q_z, q_m, q_s)
        if weights.get("info"):
            yield "info", mmd_loss(q_z, _noise(q_z, generator))
        if weights.get("soft_mask"):
            yield "soft_mask", self.outside_l1()

    def outside_l1(self) -> Tensor:
        """Return the sum of absolute weights of edges that the prior does not have."""
        return next(self.parameters()).sum() * 0

    def _library(
        self, values: Tensor, q_z: Tensor, q_m: Tensor, q_s: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the log library (b, 1), and what its posterior costs (b,)."""
        if not self.learned_library:
            # a cell without counts says nothing: any library but zero gives it finite terms
            return values.sum(1, keepdim=True).clamp(min=1).log(), q_m.new_zeros(len(q_m))
        mean, sd = self.library_prior
        # the prior is standardised, so that the same divergence serves
        return mean + sd * q_z[:, -1:], kl_divergence(q_m[:, -1], q_s[:, -1])


def _noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.empty_like(like).normal_(generator=generator)


def _beside(x: Tensor, conditions: Tensor | None) -> Tensor:
    """Append covariates (b, c) to x (..., b, n)."""
    if conditions is None:
        return x
    return torch.cat([x, conditions.expand(*x.shape[:-1], -1)], dim=-1)


class VAE(VAECore):
    """The reference's variational autoencoder, with dense halves compiled from edge tables.

    Parameters
    ----------
    state_dim, hidden_dim, action_dim : int
        Features, nodes of each of the two hidden layers, and latents.
    i_dim : int
        Nodes of the interpretative bottleneck.

    Examples
    --------
    >>> import torch
    >>> model = VAE(state_dim=6, hidden_dim=8, action_dim=3, i_dim=2)
    >>> q_z, q_m, q_s, pred_x, le, ld, pred_xl = model(torch.ones(4, 6))
    >>> pred_xl.shape
    torch.Size([4, 6])
    """

    def __init__(self, state_dim: int, hidden_dim: int, action_dim: int, i_dim: int) -> None:
        super().__init__(
            Encoder(state_dim, hidden_dim, action_dim),
            Decoder(state_dim, hidden_dim, action_dim),
            n_latents=action_dim,
            interpretative=i_dim,
        )
        self.apply(weight_init)
