"""What a model's walk is read from: the layers of a feedforward model, the steps of a recurrent one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from edge2torch.nn._block import FeedforwardLayerBlock, SkipSum
from edge2torch.nn._cells import GraphCell, StepBlock
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._whole._cost import times, times_of_steps
from edge2torch.nn._whole._layout import Layout, Places, assemble, joined, lay_out, numbers_of
from edge2torch.nn._whole._replay import Replay, StepReplay
from edge2torch.nn._whole._tensors import CPU

_MOST = 2**31  # edges
# Edges and nodes, counted at each step: their tables take some 40 bytes, a node's row 256. What is larger
# is as fast as memory either way, and step by step needs no more of it for more steps.
_MOST_OF_STEPS = 2**21


class Kind:
    """How models of one kind are read: by layers."""

    replay: type[Replay] = Replay
    drops_edges = True  # at one mask for a call
    goes_to_cards = True

    def knows(self, model: Any) -> bool:
        """Tell whether nothing but the stages may be of an unknown kind."""
        linear = model.edge_layers()
        blocks = [model.block(k) for k in range(len(model.blocks))]
        return (
            len(blocks) > 0
            and all(type(one) is MaskedLinear for one in linear)
            and all(type(one) is FeedforwardLayerBlock for one in blocks)
            and sum(one.n_edges for one in linear) < _MOST
            and all(type(getattr(one, "arrivals", None)) in (SkipSum, type(None)) for one in blocks)
            and len(
                {*zip(model._output_layer.tolist(), model._output_position.tolist(), strict=True)}
            )
            == len(model._output_layer)
        )

    def lay_out(self, model: Any) -> Layout:
        """Read a model's edges into one graph."""
        return lay_out(model)

    def stages(self, model: Any, k: int) -> Mapping[str, nn.Module]:
        """Return what acts on the nodes of layer or step k, in order."""
        return model.block(k).stages  # type: ignore[no-any-return]

    def behind_outputs(self, model: Any) -> set[int]:
        """Return modules that no output reads, for those have no gradient, as they have none layer by layer."""
        last = int(max(model._output_layer))
        blocks = [model.block(k) for k in range(last, len(model.blocks))]
        skips = [
            model.skip(k)
            for k, parts in model._segments.items()
            if min(target for target, _ in parts) > last
        ]
        return {id(inner) for one in (*blocks, *skips) for inner in one.modules()}

    def times(self, model: Any, batch: int) -> tuple[float, float]:
        """Return the estimated nanoseconds of a step, layer by layer and in one pass."""
        return times(model, batch)


class Steps(Kind):
    """The same by steps: a row for each node and step, and at all steps the same parameters.

    Gates, leaks that are learned and steady states go layer by layer, and so do dropped edges, of
    which each step draws others.
    """

    replay = StepReplay
    drops_edges = False
    goes_to_cards = False

    def knows(self, model: Any) -> bool:
        """Tell whether nothing but the stages may be of an unknown kind."""
        cells, places = list(model.cells), model._read_places
        return (
            model.solver is None
            and len(model.step_blocks) > 0
            and all(type(one) is GraphCell and type(one.edges) is MaskedLinear for one in cells)
            and not any(one.is_gated or one.learns_rate for one in cells)
            and all(type(one) is StepBlock for one in model.step_blocks)
            and self._size(model) <= _MOST_OF_STEPS
            and len(np.unique(places)) == len(places)
        )

    def _size(self, model: Any) -> int:
        edges = model.cell(0).edges
        return len(model.step_blocks) * (edges.n_edges + 2 * edges.out_features)  # type: ignore[no-any-return]

    def lay_out(self, model: Any) -> Layout:
        """Read a model's edges into one graph, over and over: from each step to the next."""
        n_in, n_steps = model.in_features, len(model.step_blocks)
        width = model.cell(0).edges.out_features
        values, rate = Places(), model.cell(0).fixed_rate
        own = [(*values.of_edges(one.edges), values.of_bias(one.edges)) for one in model.cells]
        shares = None if rate is None else values.add(Shares(rate), "both")
        size = (
            width if rate is None else 2 * width
        )  # rows of a step: what nodes compute, what they are
        sources, targets, places, signs, biases = [], [], [], [], []

        def edges(source: Any, target: Any, place: Any, sign: Any) -> None:
            sources.append(source)
            targets.append(target)
            places.append(place)
            signs.append(sign)

        node, none = np.arange(width), np.zeros(width, np.int8)
        for k in range(n_steps):
            cell = k if len(own) > 1 else 0
            linear, (place, sign, bias) = model.cell(cell).edges, own[cell]
            first = n_in + k * size
            now, before = first + size - width, first - width  # rows of the states
            row, col = numbers_of(linear.row), numbers_of(linear.col)
            read = (col < n_in) | (k > 0)  # all nodes are 0 at the start
            source = np.where(col < n_in, col, before + col - n_in)
            edges(source[read], first + row[read], place[read], sign[read])
            biases.append(bias)
            if shares is not None:
                edges(first + node, now + node, np.full(width, shares), none)
                if k > 0:
                    edges(before + node, now + node, np.full(width, shares + 1), none)
                biases.append(np.full(width, -1))
        place, sign = joined(places), joined(signs, np.int8)
        # what turns parameters into weights of one sign, and gradients back, meets each once
        again = np.ones(len(place), bool)
        again[np.unique(place, return_index=True)[1]] = False
        sign[again] = 0
        read = model._read_places
        return assemble(
            n_in,
            joined(sources),
            joined(targets),
            place,
            sign,
            starts=np.array([0, len(place)]),
            outs=np.where(read < n_in, read, (n_steps - 1) * size + size - width + read),
            segments=np.array([n_in, n_in + n_steps * size]),
            row_of=tuple(k * size + node for k in range(n_steps)),
            bias_place=joined(biases),
            values=values,
        )

    def stages(self, model: Any, k: int) -> Mapping[str, nn.Module]:
        """Return what acts on the nodes of step k, in order."""
        return model.step_blocks[k].stages  # type: ignore[no-any-return]

    def behind_outputs(self, model: Any) -> set[int]:  # noqa: ARG002 (all edges are in every step)
        """Return no modules: every step is read."""
        return set()

    def times(self, model: Any, batch: int) -> tuple[float, float]:
        """Return the estimated nanoseconds of a step, layer by layer and in one pass."""
        return times_of_steps(model, batch)


class Shares(nn.Module):
    """A constant leak as two weights: of what a node computes, and of what it was.

    Of no model, so nothing turns them into another type with it; ``follow`` does.
    """

    both: torch.Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("both", torch.zeros(2, dtype=torch.float16, device=CPU))

    def follow(self, dtype: torch.dtype) -> None:
        """Take the type of the parameters."""
        if self.both.dtype != dtype:
            self.both = torch.tensor([self.rate, 1 - self.rate], dtype=dtype, device=CPU)


LAYERS, STEPS = Kind(), Steps()
