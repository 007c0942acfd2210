"""Plain masked dense layers, as anyone would write them: ``x @ (W * M).T + b`` per layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

VERSION = torch.__version__


class Masked(nn.Module):
    def __init__(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> None:
        super().__init__()
        mask = torch.zeros(shape)
        mask[torch.from_numpy(rows), torch.from_numpy(columns)] = 1.0
        fan_in = mask.sum(1, keepdim=True).clamp_min(1)
        self.register_buffer("mask", mask)
        self.weight = nn.Parameter(torch.randn(shape) / fan_in.sqrt())
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class Layered(nn.Module):
    """Each layer reads, side by side, the earlier layers that have an edge to it."""

    def __init__(self, source: np.ndarray, target: np.ndarray, n: int) -> None:
        super().__init__()
        level = _levels(source, target, n)
        depth = int(level.max())
        members = [np.flatnonzero(level == k) for k in range(depth + 1)]
        position = np.empty(n, np.int64)
        for nodes in members:
            position[nodes] = np.arange(len(nodes))
        self.reads, layers = [], []
        for k in range(1, depth + 1):
            here = level[target] == k
            come, go = source[here], target[here]
            read = np.unique(level[come])
            start = np.zeros(depth + 1, np.int64)
            start[read] = np.cumsum([0, *(len(members[j]) for j in read)])[:-1]
            shape = (len(members[k]), sum(len(members[j]) for j in read))
            layers.append(Masked(position[go], start[level[come]] + position[come], shape))
            self.reads.append(read.tolist())
        self.layers = nn.ModuleList(layers)
        is_output = np.ones(n, bool)
        is_output[source] = False
        self.picks = [
            (k, torch.from_numpy(np.flatnonzero(is_output[nodes])))
            for k, nodes in enumerate(members)
            if is_output[nodes].any()
        ]
        self.outputs = np.concatenate([members[k][picked.numpy()] for k, picked in self.picks])
        self.is_last = len(self.picks) == 1

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for read, layer in zip(self.reads, self.layers, strict=True):
            joined = values[read[0]] if len(read) == 1 else torch.cat([values[j] for j in read], 1)
            values.append(layer(joined))
        if self.is_last:
            return values[-1]
        return torch.cat([values[k][:, columns] for k, columns in self.picks], dim=1)


class StateUpdate(nn.Module):
    def __init__(self, source: np.ndarray, target: np.ndarray, n: int, steps: int) -> None:
        super().__init__()
        self.core, self.steps, self.width = Masked(target, source, (n, n)), steps, n
        is_input, is_output = np.ones((2, n), bool)
        is_input[target], is_output[source] = False, False
        self.inputs = torch.from_numpy(np.flatnonzero(is_input))
        self.outputs = np.flatnonzero(is_output)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.width)
        state[:, self.inputs] = x
        for _ in range(self.steps):
            state = self.core(state)
            state[:, self.inputs] = x
        return state[:, torch.from_numpy(self.outputs)]


def _levels(source: np.ndarray, target: np.ndarray, n: int) -> np.ndarray:
    """Longest path to each node."""
    level = np.zeros(n, np.int64)
    while True:
        higher = level.copy()
        np.maximum.at(higher, target, level[source] + 1)
        if (higher == level).all():
            return level
        level = higher


def build(edges: pd.DataFrame, case: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    names, codes = np.unique(
        edges[["source", "target"]].to_numpy().astype(str), return_inverse=True
    )
    source, target = codes.reshape(-1, 2).T
    is_input = np.ones(len(names), bool)
    is_input[target] = False
    model: StateUpdate | Layered
    if case["steps"]:
        model = StateUpdate(source, target, len(names), case["steps"])
    else:
        model = Layered(source, target, len(names))
    return model, names[is_input].tolist(), names[model.outputs].tolist(), ""
