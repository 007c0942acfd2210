"""Put everything that was found under its names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.netmodules._checkpoint import Checkpoint
from edge2torch.netmodules._checks import module_checks
from edge2torch.netmodules._communities import module_name
from edge2torch.netmodules._eigengenes import Eigengenes, eigengenes
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._result import NetworkModules
from edge2torch.netmodules._roles import gene_roles
from edge2torch.netmodules._traits import trait_table


def assemble_result(
    features: Features,
    members: list[NDArray[np.int64]],
    edges: pd.DataFrame,
    *,
    labels: NDArray[np.int64],
    fate: NDArray[np.object_],
    calibration: dict[str, Any],
    config: dict[str, Any],
    covariates: tuple[str, ...],
    checkpoint: Checkpoint | None,
) -> NetworkModules:
    """Eigengenes, traits and roles of the modules, and all tables of the result."""
    count = int(labels.max(initial=-1)) + 1
    names = [module_name(k) for k in range(count)]
    found = eigengenes(features.values, members)
    samples = features.samples
    values = pd.DataFrame(
        found.values, index=pd.Index(names, name="module_id", dtype=object), columns=samples.index
    )
    table = features.table
    traits = trait_table(values, samples)
    return NetworkModules(
        modules=_modules(labels, names, features.gene_ids),
        edges=edges,
        eigengenes=values,
        traits=traits,
        feature_scores=pd.DataFrame(
            features.values, index=samples.index, columns=pd.Index(table["feature_id"], name=None)
        ),
        features=table,
        loadings=features.loadings,
        module_loadings=_module_loadings(found, names, table),
        module_gene_roles=gene_roles(features, labels, members, names),
        gene_fate=pd.DataFrame(
            {
                "gene_id": features.gene_ids,
                "fate": fate,
                "module_id": [names[k] if k >= 0 else None for k in labels],
            }
        ),
        checks=module_checks(features, labels, members, values, traits),
        residualization=features.residualization,
        samples=samples,
        calibration=calibration,
        config={**config, "covariates": list(covariates)},
        transform=features.transform,
        design=dict(features.design.recipe),
        checkpoint=checkpoint,
    )


def _modules(
    labels: NDArray[np.int64], names: list[str], gene_ids: NDArray[np.object_]
) -> pd.DataFrame:
    rows = np.lexsort((np.arange(len(labels)), labels))
    rows = rows[labels[rows] >= 0]
    return pd.DataFrame(
        {"gene_id": gene_ids[rows], "module_id": np.array(names, dtype=object)[labels[rows]]}
    )


def _module_loadings(found: Eigengenes, names: list[str], table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "module_id": name,
                "gene_id": table["gene_id"].to_numpy()[own],
                "feature_id": table["feature_id"].to_numpy()[own],
                "loading": loading,
            }
        )
        for name, own, loading in zip(names, found.members, found.loadings, strict=True)
    ]
    columns = ["module_id", "gene_id", "feature_id", "loading"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
