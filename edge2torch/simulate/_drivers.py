"""Transcript counts in which it is known which transcripts drive each module, and which way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_TRANSCRIPTS = 4  # of each gene; the first rises or falls, the second does the opposite
_DISPERSION = 0.03
_WANDER = 0.25  # noise of each transcript's log-usage, beyond counting


@dataclass(frozen=True, eq=False)
class PlantedDrivers:
    """Counts, and the transcripts that drive the modules in them.

    Parameters
    ----------
    counts : DataFrame, transcripts × samples
        Counts.
    transcripts : DataFrame
        ``transcript_id``, ``gene_id``.
    samples : DataFrame
        ``sample_id``.
    drivers : DataFrame
        A row per transcript of a gene in a module: ``transcript_id``, ``gene_id``, ``module_id``,
        ``direction``: 1 where its usage rises with the module's latent, -1 where it falls, 0 where
        it is a bystander.
    latents : DataFrame, modules × samples
        What drives each module.

    Examples
    --------
    >>> planted = planted_drivers(n_modules=2, module_size=10, n_background=30, seed=0)
    >>> planted.drivers["direction"].value_counts().sort_index().to_dict()
    {-1: 20, 0: 40, 1: 20}
    """

    counts: pd.DataFrame
    transcripts: pd.DataFrame
    samples: pd.DataFrame
    drivers: pd.DataFrame
    latents: pd.DataFrame


def planted_drivers(
    n_modules: int = 3,
    *,
    module_size: int = 15,
    n_background: int = 60,
    n_samples: int = 100,
    amplitude: float = 1.0,
    seed: int = 0,
) -> PlantedDrivers:
    """Draw counts in which two transcripts of each gene of a module trade places along its latent.

    Every gene has four transcripts. In a module, one rises and one falls in log-usage, and two
    stand by; outside, all four wander. Counts are negative binomial.

    Parameters
    ----------
    n_modules, module_size, n_background, n_samples : int
        Modules, genes of each, genes in none, and samples.
    amplitude : float
        Change of a driver's log-usage per standard deviation of the latent.
    seed : int
        Same seed, same counts.

    Returns
    -------
    PlantedDrivers

    Examples
    --------
    >>> planted_drivers(n_samples=20, seed=1).counts.shape
    (420, 20)
    """
    rng = np.random.default_rng([seed, 7])
    latents = rng.normal(size=(n_modules, n_samples))
    latents -= latents.mean(axis=1, keepdims=True)
    latents /= latents.std(axis=1, keepdims=True)
    n_inside = n_modules * module_size
    n_genes = n_inside + n_background
    module = np.repeat(np.arange(n_modules), module_size)
    turn = rng.choice([-1, 1], n_inside)
    direction = np.zeros((n_genes, _TRANSCRIPTS), dtype=np.int64)
    direction[:n_inside, 0], direction[:n_inside, 1] = turn, -turn
    moved = np.zeros((n_genes, n_samples))
    moved[:n_inside] = amplitude * latents[module]
    counts = _counts(direction, moved, rng)
    order = rng.permutation(n_genes)  # ids do not give the modules away
    gene_ids = np.array([f"G{k:0{len(str(n_genes))}d}" for k in range(n_genes)], dtype=object)[
        order
    ]
    ids = [f"{gene}.t{k}" for gene in gene_ids for k in range(_TRANSCRIPTS)]
    table = pd.DataFrame({"transcript_id": ids, "gene_id": np.repeat(gene_ids, _TRANSCRIPTS)})
    names, samples = [f"T{k}" for k in range(n_modules)], [f"S{k:03d}" for k in range(n_samples)]
    inside = n_inside * _TRANSCRIPTS
    drivers = table[:inside].assign(
        module_id=np.repeat(np.array(names, dtype=object)[module], _TRANSCRIPTS),
        direction=direction[:n_inside].ravel(),
    )
    return PlantedDrivers(
        counts=pd.DataFrame(counts, ids, samples),
        transcripts=table,
        samples=pd.DataFrame({"sample_id": samples}),
        drivers=drivers,
        latents=pd.DataFrame(latents, names, samples),
    )


def _counts(
    direction: NDArray[np.int64], moved: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Counts (genes × transcripts, samples)."""
    n_genes, k = direction.shape
    n_samples = moved.shape[1]
    logit = rng.normal(0, 0.4, (n_genes, k))[:, :, None] + direction[:, :, None] * moved[:, None]
    logit = logit + rng.normal(0, _WANDER, logit.shape)
    usage = np.exp(logit)
    usage /= usage.sum(axis=1, keepdims=True)
    level = np.exp(rng.normal(6.5, 0.7, (n_genes, 1)) + rng.normal(0, 0.2, (n_genes, n_samples)))
    depth = np.exp(rng.normal(0, 0.1, n_samples))
    mean = (usage * (level * depth)[:, None]).reshape(-1, n_samples)
    shape = 1 / _DISPERSION
    return np.asarray(rng.poisson(rng.gamma(shape, mean / shape)), dtype=np.float64)
