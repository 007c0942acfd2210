"""Build a feedforward model from its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from edge2torch._core.constraints import FIXED, is_signed
from edge2torch.compile._options import CompileOptions
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.graph import BlockPlan, EdgeGraph, FeedforwardPlan, SkipPlan
from edge2torch.nn import (
    EdgeModel,
    FeedforwardLayerBlock,
    MaskedLinear,
    SkipSum,
    choose_kernel,
    draw_weights,
)

_Scale = Callable[[NDArray[Any]], NDArray[np.float64]]


def build_feedforward(
    graph: EdgeGraph,
    plan: FeedforwardPlan,
    options: CompileOptions,
    fingerprint: bytes,
    draw: bool,
) -> EdgeModel:
    """Return the model of a plan, its weights drawn from torch's generator if ``draw``."""
    scale = _initial_scale(graph, plan, options.init) if draw else None
    blocks, skips = [], {}
    for k, (block, skip) in enumerate(zip(plan.blocks, plan.skips, strict=True)):
        linear = _linear(graph, block, options, scale, bias=options.bias)
        width = block.shape[0]
        arrivals = SkipSum(block.arrivals, width) if len(block.arrivals) else None
        blocks.append(FeedforwardLayerBlock(linear, arrivals=arrivals))
        if skip is not None:
            skips[k] = (_linear(graph, skip, options, scale, bias=False), skip.segments)
    return EdgeModel(
        blocks,
        skips,
        output_layer=plan.output_layer,
        output_position=plan.output_position,
        in_features=len(plan.layers[0]),
        fingerprint=fingerprint,
        engine=options.engine,
    )


def _linear(
    graph: EdgeGraph,
    block: BlockPlan | SkipPlan,
    options: CompileOptions,
    scale: _Scale | None,
    *,
    bias: bool,
) -> MaskedLinear:
    constraint = graph.constraint[block.edges]
    choice = choose_kernel(
        len(block.edges), block.shape[1], block.shape[0], kernel=cast(Any, options.kernel)
    )
    linear = MaskedLinear(
        block.rows, block.columns, block.shape, bias=bias, constraint=constraint, choice=choice
    )
    if scale is not None:
        weights = draw_weights(
            scale(block.edges),
            constraint,
            _given(graph.initial_weight, block.edges),
            clear_of_zero=options.init == "sparse",
        )
        linear.set_weights(weights)
    return linear


def _given(initial_weight: NDArray[np.float64], rows: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the weights of rows, None for a table without any, which is one number seen many times."""
    return None if initial_weight.strides == (0,) else initial_weight[rows]


@torch.no_grad()
def draw_anew(model: EdgeModel, artifact: CompileArtifact, *, keep_initial: bool) -> None:
    """Draw the weights as compiling does, number for number, and set biases to zero.

    Weights that the table gives stay where they are given, unless ``keep_initial`` is false; fixed
    ones always do.
    """
    units = artifact.unit_graph
    graph = artifact.graph if units is None else units.graph
    plan = artifact.execution_plan if units is None else artifact.unit_plan
    init = artifact.options["init"]
    scale = _initial_scale(graph, cast(FeedforwardPlan, plan), init)
    given = graph.initial_weight
    if not keep_initial:
        given = np.where(graph.constraint == FIXED, given, np.nan)
    for numbers, layer in artifact.bind(model).weight_layers():
        codes = graph.constraint[numbers]
        known = _given(given, numbers)
        drawn = draw_weights(scale(numbers), codes, known, clear_of_zero=init == "sparse")
        layer.set_weights(drawn)
        if layer.bias is not None:
            layer.bias.zero_()


def _initial_scale(graph: EdgeGraph, plan: FeedforwardPlan, init: str) -> _Scale:
    """Return a function from rows to the scale of their initial weights.

    ``sparse``: one over the root of the target's number of incoming edges, so that a sum of
    independent sources keeps their variance. Where constraints give a node's edges one common
    sign the sources add up instead, so the sum of signs counts there.
    ``dense``: what a dense layer between the same two layers of nodes would use.
    """
    if init == "dense":
        width = np.zeros(graph.n_nodes)
        for nodes in plan.layers:
            width[nodes] = len(nodes)
        by_source = 1 / np.sqrt(np.maximum(width, 1))
        return lambda rows: by_source[graph.source[rows]]
    return scale_by_fan_in(graph)


def scale_by_fan_in(graph: EdgeGraph) -> _Scale:
    """Return what keeps the variance of a sum over each target's own edges, a function of rows."""
    target, signs = graph.target, graph.constraint
    if not graph.is_active.all():
        target, signs = target[graph.is_active], signs[graph.is_active]
    fan_in = np.bincount(target, minlength=graph.n_nodes)
    if (signed := is_signed(signs)).any():
        signs = np.where(signed, signs, 0)
        common = np.bincount(target, weights=signs, minlength=graph.n_nodes)
        fan_in = np.maximum(fan_in, common**2)
    by_target = 1 / np.sqrt(np.maximum(fan_in, 1))
    return lambda rows: by_target[graph.target[rows]]
