"""How far modules agree with a truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from edge2torch._core.messages import require
from edge2torch.netmodules._result import NetworkModules, closest_modules


def score_modules(result: NetworkModules, truth: pd.DataFrame) -> dict[str, float]:
    """Say how well planted modules were found.

    Parameters
    ----------
    result : NetworkModules
        What was found.
    truth : DataFrame
        ``gene_id``, ``module_id``, optionally ``role``; genes that are not in it are background. Of
        a gene in several modules the first counts for pairs and index.

    Returns
    -------
    dict of str to float
        ``modules`` found; ``recovery``, the mean over true modules of the best Jaccard index;
        ``ari`` over planted genes, a gene in no module being alone; ``pair_f1`` over all pairs of
        genes; ``background``, the share of background genes in modules; ``roles``, the share of
        planted genes whose role is right. NaN where there is nothing to measure.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(planted.counts, planted.transcripts, backend="latent", quiet=True)
    >>> round(score_modules(found, planted.modules)["recovery"], 2)
    1.0
    """
    metrics = require("sklearn.metrics", extra="modules")
    genes = result.gene_fate["gene_id"]
    single = truth.drop_duplicates("gene_id").set_index("gene_id")
    true = single["module_id"].reindex(genes)
    found = result.gene_fate.set_index("gene_id")["module_id"].reindex(genes)
    planted, inside = true.notna().to_numpy(), found.notna().to_numpy()
    alone = found.where(found.notna(), pd.Series(genes.to_numpy(), index=found.index))
    scores = {
        "modules": float(len(result.module_ids)),
        "recovery": float(closest_modules(truth, result.modules)["jaccard"].mean())
        if len(truth)
        else np.nan,
        "ari": np.nan,
        "pair_f1": _pair_f1(true, found),
        "background": float(inside[~planted].mean()) if (~planted).any() else np.nan,
        "roles": np.nan,
    }
    if planted.any():
        with warnings.catch_warnings():
            # genes that are alone look like numbers to scikit-learn 1.7
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            scores["ari"] = float(metrics.adjusted_rand_score(true[planted], alone[planted]))
    if "role" in truth and len(truth):
        roles = result.module_gene_roles.drop_duplicates("gene_id").set_index("gene_id")["role"]
        scores["roles"] = float((roles.reindex(single.index) == single["role"]).mean())
    return scores


def _pair_f1(true: pd.Series, found: pd.Series) -> float:
    both = pd.DataFrame({"true": true.to_numpy(), "found": found.to_numpy()})
    hits = _pairs(both.dropna().groupby(["true", "found"]).size())
    total = _pairs(both["true"].value_counts()) + _pairs(both["found"].value_counts())
    return 2 * hits / total if total else np.nan


def _pairs(sizes: pd.Series) -> float:
    return float((sizes * (sizes - 1) / 2).sum())
