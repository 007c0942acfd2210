"""Whether new samples are on the scale of those that a network was trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing, plural
from edge2torch.train import Scaler

_SHARE = 0.05  # of all values; of one distribution far fewer lie ten deviations away
_FEATURE = 0.5  # of one feature's values: it alone may be in other units
_FEWEST = 5  # values: a single outlier is none of a scale


def other_scale(scaler: Scaler, table: pd.DataFrame, argument: str) -> str:
    """Warn where the scaler cuts off many values of a table; empty where it does not."""
    values = table[scaler.names].to_numpy(np.float64)
    cut = scaler.cuts_off(table)  # missing values are none
    known = ~np.isnan(values)
    shares = cut.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    of_all = cut.sum() > _SHARE * known.sum() and cut.sum() >= _FEWEST
    of_one = (shares > _FEATURE) & (cut.sum(axis=0) >= _FEWEST)
    if not of_all and not of_one.any():
        return ""
    first = np.argsort(-shares, kind="stable")
    names = [scaler.names[k] for k in first if cut[:, k].any()]
    return (
        f"{argument}: {plural('value', int(cut.sum()))} of {int(known.sum()):,} lie over ten standard deviations "
        f"from the mean of the training samples and are cut off there, most in {listing(names)}. Are they "
        "on another scale or in other units than the data trained with, such as one of the two in logarithms?"
    )
