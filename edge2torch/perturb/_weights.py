"""Fewer free numbers: gains of nodes in place of weights of edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edge2torch.nn import MaskedLinear

WEIGHTS = ("free", "shared", "shrunk")


def degree_norm(source: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 1 / sqrt(in-degree of the target * out-degree of the source) of each edge."""
    out, into = np.bincount(source), np.bincount(target)
    norm: np.ndarray[Any, Any] = 1 / np.sqrt(into[target] * out[source])
    return norm


def with_fixed_inputs(table: pd.DataFrame, inputs: set[str], signs: str | None) -> pd.DataFrame:
    """Fix the weights of the edges of inputs, at sign / sqrt(out-degree)."""
    table = table.copy()
    fixed = table["source"].isin(inputs)
    fan = table["source"].map(table["source"].value_counts())
    sign = table[signs].replace(0, 1) if signs else 1.0
    given = table.get("initial_weight", np.nan)
    table["initial_weight"] = pd.Series(given, table.index).where(~fixed, sign / np.sqrt(fan))
    table["constraint"] = pd.Series(None, table.index, dtype=object).mask(fixed, "fixed")
    if signs:  # a constraint says it all: held edges by their sign, and no other
        for word, held in (("positive", table[signs] > 0), ("negative", table[signs] < 0)):
            table["constraint"] = table["constraint"].mask(held & ~fixed, word)
    return table


class SharedGains(nn.Module):
    """Weights of edges from gains of their ends: gain_target * gain_source * norm.

    Parameters
    ----------
    source, target : Tensor of int64, shape (e,)
        Numbers of the ends.
    norm : Tensor, shape (e,)
        What the weight is at gains of 1.
    is_free : Tensor of bool, shape (e,)
        Edges without a sign, which have a factor of their own.
    """

    source: Tensor
    target: Tensor
    norm: Tensor
    free: Tensor

    def __init__(self, source: Tensor, target: Tensor, norm: Tensor, is_free: Tensor) -> None:
        super().__init__()
        n = int(max(source.max(), target.max())) + 1
        self.log_source = nn.Parameter(torch.zeros(n))
        self.log_target = nn.Parameter(torch.zeros(n))
        free = torch.nonzero(is_free).flatten()
        self.factor = nn.Parameter(torch.ones(len(free)))
        for name, values in (
            ("source", source),
            ("target", target),
            ("norm", norm),
            ("free", free),
        ):
            self.register_buffer(name, values)

    def forward(self, _: Tensor) -> Tensor:
        """Return the stored values (e,) of the edges; what they were is not used."""
        gain = (self.log_source[self.source] + self.log_target[self.target]).exp() * self.norm
        return gain.index_copy(0, self.free, gain[self.free] * self.factor)

    @torch.no_grad()
    def scale_(self, edges: Tensor, factor: float) -> None:
        """Scale the gains of the sources of some edges (e,), and whatever else they send."""
        self.log_source[self.source[edges].unique()] += float(np.log(factor))


def share_weights(base: nn.Module) -> None:
    """Put gains of nodes in the place of the weights of a recurrent model's edges."""
    layer: MaskedLinear = base.cell(0).edges  # type: ignore[operator]
    row, column = (index.cpu().long() for index in (layer.row, layer.col))
    norm = torch.from_numpy(degree_norm(column.numpy(), row.numpy())).to(layer.weight)
    kept = slice(None) if layer.trainable is None else layer.trainable.cpu()
    is_free = (
        torch.ones_like(norm[kept], dtype=torch.bool) if layer.sign is None else layer.sign == 0
    )
    gains = SharedGains(column[kept], row[kept], norm[kept], is_free)
    parametrize.register_parametrization(layer, "weight", gains)
