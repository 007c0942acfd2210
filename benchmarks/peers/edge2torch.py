"""The edge2torch 0.3.0 that is on PyPI, a package of the same name as ours."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pandas as pd
from torch import nn

import edge2torch

VERSION = version("edge2torch")


def build(edges: pd.DataFrame, case: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    options = {"backend": "state_update", "steps": case["steps"]} if case["steps"] else {}
    model, artifact = edge2torch.compile_graph(edges, **options)
    model.artifact = artifact  # a user holds on to it, so its memory counts
    return model, list(artifact.input_nodes), list(artifact.output_nodes), ""
