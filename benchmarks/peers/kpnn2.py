"""kpnn2 from PyPI, assembled as its README and ``help()`` say."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import kpnn2
import pandas as pd
import torch
from torch import Tensor, nn

VERSION = version("kpnn2")


class Layered(nn.Module):
    """One PackedLinear per hop, each reading the layers that its edges come from."""

    def __init__(self, spec: Any) -> None:
        super().__init__()
        self.hops = spec.hops
        self.layers = nn.ModuleList(
            kpnn2.PackedLinear.from_hop(hop, identity=spec.fingerprint) for hop in spec.hops
        )
        place = {
            name: (layer, position)
            for layer, names in enumerate(spec.layer_nodes)
            for position, name in enumerate(names)
        }
        self.reads: dict[int, list[int]] = {}
        self.outputs: list[str] = []
        for name in sorted(spec.output_nodes, key=place.__getitem__):
            layer, position = place[name]
            self.reads.setdefault(layer, []).append(position)
            self.outputs.append(name)
        self.is_last = list(spec.layer_nodes[-1]) == self.outputs

    def forward(self, x: Tensor) -> Tensor:
        saved = {0: x}
        for hop, layer in zip(self.hops, self.layers, strict=True):
            saved[hop.target_layer] = layer(kpnn2.gather_hop_inputs(saved, hop))
        if self.is_last:
            return saved[self.hops[-1].target_layer]
        return torch.cat([saved[k][:, columns] for k, columns in self.reads.items()], dim=1)


class StateUpdate(nn.Module):
    """The whole state through one PackedLinear per step, the inputs written in again."""

    def __init__(self, spec: Any, steps: int) -> None:
        super().__init__()
        self.core = kpnn2.PackedLinear.from_adjacency(spec, identity=spec.fingerprint)
        self.steps, self.width = steps, spec.state_dim
        self.register_buffer("input_index", torch.tensor(spec.input_index), persistent=False)
        self.register_buffer("output_index", torch.tensor(spec.output_index), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.width)
        state[:, self.input_index] = x
        for _ in range(self.steps):
            state = self.core(state)
            state[:, self.input_index] = x
        return state[:, self.output_index]


def build(edges: pd.DataFrame, case: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    if case["steps"]:
        spec = kpnn2.parse_adjacency(edges)
        update = StateUpdate(spec, case["steps"])
        update.spec = spec  # a user holds on to it, so its memory counts
        return update, list(spec.input_nodes), list(spec.output_nodes), ""
    spec = kpnn2.parse_layered(edges)
    model = Layered(spec)
    model.spec = spec  # a user holds on to it, so its memory counts
    return model, list(spec.layer_nodes[0]), model.outputs, ""
