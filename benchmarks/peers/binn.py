"""BINN from PyPI: pruned dense layers, with batch normalisation and tanh between them.

BINN reads two tables, features to pathways and pathways to pathways, and adds a dense output
layer of its own. A single output node of ours is that layer; several are joined under a root.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pandas as pd
from binn import BINN
from torch import nn

VERSION = version("binn")


def build(edges: pd.DataFrame, _: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    features = sorted(set(edges["source"]) - set(edges["target"]))
    outputs = sorted(set(edges["target"]) - set(edges["source"]))
    from_feature = edges["source"].isin(features)
    mapping = edges[from_feature].set_axis(["input", "translation"], axis=1)
    if len(outputs) == 1:
        pathways = edges[~from_feature & (edges["target"] != outputs[0])]
        note = "has batch normalisation and tanh"
    else:
        root = pd.DataFrame({"source": outputs, "target": "root"})
        pathways = pd.concat([edges[~from_feature], root])
        note = "has batch normalisation, tanh and a root node"
    if pathways.empty:  # the rehearsal: BINN needs one pathway edge
        pathways = pd.DataFrame({"source": mapping["translation"].unique(), "target": "root"})
    model = BINN(
        data_matrix=pd.DataFrame({"Protein": features, "sample": 0.0}),
        mapping=mapping.reset_index(drop=True),
        pathways=pathways.reset_index(drop=True),
        n_layers=_levels(pathways),
        n_outputs=1,
    )
    return model, [str(name) for name in model.inputs], outputs[:1], note


def _levels(pathways: pd.DataFrame) -> int:
    """Nodes on the longest way up."""
    level = dict.fromkeys([*pathways["source"], *pathways["target"]], 1)
    for _ in range(len(level)):
        height = pathways["source"].map(level).add(1).groupby(pathways["target"]).max()
        if all(level[name] == value for name, value in height.items()):
            break
        level.update(height.to_dict())
    return max(level.values())
