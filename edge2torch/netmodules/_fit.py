"""``fit_modules``: the spine that all backends share, and a row for each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice
from edge2torch._core.covariates import covariate_names
from edge2torch._core.messages import note, require
from edge2torch.netmodules._config import ModulesConfig, as_config
from edge2torch.netmodules._correlation import baseline, graph, latent
from edge2torch.netmodules._counts import Scale
from edge2torch.netmodules._features import Features, make_features, warn_if_few
from edge2torch.netmodules._modules import find_modules
from edge2torch.netmodules._read import as_transcript_data
from edge2torch.netmodules._result import NetworkModules
from edge2torch.netmodules._similarity import (
    Padded,
    Request,
    Similarity,
    Thresholds,
    add_decoys,
    gene_edges,
    grid_threshold_abundance,
    grid_threshold_switch,
)
from edge2torch.netmodules._tables import assemble_result, warn_if_suspect
from edge2torch.netmodules._vae import vae
from edge2torch.netmodules._wgcna import wgcna


@dataclass(frozen=True)
class ModuleBackend:
    """A way to say how similar two features are.

    Parameters
    ----------
    name : str
        What ``backend=`` is called with.
    summary : str
        One line for tables and help.
    similarity : callable
        From standardised columns, decoys among them, to their similarities, which find their own
        thresholds and pairs.
    suggested : bool, default True
        Whether to propose it where another backend found no module.
    """

    name: str
    summary: str
    similarity: Callable[[Request], Similarity]
    suggested: bool = True


# A row enrols a backend in tests, docs and command line.
BACKENDS: dict[str, ModuleBackend] = {
    row.name: row
    for row in (
        ModuleBackend(
            "baseline",
            "partial correlations of a Ledoit-Wolf covariance",
            baseline,
            suggested=False,
        ),
        ModuleBackend("latent", "factor analysis per channel, then as baseline", latent),
        ModuleBackend("graph", "smoothing over correlated features, then as latent", graph),
        ModuleBackend("vae", "a variational autoencoder of compiled graphs", vae),
        ModuleBackend("wgcna", "R's WGCNA", wgcna, suggested=False),
    )
}

_GRID_FLOOR = 0.2  # the smallest value of the grids
_FEW_GENES = 200  # left; of a whole genome most genes are silent anyway
_FEW_SAMPLES = 30  # below, correlations must be large to be more than chance


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
    config : ModulesConfig, dict, str or path, optional
        Settings; a dict has dotted keys, such as ``{"vae.hidden_dim": 32}``. ``"quick"`` is for a first
        look, ``"switching"`` leaves pairs of abundances out, ``"plain"`` has the textbook definitions;
        or a YAML file of nested or dotted keys.
    seed : int
        Same seed and versions, same result, bit for bit; rows and samples may come in any order.
        Leiden draws other numbers under another release of igraph: the versions stand in
        ``calibration["versions"]``.
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
    similarity_of = BACKENDS[check_choice("backend", backend, BACKENDS)].similarity
    config = as_config(config)
    data = as_transcript_data(
        counts, transcripts, samples, gene_counts, covariates, min_samples, scale
    )
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
    warn_if_few(features, config)
    padded = add_decoys(features.values, features.is_switch, config.decoys, seed)
    similarity = similarity_of(_request(padded, features, config, seed, quiet))
    limits = _thresholds(similarity, padded, features, config)
    pairs = similarity.pairs(features, limits, config)
    edges = gene_edges(pairs, features)
    labels, cored, members = find_modules(edges, pairs, features, config, seed)
    result = assemble_result(
        features,
        members,
        edges,
        labels=labels,
        fate=_fate(labels, cored, edges, features, similarity, limits),
        calibration=_calibration(similarity, limits, padded) | {"versions": _versions(config)},
        config={
            "backend": backend,
            "seed": seed,
            **config.as_dict(),
            "covariates": list(data.covariates),
        },
        checkpoint=similarity.checkpoint,
    )
    note(
        f"{len(result.modules):,} genes in {len(result.eigengenes)} module(s)"
        f"{_elsewhere(result.gene_fate['fate'])}.",
        quiet=quiet,
    )
    if not result.module_ids:
        note(_advice(result, config), quiet=quiet)
    warn_if_suspect(result.checks)
    return result


def _request(
    padded: Padded, features: Features, config: ModulesConfig, seed: int, quiet: bool
) -> Request:
    m = len(padded.origin)
    genes_of_decoys = len(features.gene_ids) + np.arange(m)
    names = [*features.table["feature_id"], *(f"decoy::{k}" for k in range(m))]
    return Request(
        values=padded.values,
        is_switch=padded.is_switch,
        gene=np.concatenate([features.gene, genes_of_decoys]),
        names=names,
        n_features=padded.n_features,
        config=config,
        seed=seed,
        progress=lambda text: note(text, quiet=quiet),
        track=lambda steps, name: _track(steps, name, quiet=quiet),
    )


def _thresholds(
    similarity: Similarity, padded: Padded, features: Features, config: ModulesConfig
) -> Thresholds:
    """As given, from the grids, or from decoys."""
    given = {
        "cross": config.alpha,
        "switch": config.alpha_switch,
        "abundance": config.alpha_abundance,
    }
    fixed = {name: float(v) for name, v in given.items() if isinstance(v, (int, float))}
    limits = replace(similarity.thresholds(padded, config.false_genes), **fixed)
    grids = [name for name, value in given.items() if value == "grid"]
    if grids:
        # one search with low thresholds; the grids choose among its pairs
        wide = replace(limits, **dict.fromkeys(grids, _GRID_FLOOR))
        pairs = similarity.pairs(features, wide, config)
        if "abundance" in grids:
            limits = replace(limits, abundance=grid_threshold_abundance(pairs, features))
        if "switch" in grids:
            limits = replace(limits, switch=grid_threshold_switch(pairs, features))
    return limits


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
    takes_part = similarity.takes_part(features.is_switch, limits.explained)
    weighed = np.zeros(len(features.gene_ids), dtype=bool)
    weighed[features.gene] = True  # a gene takes part when one of its features does
    weighed[features.gene[takes_part]] = False
    weighed[features.gene[features.reliability < 1]] = True
    # the first that holds is why: a gene may be both weighed down and of a small module
    return np.select(
        [final >= 0, features.low, ~connected & weighed, ~connected, cored < 0],
        ["module", "low counts", "down-weighted", "isolated", "outside core"],
        "below size",
    ).astype(object)


def _elsewhere(fate: pd.Series) -> str:
    """Why the other genes are in none."""
    count = fate[fate != "module"].value_counts()
    counted = ", ".join(f"{n:,} {name}" for name, n in sorted(count.items()))
    return f"; of the others, {counted} (gene_fate)" if counted else ""


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


def _versions(config: ModulesConfig) -> dict[str, str]:
    """Return the versions of what the modules depend on, as far as it was installed by pip."""
    names = ["edge2torch", "numpy", "scipy", "torch"]
    if config.community == "leiden":
        names += ["igraph", "leidenalg"]
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _advice(result: NetworkModules, config: ModulesConfig) -> str:
    """What may help where no module was found, the likeliest first."""
    fate, n_samples = result.gene_fate["fate"], len(result.samples)
    count = fate.value_counts()
    ways = []
    if (low := count.get("low counts", 0)) > 0 and len(fate) - low < _FEW_GENES:
        ways.append(f"a smaller min_count (now {config.min_count:g}; {low:,} genes have less)")
    if small := count.get("below size", 0):
        ways.append(
            f"a smaller min_module_size (now {config.min_module_size}; {small:,} genes were in "
            "smaller ones)"
        )
    few = f"; fewer than {_FEW_SAMPLES} say little" if n_samples < _FEW_SAMPLES else ""
    ways.append(f"more samples (now {n_samples}{few})")
    others = [row.name for row in BACKENDS.values() if row.suggested and row.name != result.backend]
    ways.append(f"another backend ({' or '.join(others)})")
    if not result.config["covariates"]:
        ways.append("covariates (what else moves many genes hides the rest)")
    return f"No module was found. What may help: {', '.join(ways)}."


def _track(steps: range, name: str, *, quiet: bool) -> Iterator[int]:
    """Count steps on a bar, on a terminal only: in a log file it would be noise."""
    tqdm = require("tqdm", extra="modules").tqdm
    disable = True if quiet else None
    yield from tqdm(steps, desc=f"  {name}", leave=False, disable=disable, file=sys.stderr)
