"""Build a recurrent model from its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice, check_count, check_flag, check_number
from edge2torch._core.messages import listing, warn
from edge2torch.compile._feedforward import scale_by_fan_in
from edge2torch.compile._options import (
    DEFAULT_STEPS,
    CompileOptions,
    Engine,
    count_steps,
)
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, RecurrentPlan, plan_recurrent
from edge2torch.nn import (
    GraphCell,
    Loops,
    MaskedLinear,
    RecurrentEdgeModel,
    SteadySolver,
    StepBlock,
    amplification,
    choose_kernel,
    draw_weights,
)

CONVERGE = "converge"
_START_RADIUS = 0.8  # of a model that is to settle: clear of 1, and its memory still long
_GROWTH = 1e3  # of values over all steps from which on a user is told
_ROUNDING = 1e-9  # relative, of a bound on the spectral radius


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """A state per node, updated along the edges step by step; takes graphs with cycles.

    Parameters
    ----------
    steps : int or "converge"
        Updates of the state, or until it changes no more.
    leak : None, float, "global" or "node"
        The share of a node that a step renews: all of it, a number in (0, 1], or learned, one for
        all nodes or one for each.
    share_weights : bool
        Whether all steps use the same weights.
    cell : {"linear", "gated"}
        Whether gates decide by node and step how much is renewed.
    tolerance, max_steps : float, int
        For ``"converge"``: largest relative change at which a sample is settled, and when to stop.
    gradient : {"implicit", "unroll"}
        For ``"converge"``: through the equation of the steady state, or through all updates.
    engine : {"auto", "graph", "layers"}
        What computes the updates, of a number of steps or of a steady state: ``"layers"`` one after the
        other, ``"graph"`` all of them in one pass, wherever nothing asks for more than values and
        gradients; ``"auto"`` the one that takes less time, told by the graph, the steps and the batch.

    Raises
    ------
    Edge2TorchError
        For values that are out of range, or exclude each other.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "b"]})
    >>> model, _ = e2t.compile_graph(
    ...     edges, backend=e2t.Recurrent(steps=4, leak=0.5), outputs=["c"], quiet=True)
    >>> model.steps
    4

    References
    ----------
    Gradients of a steady state: Pineda 1987, doi:10.1103/PhysRevLett.59.2229.
    """

    steps: int | str = DEFAULT_STEPS
    leak: float | str | None = None
    share_weights: bool = True
    cell: str = "linear"
    tolerance: float = 1e-5
    max_steps: int = 200
    gradient: str = "implicit"
    engine: Engine = "auto"

    # what may differ between two models that load each other's parameters
    passing: ClassVar[tuple[str, ...]] = ("engine",)

    def __post_init__(self) -> None:
        recurrent_steps("recurrent", self.steps)
        check_flag("share_weights", self.share_weights)
        check_choice("cell", self.cell, ("linear", "gated"))
        check_choice("gradient", self.gradient, ("implicit", "unroll"))
        if isinstance(self.leak, str):
            check_choice("leak", self.leak, ("global", "node"))
        elif self.leak is not None:
            check_number("leak", self.leak, above=0, most=1, kind="'global', 'node' or a share")
        if self.leak is not None and self.cell == "gated":
            raise Edge2TorchError("leak and cell='gated' exclude each other: the gate is a leak.")
        check_number("tolerance", self.tolerance, above=0, below=1)
        check_count("max_steps", self.max_steps)
        check_choice("engine", self.engine, get_args(Engine))


def recurrent_steps(backend: str, steps: Any) -> int | str:
    """Return a checked number of steps, or "converge"."""
    return count_steps(backend, steps, words=(CONVERGE,))


def plan_of_steps(graph: EdgeGraph, options: CompileOptions) -> RecurrentPlan:
    """Return the plan that the options ask for."""
    if options.steps == CONVERGE:
        return plan_recurrent(graph, sites=("steady",))
    sites = tuple(f"step_{k + 1}" for k in range(cast(int, options.steps)))
    return plan_recurrent(graph, sites=sites)


def build_recurrent(
    graph: EdgeGraph,
    plan: RecurrentPlan,
    options: CompileOptions,
    fingerprint: bytes,
    draw: bool,
) -> RecurrentEdgeModel:
    """Return the model of a plan, its weights drawn from torch's generator if ``draw``."""
    own = Recurrent(**options.own)
    is_steady = options.steps == CONVERGE
    if is_steady and not own.share_weights:
        raise Edge2TorchError(
            "share_weights=False means nothing to steps='converge', which repeats one step."
        )
    n_steps = 1 if is_steady else cast(int, options.steps)
    n_cells = 1 if own.share_weights else n_steps
    model = RecurrentEdgeModel(
        [_cell(graph, plan, options, own, draw=draw) for _ in range(n_cells)],
        [StepBlock(plan.n_inputs) for _ in range(n_steps)],
        outputs=plan.outputs,
        in_features=plan.n_inputs,
        is_cyclic=plan.is_cyclic,
        fingerprint=fingerprint,
        solver=SteadySolver(own.tolerance, own.max_steps, own.gradient) if is_steady else None,
        engine=options.engine,
    )
    if draw:
        if not is_steady:
            _check_reach(graph, plan, n_steps)
        if not (is_steady and _calm(graph, plan, model)):
            _check_growth(graph, plan, model, None if is_steady else n_steps)
    return model


def _cell(
    graph: EdgeGraph,
    plan: RecurrentPlan,
    options: CompileOptions,
    own: Recurrent,
    *,
    draw: bool,
) -> GraphCell:
    shape = (len(plan.computed), len(plan.nodes))
    constraint, given = graph.constraint[plan.edges], graph.initial_weight[plan.edges]
    scale = _scale(graph, plan, options.init)
    choice = choose_kernel(len(plan.edges), shape[1], shape[0], kernel=cast(Any, options.kernel))

    def layer(codes: NDArray[np.int8], known: NDArray[np.float64]) -> MaskedLinear:
        linear = MaskedLinear(
            plan.rows, plan.columns, shape, bias=options.bias, constraint=codes, choice=choice
        )
        if draw:
            clear_of_zero = options.init == "sparse"
            linear.set_weights(draw_weights(scale, codes, known, clear_of_zero=clear_of_zero))
        return linear

    edges = layer(constraint, given)
    if own.cell == "linear":
        return GraphCell(edges, leak=own.leak)
    free, unknown = np.zeros_like(constraint), np.full_like(given, np.nan)
    return GraphCell(edges, gates=[layer(free, unknown), layer(free, unknown)])


def _scale(graph: EdgeGraph, plan: RecurrentPlan, init: str) -> NDArray[np.float64]:
    if init == "dense":
        return np.full(len(plan.edges), 1 / np.sqrt(max(len(plan.nodes), 1)))
    return scale_by_fan_in(graph)(plan.edges)


# ------------------------------------------------------------------ what can go wrong


def _check_reach(graph: EdgeGraph, plan: RecurrentPlan, steps: int) -> None:
    """Warn where the state has not travelled far enough for an input to matter."""
    late = plan.from_input[plan.outputs]
    unseen = plan.to_output[: plan.n_inputs]
    needed = np.concatenate([late, unseen[np.isfinite(unseen)]]).max()
    if needed <= steps:
        return
    parts = []
    if (late > steps).any():
        names = graph.names(graph.outputs[late > steps])
        parts.append(f"no input reaches {len(names)} output(s): {listing(names)}")
    if (mute := np.isfinite(unseen) & (unseen > steps)).any():
        names = graph.names(graph.inputs[mute])
        parts.append(f"{len(names)} input(s) reach no output: {listing(names)}")
    warn(f"Within steps={steps}, {'; '.join(parts)}. Use steps={int(needed)} or more.")


def _calm(graph: EdgeGraph, plan: RecurrentPlan, model: RecurrentEdgeModel) -> bool:
    """Scale drawn weights on cycles down, so that the model settles when training begins.

    Returns whether it is known to, so far as it is linear.
    """
    loops, edges = Loops.of(model), model.cell(0).edges
    is_drawn = np.isnan(graph.initial_weight[plan.edges]) & plan.is_cyclic
    if not is_drawn.any():
        return False
    weights = edges.edge_weights().detach()
    found = amplification(loops.pattern, weights[loops.edges], above=_START_RADIUS)
    if found is None or not found.radius > _START_RADIUS:
        return found is None or bool(np.isfinite(found.radius))
    drawn = torch.from_numpy(is_drawn)
    edges.set_weights(torch.where(drawn, weights * (_START_RADIUS / found.radius), weights))
    return bool(is_drawn[plan.is_cyclic].all())


def _check_growth(
    graph: EdgeGraph, plan: RecurrentPlan, model: RecurrentEdgeModel, steps: int | None
) -> None:
    """Warn where a linear model blows up along its cycles."""
    loops = Loops.of(model)
    weights = model.cell(0).edges.edge_weights().detach()
    harmless = 1.0 if steps is None else _GROWTH ** (1 / steps)
    found = amplification(loops.pattern, weights[loops.edges], above=harmless * (1 - _ROUNDING))
    if found is None:
        return
    radius = found.radius
    with np.errstate(over="ignore"):  # no number is too large to be told of
        growth = np.inf if steps is None and radius >= 1 else np.float64(radius) ** (steps or 1)
    if growth <= _GROWTH:
        return
    most = found.share.argsort(descending=True)[:5].cpu().numpy()
    names = graph.names(plan.computed[loops.nodes[most]])
    over = "without end" if steps is None else f"{growth:.1g}-fold in steps={steps}"
    warn(
        f"Without an activation the values grow {over}: the spectral radius of the cycles is "
        f"{'at most ' if found.is_bound else ''}{radius:.3g}, most at {listing(names)}. Give smaller initial weights, a leak, or a "
        "bounded node_activation; edge2torch.interpret.cycles(model, artifact) shows every cycle."
    )
