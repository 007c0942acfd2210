"""``explain_module``: all tables of some modules, from one call."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.files import path_of
from edge2torch._core.messages import called, listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._config import ExplainConfig
from edge2torch.explain._decoder import vae_drivers
from edge2torch.explain._gradients import ig_attributions
from edge2torch.explain._latent import checkpoint_of
from edge2torch.explain._match import common_samples, feature_rows, sample_rows
from edge2torch.explain._result import ExplainResult
from edge2torch.explain._tables import (
    gene_driver_table,
    high_vs_low_table,
    transcript_polarity_table,
)
from edge2torch.explain._write import CAVEAT, OF_NEW, write_explanation
from edge2torch.netmodules import NetworkModules, TranscriptData, load_modules

_TRANSCRIPTS = ("transcript_id_a", "transcript_id_b")


def explain_module(
    artifact_dir: str | os.PathLike[str] | NetworkModules,
    feature_table: pd.DataFrame | None = None,
    feature_meta: pd.DataFrame | None = None,
    module_ids: Iterable[str] | None = None,
    config: ExplainConfig | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    *,
    eigengenes: pd.DataFrame | None = None,
    structure_annotation: pd.DataFrame | None = None,
    new_data: TranscriptData | None = None,
) -> dict[str, ExplainResult]:
    """Explain modules by the genes and transcripts that drive them.

    Parameters
    ----------
    artifact_dir : path or NetworkModules
        The folder of a fit, or the fit itself.
    feature_table : DataFrame, samples × features, optional
        What to explain with, such as :func:`usage_features` makes; the fit's own scores by
        default.
    feature_meta : DataFrame, optional
        ``feature_id``, ``gene_id``, ``feature_type``, and ``transcript_id`` where there is one.
    module_ids : iterable of str, optional
        Which modules; all by default.
    config : ExplainConfig, optional
        Settings.
    output_dir : path, optional
        Where to write the tables, a folder per module, and ``module_explanation_manifest.json``.
    eigengenes : DataFrame, modules × samples, optional
        In place of the fit's. Nothing is known of what they are made of, so a gene that is a part
        of one is tested against it as it is.
    structure_annotation : DataFrame, optional
        Pairs of transcripts, as :func:`annotate_structure` returns them.
    new_data : TranscriptData, optional
        Samples that the fit has not seen, in place of its own: whether modules hold in them. Their
        scores and eigengenes are computed as the fit would.

    Returns
    -------
    dict of str to ExplainResult
        By module id.

    Raises
    ------
    Edge2TorchError
        For samples that do not match or are too few (``config.min_samples``), features without a
        gene, a module that does not exist (the nearest are offered) or of whose genes there is no
        feature, and a missing or foreign checkpoint where attribution is asked for.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules, transcript_data
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=15, n_background=20, seed=0)
    >>> data = transcript_data(planted.counts, planted.transcripts, planted.samples)
    >>> folder = fit_modules(data, backend="latent", quiet=True).save("modules")
    >>> from edge2torch.explain import usage_features
    >>> found = explain_module(folder, *usage_features(data), output_dir="explained")
    >>> list(found["M000"].transcript_polarity_table.columns)[:5]
    ['feature_id', 'gene_id', 'transcript_id', 'tested_against', 'r']
    """
    config = ExplainConfig() if config is None else config
    result = (
        artifact_dir
        if isinstance(artifact_dir, NetworkModules)
        else load_modules(path_of(artifact_dir, "artifact_dir"))
    )
    new_scores = None
    if new_data is not None:
        given = {"feature_table": feature_table, "feature_meta": feature_meta}
        if both := [k for k, v in {**given, "eigengenes": eigengenes}.items() if v is not None]:
            raise Edge2TorchError(f"new_data= has its own {both[0]}. Leave {both[0]}= out.")
        new_scores = feature_table = _scores_of_others(result, new_data)
        feature_meta = result.features
    table, meta = _features(result, feature_table, feature_meta)
    values = result.eigengenes if eigengenes is None else eigengenes
    if new_data is not None:
        values = result.eigengenes_of(new_data)
    values = values.set_axis(values.columns.astype(str), axis=1)
    wanted = known_modules(result, values, module_ids)
    others = " Counts of samples that the fit has not seen are for new_data=." * (new_data is None)
    samples = common_samples(table.index, values.columns, config.min_samples, others)
    _check_genes(result, wanted, feature_rows(table, meta))
    if config.vae_attribution or config.integrated_gradients:
        if new_data is not None:
            raise Edge2TorchError(
                "new_data= goes without vae_attribution=True and integrated_gradients=True: these "
                "ask the fit about its own samples."
            )
        checkpoint_of(result)
    pairs = None if structure_annotation is None else _checked_pairs(structure_annotation)
    leave_out = config.leave_gene_out and eigengenes is None
    found = {
        name: _explain(
            result,
            name,
            table,
            meta,
            values.T[name].loc[samples],
            result.eigengenes_without_genes(name, new_scores) if leave_out else None,
            config,
            pairs,
        )
        for name in wanted
    }
    if output_dir is not None:
        write_explanation(found, output_dir, config, CAVEAT if new_data is None else OF_NEW)
    return found


def _features(
    result: NetworkModules, table: pd.DataFrame | None, meta: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if (table is None) != (meta is None):
        given, other = ("feature_meta", "feature_table")[:: 1 if table is None else -1]
        raise Edge2TorchError(f"{given} is given without {other}. Give both, or neither.")
    if table is None or meta is None:
        return sample_rows(result.feature_scores), result.features
    return sample_rows(table), meta


def known_modules(
    result: NetworkModules, eigengenes: pd.DataFrame, module_ids: Iterable[str] | None
) -> list[str]:
    """The modules asked for; an error with the nearest names for one that is not there."""
    known = result.module_ids
    wanted = known if module_ids is None else [str(name) for name in module_ids]
    if not known:
        raise Edge2TorchError(
            "artifact_dir: the fit found no modules, so there are none to explain. Its gene_fate "
            "says why genes are in none, the notes of the fit what may help."
        )
    if strange := [name for name in wanted if name not in known]:
        hint = nearest(strange[0], known, cutoff=0.4) or f" Modules are {listing(known)}."
        raise Edge2TorchError(f"module_ids: no such module: {listing(strange)}.{hint}")
    if absent := [name for name in wanted if name not in eigengenes.index]:
        raise Edge2TorchError(f"eigengenes has no row for module(s) {listing(absent)}.")
    return wanted


def _check_genes(result: NetworkModules, wanted: list[str], meta: pd.DataFrame) -> None:
    """Refuse features of other genes: every table of such a module would be empty."""
    there = set(meta["gene_id"].astype(str))
    if lost := [name for name in wanted if there.isdisjoint(result.genes(name))]:
        raise Edge2TorchError(
            f"feature_meta has no gene of module(s) {listing(lost)}: {listing(result.genes(lost[0]))}. "
            f"It has {listing(sorted(there))}. Name genes as in the fit; where these are transcripts, "
            "give the table that says which gene each is of (transcripts=)."
        )


def _scores_of_others(result: NetworkModules, data: TranscriptData) -> pd.DataFrame:
    """Return the scores of samples, none of which the modules were made of."""
    if not isinstance(data, TranscriptData):
        raise Edge2TorchError(f"new_data must be TranscriptData, found {type(data).__name__}.")
    with called("data", "new_data"):
        scores, fitted = result.score(data), result.feature_scores
    common = scores.index.intersection(fitted.index)  # a name alone may be that of another sample
    columns = scores.columns.intersection(fitted.columns)
    alike = np.isclose(scores.loc[common, columns], fitted.loc[common, columns], atol=1e-4)
    if (same := common[np.flatnonzero(np.all(alike, axis=1))]).size:
        raise Edge2TorchError(
            f"new_data has {len(same)} sample(s) of the fit: {listing(same)}. What modules were made of "
            "agrees with them by construction: keep samples aside, and give those alone."
        )
    return scores


def _explain(
    result: NetworkModules,
    module_id: str,
    table: pd.DataFrame,
    meta: pd.DataFrame,
    eigengene: pd.Series,
    without_gene: pd.DataFrame | None,
    config: ExplainConfig,
    pairs: pd.DataFrame | None,
) -> ExplainResult:
    genes = result.genes(module_id)
    tested_genes = None if config.all_genes else genes
    options: dict[str, Any] = {"min_samples": config.min_samples, "without_gene": without_gene}
    polarity = transcript_polarity_table(table, meta, eigengene, tested_genes, **options)
    optional: dict[str, Any] = {}
    if config.vae_attribution:
        optional["vae_drivers"] = vae_drivers(
            result, module_id, eigengene, config, without_gene=without_gene
        )
    if config.integrated_gradients:
        optional["ig_attributions"] = ig_attributions(result, module_id, eigengene, config)
    if pairs is not None:
        optional["structure"] = _with_polarity(pairs[pairs["gene_id"].isin(genes)], polarity)
    return ExplainResult(
        module_id,
        tuple(genes),
        eigengene,
        gene_driver_table(table, meta, eigengene, tested_genes, **options),
        polarity,
        high_vs_low_table(
            table, meta, eigengene, tested_genes, percentile=config.percentile, **options
        ),
        **optional,
    )


def _checked_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    if missing := [name for name in ("gene_id", *_TRANSCRIPTS) if name not in pairs]:
        raise Edge2TorchError(
            f"structure_annotation lacks column(s) {listing(missing)}. Make it with "
            "annotate_structure, or the command annotate-structure."
        )
    return pairs.assign(gene_id=pairs["gene_id"].astype(str))


def _with_polarity(pairs: pd.DataFrame, polarity: pd.DataFrame) -> pd.DataFrame:
    """The pairs, with the correlation of both transcripts where they have one."""
    r = polarity.set_index(polarity.get("transcript_id", polarity["feature_id"]).astype(str))["r"]
    r = r[~r.index.duplicated()]
    sides = {f"r_{name[-1]}": pairs[name].astype(str).map(r) for name in _TRANSCRIPTS}
    return pairs.assign(**sides).reset_index(drop=True)
