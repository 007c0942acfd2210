"""Scores of samples that the fit has not seen, by its coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._abundance import library_sizes, log_abundance
from edge2torch.netmodules._covariates import Design, apply_recipe
from edge2torch.netmodules._features import ABUNDANCE, LOW, SWITCH
from edge2torch.netmodules._inputs import TranscriptData
from edge2torch.netmodules._switch import log_ratios


def score_samples(
    data: TranscriptData, table: pd.DataFrame, features: pd.DataFrame, recipe: Mapping[str, Any]
) -> pd.DataFrame:
    """Standardised scores, samples × features, in the order of the result's features."""
    design = apply_recipe(data.samples, recipe)
    switch, abundance, low = (table[table["kind"] == kind] for kind in (SWITCH, ABUNDANCE, LOW))
    _check_ids(abundance["id"], data.gene_ids, "gene")
    at = _positions(switch["id"], data.transcript_ids, "transcript")
    _check_whole(switch, low, data)
    counts = data.gene_counts[_positions(abundance["id"], data.gene_ids, "gene")]
    logs = log_abundance(counts, library_sizes(counts, abundance["reference"].to_numpy()))
    parts = [_left(logs, abundance, design)]
    if len(switch):
        clr = _left(log_ratios(data.counts[at], switch["gene_id"].to_numpy()), switch, design)
        starts = np.flatnonzero((switch["gene_id"] != switch["gene_id"].shift()).to_numpy())
        parts.append(np.add.reduceat(clr * switch["loading"].to_numpy()[:, None], starts, axis=0))
    names = [f"{gene}::{ABUNDANCE}" for gene in abundance["gene_id"]]
    names += [f"{gene}::{SWITCH}" for gene in switch["gene_id"].drop_duplicates()]
    raw = pd.DataFrame(np.concatenate(parts), index=names, columns=data.samples.index)
    raw = raw.loc[features["feature_id"]]
    mean, sd = (features[name].to_numpy()[:, None] for name in ("mean", "sd"))
    return pd.DataFrame(((raw - mean) / sd).T)


def module_scores(scores: pd.DataFrame, table: pd.DataFrame, module_ids: list[str]) -> pd.DataFrame:
    """Loading × score, summed over each module's features, modules × samples."""
    weighted = scores[table["feature_id"]].to_numpy().T * table["loading"].to_numpy()[:, None]
    found = pd.DataFrame(weighted, columns=scores.index).groupby(table["module_id"].to_numpy())
    summed = found.sum().reindex(module_ids).astype(float)
    return summed.rename_axis("module_id")


def _left(values: NDArray[np.float64], table: pd.DataFrame, design: Design) -> NDArray[np.float64]:
    """What the fitted design leaves of (rows, samples)."""
    fitted = table[[f"design:{name}" for name in design.columns]].to_numpy()
    return np.asarray(values - fitted @ design.matrix.T)


def _check_whole(switch: pd.DataFrame, low: pd.DataFrame, data: TranscriptData) -> None:
    """Usage is a share of all transcripts of a gene: they must be the same."""
    of_gene = pd.Series(data.transcript_genes, index=data.transcript_ids)
    of_gene = of_gene[of_gene.isin(switch["gene_id"].unique())]
    if extra := sorted(set(of_gene.index) - set(switch["id"]) - set(low["id"])):
        raise Edge2TorchError(
            f"data has transcript(s) {listing(extra)} that the fit did not see. Leave them out."
        )


def _check_ids(wanted: pd.Series, there: NDArray[np.object_], kind: str) -> None:
    """Library size is that of all genes: they must be the same."""
    if extra := sorted(set(there) - set(wanted)):
        raise Edge2TorchError(
            f"data has {kind}(s) {listing(extra)} that the fit did not see. Leave them out."
        )


def _positions(wanted: pd.Series, there: NDArray[np.object_], kind: str) -> NDArray[np.int64]:
    at = pd.Index(there).get_indexer(pd.Index(wanted))
    if (at < 0).any():
        raise Edge2TorchError(
            f"data lacks {kind}(s) {listing(wanted[at < 0])}, which the fit saw. Add them; a "
            f"{kind} that was not found has count 0."
        )
    return np.asarray(at, dtype=np.int64)
