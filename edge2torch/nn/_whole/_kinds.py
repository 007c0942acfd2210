"""What a model's walk is read from: the layers of a feedforward model, the steps of a recurrent one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge2torch.nn._block import FeedforwardLayerBlock, SkipSum
from edge2torch.nn._cells import GraphCell, StepBlock
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._whole._cost import times, times_of_steps
from edge2torch.nn._whole._layout import (
    Int,
    Layout,
    Places,
    assemble,
    joined,
    lay_out,
    numbers_of,
)
from edge2torch.nn._whole._replay import Replay, StepReplay, UpdateReplay
from edge2torch.nn._whole._tensors import CPU

_MOST = 2**31  # edges
# Edges and nodes, counted at each step: their tables take some 40 bytes, a node's row 256. Of what is
# larger each update is a pass, which needs no more memory for more steps.
_MOST_OF_STEPS = 2**19
_UPDATES = 20  # until a state is steady, and as many on the way back


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

    def width(self, model: Any) -> int:
        """Return how many columns the walk reads."""
        return model.in_features  # type: ignore[no-any-return]

    def repeats(self, model: Any) -> int:
        """Return how often a call is made, where one alone would not be worth to load numba."""
        return model.n_alike  # type: ignore[no-any-return]

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

    Gates and leaks that are learned go layer by layer, and so do dropped edges, of which each step
    draws others.
    """

    replay: type[Replay] = StepReplay
    drops_edges = False
    goes_to_cards = False

    def knows(self, model: Any) -> bool:
        """Tell whether nothing but the stages may be of an unknown kind."""
        cells, places, edges = list(model.cells), model._read_places, model.cell(0).edges
        size = len(self.blocks(model)) * (edges.n_edges + 2 * edges.out_features)
        return (
            size > 0
            and all(type(one) is GraphCell and type(one.edges) is MaskedLinear for one in cells)
            and not any(one.is_gated or one.learns_rate for one in cells)
            and all(type(one) is StepBlock for one in model.step_blocks)
            and size <= _MOST_OF_STEPS
            and len(np.unique(places)) == len(places)
        )

    def blocks(self, model: Any) -> list[int]:
        """Return the numbers of the steps that a call takes."""
        return list(range(len(model.step_blocks)))

    def lay_out(self, model: Any) -> Layout:
        """Read a model's edges into one graph, over and over: from each step to the next."""
        return lay_out_steps(model, self.blocks(model), goes_on=False)

    def stages(self, model: Any, k: int) -> Mapping[str, nn.Module]:
        """Return what acts on the nodes of the call's step k, in order."""
        return model.step_blocks[self.blocks(model)[k]].stages  # type: ignore[no-any-return]

    def behind_outputs(self, model: Any) -> set[int]:  # noqa: ARG002 (all edges are in every step)
        """Return no modules: every step is read."""
        return set()

    def times(self, model: Any, batch: int) -> tuple[float, float]:
        """Return the estimated nanoseconds of a step, layer by layer and in one pass."""
        return times_of_steps(model, batch, len(self.blocks(model)))


class Update(Steps):
    """One step from a given state, (b, n) -> (b, m): for steady states, and what is held between steps.

    Parameters
    ----------
    number : int
        Which step.
    """

    replay = UpdateReplay

    def __init__(self, number: int) -> None:
        self.number = number

    def blocks(self, model: Any) -> list[int]:  # noqa: ARG002 (the parent's)
        """Return the step's number."""
        return [self.number]

    def width(self, model: Any) -> int:
        """Return how many columns a state has."""
        return model.cell(0).edges.in_features  # type: ignore[no-any-return]

    def repeats(self, model: Any) -> int:
        """Return how often a call is made, about."""
        return max(len(model.step_blocks), 1 if model.solver is None else _UPDATES)

    def lay_out(self, model: Any) -> Layout:
        """Read a model's edges into one graph, from the state to the nodes that are no inputs."""
        return lay_out_steps(model, self.blocks(model), goes_on=True)


def lay_out_steps(model: Any, blocks: list[int], *, goes_on: bool) -> Layout:
    """Read a recurrent model's edges into one graph, over and over: from each step to the next.

    The first step reads zeros, or if it ``goes_on`` the state that came before; then all nodes are read
    at the end.
    """
    inputs, width = model.in_features, model.cell(0).edges.out_features
    values, rate = Places(), model.cell(0).fixed_rate
    chosen = blocks if len(model.cells) > 1 else [0]
    own = {
        k: (*values.of_edges(model.cell(k).edges), values.of_bias(model.cell(k).edges))
        for k in chosen
    }
    shares = -1 if rate is None else values.add(Shares(rate), "both")
    size = width if rate is None else 2 * width  # rows of a step: what nodes compute, what they are
    n_in = inputs + width * goes_on
    parts: tuple[list[Int], ...] = ([], [], [], [])
    biases: list[Int] = []

    def edges(source: Int, target: Int, place: Int, sign: NDArray[np.int8]) -> None:
        for held, part in zip(parts, (source, target, place, sign), strict=True):
            held.append(part)

    node, none = np.arange(width), np.zeros(width, np.int8)
    for step, k in enumerate(blocks):
        cell = k if len(model.cells) > 1 else 0
        linear, (place, sign, bias) = model.cell(cell).edges, own[cell]
        first = n_in + step * size
        now, before = first + size - width, first - width  # rows of the states
        row, col = numbers_of(linear.row), numbers_of(linear.col)
        has_state = step > 0 or goes_on
        read = (col < inputs) | has_state  # all nodes are 0 at the start
        source = np.where(col < inputs, col, before + col - inputs)
        edges(source[read], first + row[read], place[read], sign[read])
        biases.append(bias)
        if rate is not None:
            edges(first + node, now + node, np.full(width, shares), none)
            if has_state:
                edges(before + node, now + node, np.full(width, shares + 1), none)
            biases.append(np.full(width, -1))
    source, target, place = map(joined, parts[:3])
    sign = joined(parts[3], np.int8)
    # what turns parameters into weights of one sign, and gradients back, meets each once
    again = np.ones(len(place), bool)
    again[np.unique(place, return_index=True)[1]] = False
    sign[again] = 0
    read = np.arange(inputs, inputs + width) if goes_on else model._read_places
    last = n_in + len(blocks) * size - width
    return assemble(
        n_in,
        source,
        target,
        place,
        sign,
        starts=np.array([0, len(place)]),
        outs=np.where(read < inputs, read, last + read - inputs),
        segments=np.array([n_in, n_in + len(blocks) * size]),
        row_of=tuple(step * size + node for step in range(len(blocks))),
        bias_place=joined(biases),
        values=values,
    )


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
