"""How far the genes of a latent move together, whether or not the latent says so."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.vae._activity import path_weights
from edge2torch.vae._named import NamedVAE


class Movement:
    """Sums over cells, from which comes the log change that a latent's genes share.

    With r the gradient of a gene's log likelihood by its log mean, and I the mean of its square,
    one step of scoring from a model without latent j gives every cell a log change
    ``(sum of r + (z - mean z) sum of I w) / sum of I`` over the genes of j: what the other latents
    leave unexplained, at any number of genes. Chance gives it the variance ``1 / sum of I``.
    Rao 1948, doi:10.1017/S0305004100023987.
    """

    def __init__(self, vae: NamedVAE) -> None:
        self.vae = vae
        self.weights = sp.csr_array(path_weights(vae, vae.artifact.latent_names), dtype=float)
        self.members = (self.weights != 0).astype(float)
        by_latent, by_gene = self.weights.shape
        self.n = 0
        self.r, self.rr = np.zeros((2, by_gene))
        self.s, self.z, self.ss, self.sz, self.zz = np.zeros((5, by_latent))

    def add(
        self, values: Tensor, conditions: Tensor | None, z: Tensor, log_library: Tensor
    ) -> None:
        """Add a chunk of cells at their posterior means z (b, k)."""
        vae = self.vae
        predicted = vae.decoder.predict(z if conditions is None else torch.cat([z, conditions], 1))
        if vae.likelihood.is_count:
            predicted = predicted + log_library
        with torch.enable_grad():
            predicted = predicted.detach().requires_grad_()
            fit = vae.likelihood.log_prob(values, predicted, vae.decoder.own)
            (r,) = torch.autograd.grad(fit.sum(), predicted)
        self._add(r.double().cpu().numpy(), z.double().cpu().numpy())

    def _add(self, r: NDArray[np.float64], z: NDArray[np.float64]) -> None:
        s = (self.members @ r.T).T
        self.n += len(z)
        self.r += r.sum(0)
        self.rr += np.square(r).sum(0)
        self.s += s.sum(0)
        self.z += z.sum(0)
        self.ss += np.square(s).sum(0)
        self.sz += (s * z).sum(0)
        self.zz += np.square(z).sum(0)

    def shared(self) -> NDArray[np.float64]:
        """Return the standard deviation of the shared log change (k,), negative below chance."""
        information = np.maximum(self.rr / self.n - np.square(self.r / self.n), 1e-12)
        own, slope = self.members @ information, self.weights @ information
        s, z = self.s / self.n, self.z / self.n
        spread = self.ss / self.n - s * s
        spread += 2 * slope * (self.sz / self.n - s * z) + slope**2 * (self.zz / self.n - z * z)
        own = np.maximum(own, 1e-12)  # of a latent that no gene hangs on any more
        variance = (spread / own - 1) / own
        return np.asarray(np.sign(variance) * np.sqrt(np.abs(variance)))
