"""What a step takes in one pass and layer by layer; fitted by benchmarks/engine_crossover.py."""

from __future__ import annotations

from typing import Any

from edge2torch.nn._kernels._cost import choose_kernel, layer_time
from edge2torch.nn._nodes import NodeBatchNorm
from edge2torch.nn._whole._tensors import LANES, WIDTH

_CACHE = 1 << 20  # bytes of a state that stays near
# Nanoseconds of a forward and backward pass in one thread, by what there is of each: fitted on a
# machine with other work, and all scaled by .53, so that kernels take what they took on a quiet one.
# Over 45 drawn graphs that they were not fitted on, the rule picks the slower way in 11 %, and takes
# 1.035 times the faster one on average, 1.7 at most.
_WHOLE = {
    "once": 167e3,
    "parameter": 6.1e3,
    "edge": 2.5,
    "near": 0.078,
    "far": 0.111,
    "input": 0.87,
    "node": 1.68,
    "normed": 0.96,
    "active": 0.0,
}
# "input" is what sparse kernels take to turn the input around, and was found on 60 drawn graphs of one to
# three layers with 300 to 30,000 inputs: on 50 others the way that is taken takes 1.20 times the faster
# one, without it 1.35, for 400 microseconds less are not worth numba; on the 100 above nothing changes.
_LAYERS = {"kernels": 1.12, "input": 0.6, "stage": 65e3, "normed": 2.5, "active": 0.68}
_AWAY = 2_000_000  # values of an input that both ways have to fetch from memory

# What a recurrent step takes beside its kernel, and for each of its nodes and samples.
_STEP = {"once": 100e3, "node": 1.0}


def times(model: Any, batch: int) -> tuple[float, float]:
    """Return the estimated nanoseconds of a step, layer by layer and in one pass."""
    layers = sum(_LAYERS[name] * value for name, value in layer_terms(model, batch).items())
    return layers, sum(_WHOLE[name] * value for name, value in whole_terms(model, batch).items())


def times_of_steps(model: Any, batch: int, n_steps: int) -> tuple[float, float]:
    """Return the same of some steps of a recurrent model."""
    edges = model.cell(0).edges
    n_nodes, own = edges.out_features, min(len(model.cells), n_steps)
    stages = n_steps * len(model.step_blocks[0].stages)
    one = layer_time(edges.n_edges, edges.in_features, n_nodes, batch)
    layers = (
        n_steps * (_LAYERS["kernels"] * one + _STEP["once"] + _STEP["node"] * batch * edges.in_features)
        + stages * (_LAYERS["stage"] + _LAYERS["active"] * batch * n_nodes)
    )  # fmt: skip
    samples = -(-batch // LANES) * LANES
    rows = n_nodes * n_steps * (1 if model.cell(0).fixed_rate is None else 2)
    n_edges = edges.n_edges * n_steps + 2 * (rows - n_nodes * n_steps)
    is_near = 4 * (model.in_features + rows) * min(samples, WIDTH) < _CACHE
    terms = {
        "once": 1,
        "parameter": sum(1 for _ in model.parameters()),
        "edge": edges.n_edges * own,
        "near": samples * n_edges * is_near,
        "far": samples * n_edges * (not is_near),
        "input": samples * model.in_features,
        "node": samples * rows,
        "active": samples * n_nodes * stages,
    }
    return layers, sum(_WHOLE[name] * value for name, value in terms.items())


def layer_terms(model: Any, batch: int) -> dict[str, float]:
    """Return the kernels' nanoseconds, inputs times samples, modules at nodes, and nodes times samples."""
    n = model.n_alike
    inputs = batch * (model.in_features // n)
    kernels = sum(
        layer_time(one.n_edges // n, one.in_features // n, one.out_features // n, batch)
        for one in model.edge_layers()
    )
    stages = _stages(model)
    return {
        "kernels": kernels,
        "input": inputs if inputs < _AWAY and _is_turned(model, batch) else 0,
        "stage": len(stages),
        "normed": batch * sum(size for size, is_norm in stages if is_norm),
        "active": batch * sum(size for size, is_norm in stages if not is_norm),
    }


def whole_terms(model: Any, batch: int) -> dict[str, float]:
    """Return 1, parameters, edges, and samples times edges, inputs, nodes and their modules.

    All are those of one of the graphs that stand side by side.
    """
    n = model.n_alike
    edges = sum(one.n_edges for one in model.edge_layers()) // n
    nodes = sum(model.block(k).linear.out_features for k in range(len(model.blocks))) // n
    samples = -(-batch // LANES) * LANES
    inputs = model.in_features // n
    is_near = 4 * (inputs + nodes) * min(samples, WIDTH) < _CACHE
    layers = layer_terms(model, samples)
    return {
        "once": 1,
        "parameter": sum(1 for _ in model.parameters()),
        "edge": edges,
        "near": samples * edges * is_near,
        "far": samples * edges * (not is_near),
        "input": samples * inputs,
        "node": samples * nodes,
        "normed": layers["normed"],
        "active": layers["active"],
    }


def _is_turned(model: Any, batch: int) -> bool:
    """Tell whether layers read an input whose samples stand side by side: all but dense ones do."""
    if len(model.blocks) == 0:
        return False
    first, n = model.block(0).linear, model.n_alike
    # graphs side by side may share fewer inputs than there are graphs
    n_in = max(first.in_features // n, 1)
    choice = choose_kernel(first.n_edges // n, n_in, first.out_features // n)
    return 0 in model._segments or batch < choice.dense_from


def _stages(model: Any) -> list[tuple[int, bool]]:
    """Return the nodes of each module at nodes, of one graph, and whether it normalises."""
    return [
        (block.linear.out_features // model.n_alike, isinstance(stage, NodeBatchNorm))
        for block in (model.block(k) for k in range(len(model.blocks)))
        for stage in block.stages.values()
    ]
