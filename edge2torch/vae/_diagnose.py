"""How good a fitted VAE is: collapse per latent, reconstruction per gene, clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.messages import require
from edge2torch._core.randomness import seeded
from edge2torch._core.samples import by_sample
from edge2torch._core.statistics import varying
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._activity import mean_weight
from edge2torch.vae._cells import Cells, Survey
from edge2torch.vae._gain import ProfileGain, gain_of, profiles
from edge2torch.vae._losses import dip_loss, kl_divergence, total_correlation
from edge2torch.vae._movement import Movement
from edge2torch.vae._named import NamedVAE
from edge2torch.vae._start import mean_profile
from edge2torch.vae._tables import encoded

_COLLAPSED = 0.01  # nats: less than this says next to nothing about a cell
_ROWS = 10  # in a notebook


@dataclass(frozen=True, repr=False)
class VAEDiagnostics:
    """How good a fitted VAE is on given cells.

    Parameters
    ----------
    latents : DataFrame
        By latent: ``kl`` (mean nats per cell), ``variance`` of the posterior mean, ``effect``
        (how far its genes move together with one standard deviation of it: the absolute mean of
        their path weights times that deviation, which does not grow with their number),
        ``activity`` (standard deviation over cells of the log change that its genes share: what
        the latent says of them and what all latents leave, less what chance would give, so that
        an active pathway stands out even where its latent collapsed; negative below chance), and
        ``collapsed``.
    genes : DataFrame
        By gene: ``observed`` and ``expected`` mean, ``log_likelihood`` per cell, and the
        ``correlation`` of values with their expectation.
    log_likelihood : float
        Of a cell, given its posterior mean; natural logarithm.
    elbo : float
        Evidence lower bound of a cell, with one posterior sample each.
    disentanglement : dict
        ``dip`` and ``tc`` of all cells, as in training.
    clustering : dict
        ``ari``, ``nmi`` and ``silhouette`` of the posterior means against given labels.
    gain : ProfileGain, optional
        Whether the model beats the mean profile of the given cells.

    Examples
    --------
    >>> import numpy as np
    >>> from edge2torch.vae import compile_vae
    >>> model, _ = compile_vae(features=["a", "b"], latents=2)
    >>> report = model.diagnose(np.random.default_rng(0).poisson(3, (20, 2)))
    >>> list(report.latents.columns)
    ['kl', 'variance', 'effect', 'activity', 'collapsed']
    """

    latents: pd.DataFrame
    genes: pd.DataFrame
    log_likelihood: float
    elbo: float
    disentanglement: dict[str, float]
    clustering: dict[str, float] = field(default_factory=dict)
    gain: ProfileGain | None = None

    def __repr__(self) -> str:
        """Say how well cells are explained, and how many latents do so."""
        collapsed = int(self.latents["collapsed"].sum())
        is_worse = self.gain is not None and not self.gain.beats_mean_profile
        worse = "; does not beat the mean profile" if is_worse else ""
        return (
            f"VAEDiagnostics({len(self.latents):,} latents, {collapsed:,} collapsed, "
            f"{len(self.genes):,} genes, log likelihood {self.log_likelihood:.4g} and ELBO "
            f"{self.elbo:.4g} per cell{worse})"
        )

    def _repr_html_(self) -> str:
        top = self.latents.sort_values("activity", ascending=False, kind="stable")[:_ROWS]
        measures = {**self.disentanglement, **self.clustering}
        said = ", ".join(f"{name} {value:.3g}" for name, value in measures.items())
        table = top.to_html(border=0, float_format="{:.3g}".format)
        return f"<div>{escape(repr(self))}; {escape(said)}{table}</div>"


def diagnose_cells(
    vae: NamedVAE, cells: Cells, found: Survey, labels: Any, clusters: int | None, seed: int
) -> VAEDiagnostics:
    """Run over the cells once, holding sums by gene and the latents."""
    labels = by_sample("labels", labels, cells.names)
    sums = {name: torch.zeros(len(cells.columns), dtype=torch.float64) for name in _SUMS}
    kept: list[tuple[Tensor, Tensor]] = []
    movement = Movement(vae)
    profile = mean_profile(vae.likelihood, cells, np.arange(len(cells)), found)
    gains: list[dict[str, Tensor]] = []
    with seeded(seed):
        for values, conditions, q_m, q_s in encoded(vae, cells):
            terms = vae.cell_terms(values, conditions)
            gains.append({**terms, **profiles(vae, profile, values, terms)})
            _add(vae, sums, movement, values, conditions, q_m, q_s)
            kept.append((q_m[:, : vae.n_latents].cpu(), q_s[:, : vae.n_latents].cpu()))
        q_m, q_s = (torch.cat(part) for part in zip(*kept, strict=True))
        few = torch.randperm(len(q_m))[:2000]  # densities of pairs of cells
        tc = total_correlation(*(part[few] for part in (_sample(q_m, q_s), q_m, q_s)))
    n, gain = len(cells), gain_of(gains)
    kl = kl_divergence(q_m, q_s).mean(0).numpy()
    variance = q_m.var(0, correction=0).numpy()
    latents = pd.DataFrame(
        {
            "kl": kl,
            "variance": variance,
            "effect": mean_weight(vae) * np.sqrt(variance),
            "activity": movement.shared(),
            "collapsed": kl < _COLLAPSED,
        },
        index=pd.Index(vae.artifact.latent_names, name="latent"),
    )
    return VAEDiagnostics(
        latents=latents,
        genes=_by_gene(vae, sums, n),
        log_likelihood=float(sums["fit"].sum()) / n,
        elbo=gain.elbo,
        disentanglement={"dip": float(dip_loss(q_m, q_s)), "tc": float(tc)},
        clustering={} if labels is None else _clustering(q_m.numpy(), labels, clusters, seed),
        gain=gain,
    )


_SUMS = ("x", "p", "xx", "pp", "xp", "fit")


def _sample(q_m: Tensor, q_s: Tensor) -> Tensor:
    return q_m + torch.nn.functional.softplus(q_s) * torch.randn_like(q_m)


def _add(
    vae: NamedVAE,
    sums: dict[str, Tensor],
    movement: Movement,
    values: Tensor,
    conditions: Tensor | None,
    q_m: Tensor,
    q_s: Tensor,
) -> None:
    """Add a chunk of cells to the sums."""
    log_library, _ = vae._library(values, q_m, q_m, q_s)
    z = q_m[:, : vae.n_latents]
    movement.add(values, conditions, z, log_library)
    fit = vae.log_likelihood(values, z, log_library, conditions)
    expected = vae.decoder(z if conditions is None else torch.cat([z, conditions], 1))
    if vae.likelihood.is_count:
        expected = expected * log_library.exp()
    x, p = values.double().cpu(), expected.double().cpu()
    for name, part in zip(_SUMS, (x, p, x * x, p * p, x * p, fit.double().cpu()), strict=True):
        sums[name] += part.sum(0)


def _by_gene(vae: NamedVAE, sums: dict[str, Tensor], n: int) -> pd.DataFrame:
    mean = {name: (part / n).numpy() for name, part in sums.items()}
    of_x, of_p = mean["xx"] - mean["x"] ** 2, mean["pp"] - mean["p"] ** 2
    shared = mean["xp"] - mean["x"] * mean["p"]
    varies = varying(of_x, mean["xx"]) & varying(of_p, mean["pp"])
    spread = np.sqrt(np.where(varies, of_x * of_p, 1.0))
    correlation = np.where(varies, shared / spread, np.nan)
    return pd.DataFrame(
        {
            "observed": mean["x"],
            "expected": mean["p"],
            "log_likelihood": mean["fit"],
            "correlation": correlation,
        },
        index=pd.Index(vae.artifact.feature_names, name="gene"),
    )


def _clustering(latents: Any, labels: Any, clusters: int | None, seed: int) -> dict[str, float]:
    """Return indices of k-means clusters, and of the labels themselves, with given labels."""
    require("sklearn", extra="train")
    from sklearn.cluster import KMeans
    from sklearn.metrics import (
        adjusted_rand_score,
        normalized_mutual_info_score,
        silhouette_score,
    )

    truth = np.asarray(labels).astype(str)
    if len(truth) != len(latents):
        raise Edge2TorchError(f"labels has {len(truth)} entries for {len(latents)} cell(s).")
    n_labels = len(set(truth))
    if not 2 <= n_labels < len(truth):
        raise Edge2TorchError(f"labels has {n_labels} level(s); clustering needs at least two.")
    found = KMeans(clusters or n_labels, n_init=10, random_state=seed).fit_predict(latents)
    return {
        "ari": float(adjusted_rand_score(truth, found)),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "silhouette": float(silhouette_score(latents, truth)),
    }
