"""A pass once more, by operations that can be differentiated again, with the same masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._whole._stages import Stage


def differentiable_gradients(
    run: Any, x: Tensor, parameters: Sequence[Tensor], gradient: Tensor, wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return gradients that can be differentiated themselves, by the products along edges."""
    with torch.enable_grad():
        # by other names: x may have come of the same parameters, and a parameter stand at two places
        operands = [one.view_as(one) for one in (x, *parameters)]
        y = run.watched.kind.replay(run, operands[0], operands[1:]).output()
    inputs = [one for one, is_wanted in zip(operands, wanted, strict=True) if is_wanted]
    found = iter(torch.autograd.grad(y, inputs, gradient, create_graph=True, allow_unused=True))
    return [next(found) if is_wanted else None for is_wanted in wanted]


class Replay:
    """The same call by operations that can be differentiated again, with the same masks: by layers."""

    def __init__(self, run: Any, x: Tensor, parameters: Sequence[Tensor]) -> None:
        self.run, self.x = run, x
        self._weights: dict[int, Tensor] = {}
        held = run.watched.held
        self.given = {
            (id(module), name): value
            for (module, name), value in zip(held, parameters, strict=True)
        }

    def output(self) -> Tensor:
        """Return y (b, o)."""
        model = self.run.model
        arrived: list[list[Tensor]] = [[] for _ in range(len(model.blocks) + 1)]
        layers = [self.x]
        for k, stages in enumerate(self.run.watched.stages):
            layer = layers[-1]
            if k in model._segments:
                targets, sizes = zip(*model._segments[k], strict=True)
                parts = self._product(model.skip(k), layer).t().split(sizes)
                for target, part in zip(targets, parts, strict=True):
                    arrived[target].append(part)
            block = model.block(k)
            y = self._product(block.linear, layer)
            if arrived[k + 1]:
                y = y + block.arrivals(*arrived[k + 1])
            layers.append(self._staged(k, stages, y))
        found = [
            layers[layer][:, position]
            for layer, position in zip(model._output_layer, model._output_position, strict=True)
        ]
        return torch.stack(found, 1)

    def _staged(self, k: int, stages: Sequence[Stage], y: Tensor) -> Tensor:
        """Return what the nodes of layer or step k make of what arrives, y (b, n)."""
        layout = self.run.layout
        column = np.full(layout.n_nodes, -1)
        column[layout.row_of[k]] = np.arange(len(layout.row_of[k]))
        for stage in stages:
            own = torch.from_numpy(column[stage.nodes]).to(y.device)
            y = y.index_copy(1, own, self._stage(stage, y.index_select(1, own)))
        return y

    def _product(self, linear: MaskedLinear, x: Tensor) -> Tensor:
        weight, fixed, bias = (
            self.given.get((id(linear), name)) for name in ("weight", "fixed", "bias")
        )
        at = id(linear)
        if at not in self._weights:  # once, so that what holds one sign asks for all steps together
            self._weights[at] = linear.effective(weight, fixed)  # type: ignore[arg-type]
        weight = self._weights[at]
        tables, layout = self.run.tables, self.run.layout
        if len(tables.edge_drop):
            number = next(k for k, one in enumerate(self.run.model.edge_layers()) if one is linear)
            edge = np.flatnonzero(layout.layer_of() == number)
            edge = edge[np.argsort(layout.number[edge])]
            mask = mask_of(~self.run.seed, edge, tables.edge_drop[edge])
            weight = weight * torch.from_numpy(mask).to(weight)
        return linear.product(weight, x, bias)

    def _stage(self, stage: Stage, y: Tensor) -> Tensor:
        run, module = self.run, stage.module
        if stage.kind == "activation":
            return module(y.clone())  # type: ignore[no-any-return]
        if stage.kind == "dropout":
            drop = run.tables.numbers[stage.nodes, 2]
            node = (run.layout.n_in + run.tables.node[stage.nodes, 4]) * run.batch
            mask = mask_of(run.seed, node[None] + np.arange(run.batch)[:, None], drop[None])
            return y * torch.from_numpy(mask).to(y)
        gain, lift = (self.given.get((id(module), name)) for name in ("weight", "bias"))
        mean = variance = None
        if not run.tables.learns:
            norm = run.tables.node[stage.nodes, 2]
            mean, variance = (torch.from_numpy(part[norm]) for part in np.split(run.moments, 2))
        epsilon = module.eps
        return F.batch_norm(y, mean, variance, gain, lift, run.tables.learns, 0.0, epsilon)  # type: ignore[arg-type]


class StepReplay(Replay):
    """The same of a recurrent model: by steps."""

    def output(self) -> Tensor:
        """Return y (b, o)."""
        model, x = self.run.model, self.x
        nodes = self._after(x, x.new_zeros(len(x), model.cell(0).edges.out_features))
        return torch.cat([x, nodes], 1)[:, model._read_places]

    def _after(self, x: Tensor, nodes: Tensor) -> Tensor:
        """Return the nodes (b, m) after the call's steps."""
        model, watched = self.run.model, self.run.watched
        for k, (number, stages) in enumerate(
            zip(watched.kind.blocks(model), watched.stages, strict=True)
        ):
            cell = model.cell(number if len(model.cells) > 1 else 0)
            following = self._staged(k, stages, self._product(cell.edges, torch.cat([x, nodes], 1)))
            rate = cell.fixed_rate
            nodes = following if rate is None else nodes + rate * (following - nodes)
        return nodes


class UpdateReplay(StepReplay):
    """The same of a step from a given state."""

    def output(self) -> Tensor:
        """Return the nodes after it, (b, m)."""
        inputs = self.run.model.in_features
        return self._after(self.x[:, :inputs], self.x[:, inputs:])


def mask_of(seed: int, counter: Any, probability: Any) -> Any:
    """Return what ``draw_mask`` of the walk gives, with numpy."""
    x = np.asarray(counter).astype(np.uint64).astype(np.uint32)
    key = seed & (2**64 - 1)
    for part in (key & 0xFFFFFFFF, key >> 32):
        x = x ^ np.uint32(part)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    keeps = (x >> np.uint32(8)) * 2.0**-24 >= probability
    with np.errstate(divide="ignore"):
        return np.where(keeps, 1 / (1 - probability), 0.0)
