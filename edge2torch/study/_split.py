"""What is asked of values before samples are split."""

from __future__ import annotations

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError


def check_complete(table: pd.DataFrame, *, impute: bool) -> list[str]:
    """Refuse missing values unless they are to be filled in; return what was said about them."""
    missing = table.isna()
    if not missing.to_numpy().any():
        return []
    bad = missing.columns[missing.any()].tolist()
    share = f"{100 * missing.to_numpy().mean():.1f} % of the values"
    if not impute:
        raise Edge2TorchError(
            f"data: {len(bad)} feature(s) have missing values ({share}): {listing(bad)}. Fill "
            "them first, or use impute=True, which takes each feature's median of the training part."
        )
    note = (
        f"Missing values ({share}) were replaced by the feature's median among the training "
        f"samples; {len(bad)} feature(s) had some."
    )
    return [note]
