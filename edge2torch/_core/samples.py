"""Values of samples, such as labels and groups, in the order of the data's samples."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError


def by_sample(argument: str, values: Any, samples: pd.Index) -> Any:
    """Put a Series or DataFrame that names the samples into their order; leave anything else as it is.

    By position only where one side has no names (an array, or pandas' own row numbers from 0): names
    on both sides that do not match are a mistake, not an order.
    """
    if not isinstance(values, pd.Series | pd.DataFrame) or values.index.equals(samples):
        return values
    own, wanted = values.index, samples
    if own.is_unique and wanted.isin(own).all():
        return values.reindex(samples)
    if _numbered(own) or _numbered(wanted):
        return values
    if not own.is_unique:
        twice = own[own.duplicated()].unique()
        raise Edge2TorchError(
            f"{argument} names {len(twice)} sample(s) more than once, so that it cannot be put into "
            f"the order of the data: {listing(twice)}."
        )
    lost = wanted[~wanted.isin(own)].unique()
    others = own[~own.isin(wanted)].astype(str)
    raise Edge2TorchError(
        f"{argument} has no value for {len(lost)} sample(s) of the data: {listing(lost)}."
        f"{nearest(str(lost[0]), others)} Give values by the names that the data have, or an array in "
        "their order."
    )


def _numbered(index: pd.Index) -> bool:
    return index.equals(pd.RangeIndex(len(index)))
