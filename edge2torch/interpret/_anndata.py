"""Scores beside the data that they explain, in an AnnData object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from edge2torch._core.messages import require
from edge2torch.compile import CompileArtifact

_KEY = "attribution"


def to_anndata(
    result: Any,
    about: dict[str, Any],
    data: Any,
    x: Tensor,
    samples: pd.Index,
    artifact: CompileArtifact,
) -> Any:
    """Return a copy of the data, or its input columns, with scores in ``obsm`` and ``uns``."""
    anndata = require("anndata")
    if isinstance(data, anndata.AnnData):
        cells = data.copy()
    else:
        cells = anndata.AnnData(
            x.cpu().numpy(),
            obs=pd.DataFrame(index=samples.map(str)),
            var=pd.DataFrame(index=artifact.feature_names),
        )
    cells.uns[_KEY] = {**about, "outputs": np.array(about["outputs"], dtype=object)}
    if about["target"] == "edges":
        _add_edges(cells, result)
    else:
        tables = result if isinstance(result, dict) else {about["target"]: result}
        for name, table in tables.items():
            _add_table(cells, f"{_KEY}_{name}", table)
    return cells


def _add_table(cells: Any, key: str, table: pd.DataFrame) -> None:
    """Write a table of samples × names; several outputs get a key each."""
    if table.columns.nlevels > 1:
        for label in table.columns.unique(0):
            own = table.loc[:, table.columns.get_level_values(0) == label].droplevel(0, axis=1)
            _add_table(cells, f"{key}_{label}", own)
        return
    plain = table.set_axis(cells.obs_names).rename_axis(columns=None)
    cells.obsm[key] = plain.set_axis(plain.columns.map(str), axis=1)


def _add_edges(cells: Any, result: pd.DataFrame) -> None:
    if result.columns.nlevels == 1:  # a row per edge
        cells.uns[f"{_KEY}_edges"] = result.reset_index(drop=True)
        return
    cells.obsm[f"{_KEY}_edges"] = result.to_numpy()
    cells.uns[f"{_KEY}_edges"] = result.columns.to_frame(index=False).astype(str)
