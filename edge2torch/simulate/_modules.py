"""Transcript counts with planted modules of genes that switch isoforms or change together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.errors import Edge2TorchError

_ROLES = ("switch_only", "abundance_only", "coupled", "discordant")
_DISPERSION = 0.03
_WANDER = 0.15  # noise of each transcript's log-usage, beyond counting

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlantedModules:
    """Counts and the modules that are in them.

    Parameters
    ----------
    counts : DataFrame, transcripts × samples
        Counts.
    transcripts : DataFrame
        ``transcript_id``, ``gene_id``.
    samples : DataFrame
        ``sample_id``; ``trait``, which the first module follows (NaN without modules);
        ``degradation`` and ``composition``, which confound.
    modules : DataFrame
        ``gene_id``, ``module_id``, ``role``; a row per membership.
    latents : DataFrame, modules × samples
        What drives each module.

    Examples
    --------
    >>> planted = planted_modules(n_modules=2, module_size=10, n_background=30, seed=0)
    >>> planted.modules["module_id"].value_counts().to_dict()
    {'T0': 10, 'T1': 10}
    """

    counts: pd.DataFrame
    transcripts: pd.DataFrame
    samples: pd.DataFrame
    modules: pd.DataFrame
    latents: pd.DataFrame


def planted_modules(
    n_modules: int = 4,
    *,
    module_size: int | Sequence[int] = 20,
    n_background: int = 100,
    n_samples: int = 60,
    amplitude: float | tuple[float, float] = 1.0,
    roles: Sequence[str] = _ROLES,
    confound: float = 0.0,
    overlap: float = 0.0,
    nonlinear: bool = False,
    seed: int = 0,
) -> PlantedModules:
    """Draw counts in which modules of genes share a latent.

    A gene follows its latent by the usage of its transcripts, by its abundance, or by both, in
    the same or in opposite directions. Counts are negative binomial.

    Parameters
    ----------
    n_modules : int
        Modules; 0 gives pure noise.
    module_size : int or sequence of int
        Genes of each.
    n_background : int
        Genes in no module.
    n_samples : int
        Samples.
    amplitude : float or (float, float)
        Change of log-usage or log-abundance per standard deviation of the latent; a pair is the
        range that genes are drawn from.
    roles : sequence of str
        Dealt out in turn: ``switch_only``, ``abundance_only``, ``coupled``, ``discordant``.
    confound : float
        Effect of ``degradation`` and ``composition`` on half of all genes each, and of depth.
    overlap : float
        Share of each module's genes that follow the next module's latent too.
    nonlinear : bool
        Genes follow the latent, its square or its sign in turn.
    seed : int
        Same seed, same counts.

    Returns
    -------
    PlantedModules

    Raises
    ------
    Edge2TorchError
        When the number of sizes is not that of the modules.

    Examples
    --------
    >>> planted_modules(n_modules=0, n_background=50, seed=1).modules.empty
    True
    """
    sizes = [module_size] * n_modules if isinstance(module_size, int) else list(module_size)
    if len(sizes) != n_modules:
        raise Edge2TorchError(f"module_size: {len(sizes)} sizes for {n_modules} modules.")
    rng = np.random.default_rng([seed, 5])
    latents = _unit(rng.normal(size=(n_modules, n_samples)))
    truth = _memberships(sizes, overlap, roles)
    n_genes = sum(sizes) + n_background
    switch, abundance = _signals(truth, latents, n_genes, amplitude, nonlinear, rng)
    names = ("degradation", "composition")
    nuisance = _unit(rng.normal(size=(2, n_samples)))
    for row in nuisance if confound else ():
        switch += _pull(n_genes, confound, row, rng)
        abundance += _pull(n_genes, confound, row, rng)
    counts, gene = _counts(switch, abundance, confound, rng)
    width = len(str(n_genes))
    gene_ids = np.array([f"G{k:0{width}d}" for k in range(n_genes)], dtype=object)
    order = rng.permutation(n_genes)  # ids do not give the modules away
    gene_ids = gene_ids[order]
    number = np.arange(len(gene)) - np.searchsorted(gene, gene)
    ids = [f"{g}.t{k}" for g, k in zip(gene_ids[gene], number, strict=True)]
    sample_ids = [f"S{k:03d}" for k in range(n_samples)]
    trait = (
        latents[0] + 0.5 * rng.normal(size=n_samples) if n_modules else np.full(n_samples, np.nan)
    )
    return PlantedModules(
        counts=pd.DataFrame(counts, index=ids, columns=sample_ids),
        transcripts=pd.DataFrame({"transcript_id": ids, "gene_id": gene_ids[gene]}),
        samples=pd.DataFrame(
            {"sample_id": sample_ids, "trait": trait, **dict(zip(names, nuisance, strict=True))}
        ),
        modules=pd.DataFrame(
            {
                "gene_id": gene_ids[truth["gene"].to_numpy(dtype=np.int64)],
                "module_id": [f"T{k}" for k in truth["module"]],
                "role": truth["role"],
            }
        ),
        latents=pd.DataFrame(latents, [f"T{k}" for k in range(n_modules)], sample_ids),
    )


def _pull(n_genes: int, strength: float, row: Floats, rng: np.random.Generator) -> Floats:
    """Effect of a nuisance on half of the genes."""
    hit = rng.random(n_genes) < 0.5
    return np.asarray(np.outer(hit * rng.normal(0, strength, n_genes), row))


def _unit(values: Floats) -> Floats:
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12))


def _memberships(sizes: list[int], overlap: float, roles: Sequence[str]) -> pd.DataFrame:
    """A row per gene and module that it follows; those in two stand twice."""
    module = np.repeat(np.arange(len(sizes)), sizes)
    gene = np.arange(len(module))
    place = gene - np.searchsorted(module, module)
    role = np.array(roles, dtype=object)[place % len(roles)]
    own = pd.DataFrame({"gene": gene, "module": module, "role": role})
    shared = own[place < overlap * np.array(sizes or [0])[module]] if len(sizes) > 1 else own[:0]
    return pd.concat([own, shared.assign(module=(shared["module"] + 1) % max(len(sizes), 1))])


def _signals(
    truth: pd.DataFrame,
    latents: Floats,
    n_genes: int,
    amplitude: float | tuple[float, float],
    nonlinear: bool,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Change of log-usage and of log-abundance, (genes, samples) each."""
    bounds = amplitude if isinstance(amplitude, tuple) else (amplitude, amplitude)
    switch, abundance = np.zeros((2, n_genes, latents.shape[1]))
    gene, module = truth["gene"].to_numpy(), truth["module"].to_numpy()
    role = truth["role"].to_numpy()
    followed = latents[module]
    if nonlinear and len(module):
        shapes = np.stack([followed, _unit(followed**2), _unit(np.sign(followed))])
        followed = shapes[np.arange(len(module)) % 3, np.arange(len(module))]
    size = rng.uniform(*bounds, len(gene)) * rng.choice([-1, 1], len(gene))
    moved = size[:, None] * followed
    np.add.at(switch, gene, moved * (role != "abundance_only")[:, None])
    sign = np.select([role == "switch_only", role == "discordant"], [0.0, -1.0], 1.0)
    np.add.at(abundance, gene, 0.6 * moved * sign[:, None])
    return switch, abundance


def _counts(
    switch: Floats, abundance: Floats, confound: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Counts of two to four transcripts per gene; the first is the most used and switches."""
    n_genes, n_samples = switch.shape
    per_gene = rng.integers(2, 5, n_genes)
    gene = np.repeat(np.arange(n_genes), per_gene)
    first = np.r_[0, np.cumsum(per_gene)[:-1]]
    logit = rng.normal(0, 0.5, len(gene))
    logit[first] = 1.2
    logits = logit[:, None] + rng.normal(0, _WANDER, (len(gene), n_samples))
    logits[first] += switch
    usage = np.exp(logits)
    usage /= np.asarray(np.add.reduceat(usage, first, axis=0))[gene]
    depth = np.exp(rng.normal(0, 0.1 + 0.4 * confound, n_samples))
    level: Floats = np.exp(rng.normal(6.5, 0.7, (n_genes, 1)) + abundance)
    level *= np.exp(rng.normal(0, _WANDER, level.shape))
    mean = usage * level[gene] * depth
    shape = 1 / _DISPERSION
    return rng.poisson(rng.gamma(shape, mean / shape)).astype(float), gene
