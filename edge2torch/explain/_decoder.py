"""``vae_drivers``: what the decoder changes when a module's latent moves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.explain._config import ExplainConfig
from edge2torch.explain._latent import decoded_delta, follow
from edge2torch.explain._match import match
from edge2torch.explain._tables import by_size, correlated
from edge2torch.netmodules import NetworkModules

_COLUMNS = [
    "gene_id",
    "feature_id",
    "feature_type",
    "tested_against",
    "r",
    "qvalue",
    "decoded_delta",
    "latent_dim_idx",
    "latent_r",
    "decoded_delta_percentile",
    "sign_agreement",
]


def vae_drivers(
    result: NetworkModules,
    module_id: str,
    eigengene: pd.Series | None = None,
    config: ExplainConfig | None = None,
    *,
    without_gene: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Attribute a module to features through the decoder of the ``vae`` backend.

    The latent whose mean follows the eigengene best is moved a step up and a step down from the
    mean of all samples; ``decoded_delta`` is half the difference of the decoded scores, per unit
    of latent. Inputs are the standardised scores of the fit. ``without_gene`` (genes × samples) is the
    given eigengene without each gene, for genes that it is made of.
    """
    config = ExplainConfig() if config is None else config
    pair, latent, scores, values = follow(result, module_id, eigengene)
    delta = decoded_delta(pair, latent, config.vae_step)
    if eigengene is None and config.leave_gene_out:
        without_gene = result.eigengenes_without_genes(module_id)
    matched = match(
        scores,
        result.features,
        pd.Series(values, scores.index),
        min_samples=config.min_samples,
        without_gene=without_gene,
    )
    table = correlated(matched, ["gene_id", "feature_id", "feature_type"])
    decoded = delta.loc[table["feature_id"]].to_numpy()
    table = table.assign(
        decoded_delta=decoded,
        latent_dim_idx=latent.index,
        latent_r=latent.r,
        decoded_delta_percentile=100 * pd.Series(np.abs(decoded)).rank(pct=True).to_numpy(),
        sign_agreement=np.sign(decoded * np.sign(latent.r)) == np.sign(table["r"]),
    )
    if not config.all_genes:
        table = table[table["gene_id"].isin(result.genes(module_id))]
    table = table.assign(qvalue=benjamini_hochberg(table["pvalue"].to_numpy()))[_COLUMNS]
    passes = (
        (table["qvalue"] <= config.vae_fdr_threshold)
        & (table["decoded_delta_percentile"] >= config.vae_percentile_threshold)
        & table["sign_agreement"]
    )
    return by_size(table.assign(passes_filter=passes), "decoded_delta")
