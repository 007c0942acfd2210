"""``nn.Linear``, where every source meets every target."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import nn

VERSION = torch.__version__


def build(edges: pd.DataFrame, _: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    sources, targets = set(edges["source"]), set(edges["target"])
    inputs, outputs = sorted(sources - targets), sorted(targets - sources)
    return nn.Linear(len(inputs), len(outputs)), inputs, outputs, ""
