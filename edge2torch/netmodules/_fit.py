"""``fit_modules``: the spine that all backends share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import note
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._advice import advice
from edge2torch.netmodules._assemble import assemble_result
from edge2torch.netmodules._checks import warn_of
from edge2torch.netmodules._communities import NOWHERE, communities, core_of, named_by_size
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._covariates import covariate_names, resolved
from edge2torch.netmodules._decoys import Padded, Thresholds, add_decoys, decoy_thresholds
from edge2torch.netmodules._features import Features, make_features, warn_of_few
from edge2torch.netmodules._gene_graph import (
    Pairs,
    gene_edges,
    grid_threshold_abundance,
    grid_threshold_switch,
    similar_pairs,
)
from edge2torch.netmodules._inputs import TranscriptData, transcript_data
from edge2torch.netmodules._merge import members_of, merge_alike
from edge2torch.netmodules._overlaps import Overlaps, overlap_thresholds, overlapping_pairs
from edge2torch.netmodules._override import as_config
from edge2torch.netmodules._problems import tell
from edge2torch.netmodules._progress import track
from edge2torch.netmodules._read import read_transcript_data
from edge2torch.netmodules._refine import refine
from edge2torch.netmodules._registry import find_backend
from edge2torch.netmodules._request import Request
from edge2torch.netmodules._result import NetworkModules
from edge2torch.netmodules._scale import Scale
from edge2torch.netmodules._similarity import Similarity
from edge2torch.netmodules._split import split

_GRID_FLOOR = 0.2


def fit_modules(
    counts: Any,
    transcripts: pd.DataFrame | None = None,
    samples: pd.DataFrame | None = None,
    *,
    gene_counts: pd.DataFrame | None = None,
    covariates: Sequence[str] = (),
    backend: str = "vae",
    config: ModulesConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    seed: int = 0,
    min_samples: int = 10,
    scale: Scale | None = None,
    quiet: bool = False,
) -> NetworkModules:
    """Find modules of genes that rise and fall, or switch isoforms, together.

    Parameters
    ----------
    counts : DataFrame, AnnData, TranscriptData or path
        Transcripts × samples with ids; or what :func:`transcript_data` and
        :func:`read_transcript_data` take and return.
    transcripts : DataFrame, optional
        ``transcript_id``, ``gene_id``. Left out, every row is a gene of its own.
    samples : DataFrame, optional
        ``sample_id``, traits and covariates.
    gene_counts : DataFrame, optional
        Genes × samples; summed from transcripts by default.
    covariates : sequence of str
        Columns of ``samples`` that scores are freed from. Few whole numbers, each in several
        samples, are the codes of a category (a batch); ``"batch:category"`` and ``"age:number"``
        have the last word.
    backend : str
        One of :data:`BACKENDS`; ``"vae"`` by default.
    config : ModulesConfig, dict, or what read_config takes, optional
        Settings; a dict has dotted keys, such as ``{"vae.hidden_dim": 32}``.
    seed : int
        Same seed, same result, bit for bit; rows and samples may come in any order.
    min_samples : int, default 10
        Fewest samples that are accepted.
    scale : {"counts", "log2", "log1p"}, optional
        What ``counts`` are, as for :func:`transcript_data`; values that look like logarithms are
        refused without it.
    quiet : bool
        Print no notes.

    Returns
    -------
    NetworkModules

    Raises
    ------
    Edge2TorchError
        One error with all problems of the data; or for settings that cannot be.

    Examples
    --------
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=3, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> found.module_ids
    ['M000', 'M001', 'M002']
    """
    row = find_backend(backend)
    config = as_config(config)
    data = _data(counts, transcripts, samples, gene_counts, covariates, min_samples, scale)
    if data.covariates:
        note(
            f"Covariates: {covariate_names(data.samples, data.covariates)}; NAME:number or "
            "NAME:category says otherwise.",
            quiet=quiet,
        )
    features = make_features(data, config)
    note(
        f"{len(features.table):,} features of {len(data.gene_ids):,} genes in "
        f"{len(data.samples):,} samples; backend {backend}.",
        quiet=quiet,
    )
    warn_of_few(features, config)
    padded = add_decoys(features.values, features.is_switch, config.decoys, seed)
    request = _request(padded, features, config, seed, quiet)
    similarity = row.similarity(request)
    limits, pairs = _pairs(similarity, padded, features, config)
    edges = gene_edges(pairs, features)
    labels, cored, members = _modules(edges, pairs, features, config, seed)
    result = assemble_result(
        features,
        members,
        edges,
        labels=labels,
        fate=_fate(labels, cored, edges, features, similarity, limits),
        calibration=_calibration(similarity, limits, padded),
        config={"backend": backend, "seed": seed, **config.as_dict()},
        covariates=data.covariates,
        checkpoint=similarity.checkpoint,
    )
    note(
        f"{len(result.modules):,} genes in {len(result.eigengenes)} module(s)"
        f"{_elsewhere(result.gene_fate['fate'])}.",
        quiet=quiet,
    )
    if not result.module_ids:
        fate, n = result.gene_fate["fate"], len(data.samples)
        note(advice(fate, n, backend, config, data.covariates), quiet=quiet)
    warn_of(result.checks)
    return result


def _modules(
    edges: pd.DataFrame, pairs: Pairs, features: Features, config: ModulesConfig, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.int64]]]:
    """Module of every gene, the same before small ones dissolve, and features of each module."""
    smallest = config.min_module_size
    found = communities(edges, features.gene_ids, config, seed)
    labels, _ = named_by_size(found, smallest)
    if config.community == "leiden":
        labels = split(labels, edges, pairs, features, config, seed)
    members = members_of(labels, pairs, features, int(labels.max(initial=-1)) + 1)
    labels = merge_alike(labels, members, features, config.merge)
    labels, _ = named_by_size(labels, smallest)
    cored = core_of(
        np.where(labels >= 0, labels, found.max() + 1 + found),
        edges,
        features.gene_ids,
        config.core,
    )
    labels, _ = named_by_size(np.where(cored == labels, labels, NOWHERE), smallest)
    members = members_of(labels, pairs, features, int(labels.max(initial=-1)) + 1)
    if config.refine:
        rank = features.design.basis.shape[1]
        labels, members = refine(labels, members, features, config, rank)
    return labels, cored, members


def _data(
    counts: Any,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    gene_counts: pd.DataFrame | None,
    covariates: Sequence[str],
    min_samples: int,
    scale: Scale | None,
) -> TranscriptData:
    if isinstance(counts, TranscriptData):
        given = {
            "transcripts": transcripts,
            "samples": samples,
            "gene_counts": gene_counts,
            "scale": scale,
        }
        if extra := [name for name, value in given.items() if value is not None]:
            raise Edge2TorchError(
                f"{extra[0]}: counts is TranscriptData, which holds it already. Leave it out."
            )
        if not covariates:
            return counts
        problems: list[str] = []
        named = resolved(counts.samples, covariates, problems)
        tell(problems)
        return replace(counts, covariates=named)
    if isinstance(counts, (str, os.PathLike)):
        return read_transcript_data(
            counts,
            transcripts=transcripts,
            samples=samples,
            covariates=covariates,
            min_samples=min_samples,
            scale=scale,
        )
    return transcript_data(
        counts,
        transcripts,
        samples,
        gene_counts=gene_counts,
        covariates=covariates,
        min_samples=min_samples,
        scale=scale,
    )


def _request(
    padded: Padded, features: Features, config: ModulesConfig, seed: int, quiet: bool
) -> Request:
    m = len(padded.origin)
    own = len(features.gene_ids) + np.arange(m)
    names = [*features.table["feature_id"], *(f"decoy::{k}" for k in range(m))]
    return Request(
        values=padded.values,
        is_switch=padded.is_switch,
        gene=np.concatenate([features.gene, own]),
        names=names,
        n_features=padded.n_features,
        config=config,
        seed=seed,
        progress=lambda text: note(text, quiet=quiet),
        track=lambda steps, name: track(steps, name, quiet=quiet),
    )


def _pairs(
    similarity: Similarity, padded: Padded, features: Features, config: ModulesConfig
) -> tuple[Thresholds, Pairs]:
    """Thresholds as given, from the grids, or from decoys; and the pairs above them."""
    if isinstance(similarity, Overlaps):
        limits = overlap_thresholds(similarity, padded, config.false_genes)
    else:
        limits = decoy_thresholds(similarity, padded, config.false_genes)
    given = {
        "cross": config.alpha,
        "switch": config.alpha_switch,
        "abundance": config.alpha_abundance,
    }
    fixed = {name: float(v) for name, v in given.items() if isinstance(v, (int, float))}
    limits = replace(limits, **fixed)
    grids = [name for name, value in given.items() if value == "grid"]
    if grids:
        wide = replace(limits, **dict.fromkeys(grids, _GRID_FLOOR))
        pairs = _pairs_above(similarity, features, wide, config)
        if "abundance" in grids:
            limits = replace(limits, abundance=grid_threshold_abundance(pairs, features))
        if "switch" in grids:
            limits = replace(limits, switch=grid_threshold_switch(pairs, features))
    return limits, _pairs_above(similarity, features, limits, config)


def _pairs_above(
    similarity: Similarity, features: Features, limits: Thresholds, config: ModulesConfig
) -> Pairs:
    if isinstance(similarity, Overlaps):
        return overlapping_pairs(similarity, features, limits, config)
    return similar_pairs(similarity, features, limits, config)


def _fate(
    final: NDArray[np.int64],
    cored: NDArray[np.int64],
    edges: pd.DataFrame,
    features: Features,
    similarity: Similarity,
    limits: Thresholds,
) -> NDArray[np.object_]:
    """Why each gene is where it is, (g,)."""
    connected = pd.Index(features.gene_ids).isin(pd.concat([edges["source"], edges["target"]]))
    weighed = np.zeros(len(features.gene_ids), dtype=bool)
    if similarity.explained is not None:
        limit = np.where(features.is_switch, limits.explained_switch, limits.explained_abundance)
        some = similarity.explained[: len(limit)] > limit
        weighed[features.gene] = True
        weighed[features.gene[some]] = False
    weighed[features.gene[features.reliability < 1]] = True
    return np.select(
        [final >= 0, features.low, ~connected & weighed, ~connected, cored < 0],
        ["module", "low counts", "down-weighted", "isolated", "outside core"],
        "below size",
    ).astype(object)


def _elsewhere(fate: pd.Series) -> str:
    """Why the other genes are in none."""
    count = fate[fate != "module"].value_counts()
    said = [f"{n:,} {name}" for name, n in sorted(count.items())]
    return f"; of the others, {', '.join(said)} (gene_fate)" if said else ""


def _calibration(similarity: Similarity, limits: Thresholds, padded: Padded) -> dict[str, Any]:
    return {
        **similarity.calibration,
        "alpha": limits.cross,
        "alpha_switch": limits.switch,
        "alpha_abundance": limits.abundance,
        "explained_switch": limits.explained_switch,
        "explained_abundance": limits.explained_abundance,
        "decoys": len(padded.origin),
    }
