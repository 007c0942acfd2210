"""Through which channel each gene takes part in its module."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.netmodules._eigengenes import eigengenes
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._refine import significant_r

_ACTIVE = 0.2
_CHANCE = 0.005  # with few samples, a correlation of .2 is nothing yet

Ints = NDArray[np.int64]


def gene_roles(
    features: Features, labels: Ints, members: list[Ints], names: list[str]
) -> pd.DataFrame:
    """Correlate both channels of every gene with its module's reference of that channel.

    The reference is the first right singular vector of the features of that channel which take
    part in the module; a channel in which none does has no reference, and nothing is active in it.
    """
    values, kind = features.values, features.is_switch
    least = max(_ACTIVE, significant_r(len(values), features.design.basis.shape[1], _CHANCE))
    n = len(values)
    feature_of = np.full((2, len(features.gene_ids)), -1)
    for row, channel in enumerate((True, False)):
        own = np.flatnonzero(kind == channel)
        feature_of[row, features.gene[own]] = own
    parts = []
    for module, (name, used) in enumerate(zip(names, members, strict=True)):
        genes = np.flatnonzero(labels == module)
        r = np.full((2, len(genes)), np.nan)
        columns = feature_of[:, genes]
        for row, channel in enumerate((True, False)):
            own = used[kind[used] == channel]
            if len(own):
                reference = eigengenes(values, [own]).values[0]
                found = values[:, columns[row]].T @ reference / np.sqrt(n)
                r[row] = np.where(columns[row] >= 0, found, np.nan)
        both = (columns >= 0).all(axis=0)
        pair = (values[:, columns[0]] * values[:, columns[1]]).mean(axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "module_id": name,
                    "gene_id": features.gene_ids[genes],
                    "switch_r": r[0],
                    "abundance_r": r[1],
                    "channel_r": np.where(both, pair, np.nan),
                }
            )
        )
    columns_ = ["module_id", "gene_id", "switch_r", "abundance_r", "channel_r"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns_)
    return table.assign(role=role_names(table, least))


def role_names(table: pd.DataFrame, least: float) -> NDArray[np.object_]:
    """The role that two channel correlations and the one between them make."""
    switch = table["switch_r"].abs().to_numpy(dtype=float) >= least
    abundance = table["abundance_r"].abs().to_numpy(dtype=float) >= least
    coupled = table["channel_r"].to_numpy(dtype=float) >= _ACTIVE
    return np.select(
        [switch & abundance & coupled, switch & abundance, switch, abundance],
        ["coupled", "discordant", "switch_only", "abundance_only"],
        "inactive",
    ).astype(object)
