"""What is asked of a table of numbers before anything is computed from it: no infinity, nothing missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError


def check_finite(table: pd.DataFrame, argument: str = "data") -> None:
    """Refuse infinite values; missing ones pass."""
    values = table.to_numpy()
    if values.dtype.kind not in "fiu":  # a copy only of what NumPy holds as objects
        values = table.to_numpy(np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        bad = table.columns[infinite.any(axis=0)].tolist()
        raise Edge2TorchError(
            f"{argument}: infinite values in {listing(bad)}. Leave these features or samples out; "
            "log(0) and x/0 make such values."
        )


def check_measured(missing: pd.DataFrame, argument: str, where: str = "") -> None:
    """Refuse features that are missing (samples × features) in every sample: nothing can stand for them."""
    if empty := missing.columns[missing.all()].tolist():
        raise Edge2TorchError(
            f"{argument}: {len(empty)} feature(s) have no value{where}: {listing(empty)}. Leave their "
            "columns out: a study drops inputs that were not measured, and so does prepare_prior."
        )


def check_complete(
    table: pd.DataFrame, *, impute: bool, argument: str = "data", trained: bool = True
) -> list[str]:
    """Refuse missing values unless they are to be filled in; return what was said about them.

    Without ``trained`` medians are there already, also of a feature that these samples lack.
    """
    check_finite(table, argument)
    missing = table.isna()
    if not missing.to_numpy().any():
        return []
    if trained:
        check_measured(missing, argument)
    bad = missing.columns[missing.any()].tolist()
    share = f"{100 * missing.to_numpy().mean():.1f} % of the values"
    if not impute:
        raise Edge2TorchError(
            f"{argument}: {len(bad)} feature(s) have missing values ({share}): {listing(bad)}. Fill "
            "them first, or use impute=True, which takes each feature's median of the training part."
        )
    note = (
        f"Missing values ({share}) were replaced by the feature's median among the training "
        f"samples; {len(bad)} feature(s) had some."
    )
    return [note]
