"""This library with what BINN has: batch normalisation and tanh at every hidden node."""

from __future__ import annotations

from typing import Any

import pandas as pd
from torch import nn

import edge2torch as e2t

VERSION = e2t.__version__


def build(edges: pd.DataFrame, _: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    outputs = sorted(set(edges["target"]) - set(edges["source"]))
    if len(outputs) > 1:  # BINN joins them under a root
        root = pd.DataFrame({"source": outputs, "target": "root"})
        edges = pd.concat([edges, root], ignore_index=True)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    model = e2t.customize_model(
        model,
        node_normalization=nn.BatchNorm1d,
        node_activation="tanh",
        artifact=artifact,
    )
    return model, artifact.feature_names, artifact.output_names, "has batch normalisation and tanh"
