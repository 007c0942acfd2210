"""``ig_attributions``: integrated gradients from features to a module's latent."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import warn
from edge2torch.explain._config import ExplainConfig
from edge2torch.explain._latent import encoder_input, follow
from edge2torch.explain._tables import by_size, tails
from edge2torch.interpret import interpret_model
from edge2torch.netmodules import NetworkModules

_GAP = 1e-3


def ig_attributions(
    result: NetworkModules,
    module_id: str,
    eigengene: pd.Series | None = None,
    config: ExplainConfig | None = None,
) -> pd.DataFrame:
    """Attribute a module to features through the encoder of the ``vae`` backend.

    Integrated gradients (doi 10.48550/arXiv.1703.01365) say of every sample how much each feature
    moved the latent that follows the module, away from its value at the baseline. Their mean over
    the samples of high eigengene less that over those of low eigengene is what the feature adds
    to the difference of the latent between the two groups. ``ig_score`` has that size, and the
    sign of the direction in which the feature moves: positive rises with the module. (A feature
    that holds the latent back has the opposite sign.) ``attrs["completeness_gap"]`` is the largest
    distance of a sample's sum from the difference of the outputs.
    """
    config = ExplainConfig() if config is None else config
    pair, latent, scores, values = follow(result, module_id, eigengene)
    data = encoder_input(pair, scores)
    found, gap = interpret_model(
        pair.encoder,
        pair.encoder_artifact,
        data,
        method="IntegratedGradients",
        output=latent.name,
        baselines=_baseline(config.ig_baseline, data, result.features),
        attribute_kwargs={"n_steps": config.ig_n_steps},
        return_convergence_delta=True,
        quiet=True,
    )
    largest = float(gap.abs().max())
    if largest > _GAP:
        warn(
            f"module {module_id}: integrated gradients miss the difference of outputs by up to "
            f"{largest:.2g}. Take more steps than ig_n_steps={config.ig_n_steps}."
        )
    high, low = tails(values, config.percentile)
    added = np.sign(latent.r) * _difference(found, high, low)
    score = added * np.sign(_difference(data[found.columns], high, low))
    table = result.features[["feature_id", "gene_id", "feature_type"]].reset_index(drop=True)
    table["ig_score"] = pd.Series(score, found.columns).loc[table["feature_id"]].to_numpy()
    if not config.all_genes:
        table = table[table["gene_id"].isin(result.genes(module_id))]
    table = by_size(table, "ig_score")
    table.attrs["completeness_gap"] = largest
    return table


def _difference(
    table: pd.DataFrame, high: NDArray[np.bool_], low: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean of each column over the high samples less that over the low ones."""
    values = table.to_numpy(dtype=np.float64)
    return np.asarray(values[high].mean(axis=0) - values[low].mean(axis=0))


def _baseline(
    kind: Literal["zero", "mean"], data: pd.DataFrame, features: pd.DataFrame
) -> pd.Series:
    """One row by feature name."""
    if kind == "zero":
        return pd.Series(0.0, data.columns, dtype=np.float32)
    named = features.set_index("feature_id").loc[data.columns]
    by_gene = data.mean().groupby([named["gene_id"], named["feature_type"]])
    return by_gene.transform("mean").astype(np.float32)
