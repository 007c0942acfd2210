"""Where the weights of a graph neural network start."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.constraints import FIXED, is_signed
from edge2torch.graph import EdgeGraph, GnnPlan
from edge2torch.nn import MaskedLinear

WeightInit = Literal["uniform", "xavier", "kaiming", "normal", "zeros"]


def draw_channels(
    graph: EdgeGraph,
    plan: GnnPlan,
    into: MaskedLinear,
    out: MaskedLinear,
    is_direct: NDArray[np.bool_],
    kind: WeightInit,
) -> None:
    """Draw a layer's weights from torch's generator; edges with a given weight get its strength.

    A node's matrix to its channels has (in-degree, channels), from them (channels, out-degree)
    as fan-in and fan-out.
    """
    channels = max(1, out.in_features // max(1, len(plan.functions)))
    in_degree = np.bincount(plan.target, minlength=graph.n_nodes)
    out_degree = np.bincount(plan.source, minlength=graph.n_nodes)
    edge_in, edge_out = into.col.long(), out.row.long()
    drawn_in = _draw(in_degree[plan.target][edge_in.numpy()], channels, kind)
    drawn_out = _draw(channels, out_degree[plan.source][edge_out.numpy()], kind)
    weight, code = _known(graph, plan)
    has_in, has_out = torch.zeros(2, len(weight), dtype=torch.bool)
    has_in[edge_in], has_out[edge_out] = True, True
    # both factors of an edge between function nodes share the strength; one alone has it all
    size = torch.where(has_in & has_out, weight.abs().sqrt(), weight.abs())
    size_in = size.masked_fill(torch.from_numpy(is_direct), 1.0)
    is_data = ~has_out & ~torch.from_numpy(is_direct)
    flat = channels**-0.5
    into.set_weights(_given(drawn_in, edge_in, size_in, weight, code, is_data, flat))
    out.set_weights(_given(drawn_out, edge_out, size, weight, code, torch.ones_like(is_data), flat))


def _draw(
    fan_in: NDArray[np.int64] | int, fan_out: NDArray[np.int64] | int, kind: WeightInit
) -> Tensor:
    fans_in, fans_out = np.broadcast_arrays(np.asarray(fan_in, float), np.asarray(fan_out, float))
    scale = {
        "uniform": 1 / np.sqrt(fans_in * fans_out),
        "xavier": np.sqrt(6 / (fans_in + fans_out)),
        "kaiming": np.sqrt(2 / fans_in),
        "normal": 1 / np.sqrt(fans_in * fans_out),
        "zeros": np.zeros_like(fans_in),
    }[kind]
    unit = torch.empty(len(scale))
    unit = unit.normal_() if kind in {"kaiming", "normal"} else unit.uniform_(-1, 1)
    return unit * torch.from_numpy(scale).to(unit)


def _known(graph: EdgeGraph, plan: GnnPlan) -> tuple[Tensor, Tensor]:
    """Return each edge's given weight (NaN for none) and constraint."""
    weight, code = np.full(len(plan.edges), np.nan), np.zeros(len(plan.edges), np.int8)
    rows = plan.edges[plan.in_table]
    weight[plan.in_table], code[plan.in_table] = graph.initial_weight[rows], graph.constraint[rows]
    return torch.from_numpy(weight), torch.from_numpy(code)


def _given(
    drawn: Tensor,
    edge: Tensor,
    size: Tensor,
    weight: Tensor,
    code: Tensor,
    carries_sign: Tensor,
    flat: float,
) -> Tensor:
    """Return weights with the edges' signs, scaled to ``size`` where a weight is given.

    Of an edge with weight 0 the factor that carries the sign is 0, the other is left as drawn:
    were both 0, no gradient would lead away.
    """
    is_given, squares = ~weight.isnan(), torch.zeros(len(weight))
    size = size.to(drawn).where(~((weight == 0) & ~carries_sign), torch.ones_like(squares))
    squares = squares.to(drawn).index_add(0, edge, drawn.square())
    is_flat = (code == FIXED) | (is_given & (squares == 0))
    norm = squares.sqrt().masked_fill(is_flat, 1.0)
    unit = torch.where(is_flat[edge], torch.full_like(drawn, flat), drawn / norm[edge])
    values = torch.where(is_given[edge], unit * size[edge], drawn)
    sign = torch.where(is_given, weight.sign(), code.to(weight)).to(drawn)
    sign = torch.where(carries_sign, sign, torch.ones_like(sign))
    has_sign = is_given | is_signed(code)
    return torch.where(has_sign[edge], values.abs() * sign[edge], values)
