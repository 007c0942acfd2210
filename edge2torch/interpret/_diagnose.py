"""What a user should know about scores that are zero or not finite, and about a fresh model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.constraints import FIXED
from edge2torch._core.messages import listing, note, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._captum import by_captum
from edge2torch.interpret._engines._sites import Site, find_sites, update_of
from edge2torch.interpret._engines._task import Engine, OutputScores, Task
from edge2torch.interpret._engines._walk import Call, record_calls


def note_if_untrained(task: Task) -> None:
    """Say that a model looks as it was compiled: weights were drawn, and no bias has moved."""
    graph = task.artifact.graph
    rows = graph.active_rows
    drawn = np.isnan(graph.initial_weight[rows]) & (graph.constraint[rows] != FIXED)
    biases = [bias for bias in task.base.node_biases() if bias is not None]
    if drawn.any() and biases and not any(bool(bias.any()) for bias in biases):
        note(
            "All biases of the model are zero, as compile_graph leaves them. Has it been trained?",
            quiet=task.quiet,
        )


def are_finite(values: Iterable[Tensor]) -> bool:
    """Tell whether there is no NaN and no infinity among values."""
    return all(bool(one.isfinite().all()) for one in values)


def refuse_not_finite(task: Task, index: pd.Index) -> NoReturn:
    """Say in which layer values stop being finite, at which nodes, in which samples."""
    sites = _all_sites(task)
    with record_calls(task, [site.module for site in sites], with_gradients=False) as calls:
        task.probe.outputs(task.x)
    for call in calls:
        values = call.output if call.output.dim() == 2 else call.output.sum(2)
        if bool((bad := ~values.isfinite()).any()):
            site = sites[call.place]
            columns = site.columns
            nodes = list(dict.fromkeys(columns[k] for k in bad.any(0).nonzero().flatten().tolist()))
            samples = index[bad.any(1).cpu().numpy()]
            raise Edge2TorchError(
                f"model: values are not finite from {site.name} on, at {len(nodes)} node(s): "
                f"{listing(nodes)}; in {len(samples)} sample(s): {listing(samples)}. Did training "
                "diverge? Look at the weights with edge_weights(model, artifact)."
            )
    raise Edge2TorchError(
        f"{task.method.name} gave scores that are not finite, though all values of the nodes are. "
        "What follows the graph's outputs, or a gradient, leaves the range of "
        f"{task.x.dtype}: try model.double()."
    )


def warn_if_all_zero(task: Task, results: list[OutputScores]) -> None:
    """Say why nothing got a score."""
    for output, result in zip(task.outputs, results, strict=True):
        if any(bool(s.any()) for s in result.scores.values()):
            continue
        what = "" if output.label is None else f" for output {output.label!r}"
        warn(f"All scores of {task.method.name}{what} are zero: {_cause(task)}")


def warn_if_only_read(task: Task, engine: Engine) -> None:
    """Say that Captum's layers see of a steady state nothing but the reading of outputs."""
    if engine is not by_captum or not task.method.needs_output:
        return
    ends = {*task.artifact.feature_names, *task.artifact.output_names}
    steady = [site for site in task.sites if update_of(site, task.base)]
    if inside := [node for site in steady for node in site.nodes if node not in ends]:
        warn(
            f"{task.method.name} scores what is read from the steady state, so {len(inside)} "
            f"node(s) that are not outputs have 0: {listing(inside)}. Ask LayerConductance, "
            "LayerGradientXActivation or InternalInfluence without options of Captum's, "
            "NodeKnockout, or target='edges'."
        )


def _cause(task: Task) -> str:
    sites = _all_sites(task)
    start = torch.zeros_like(task.x) if task.baselines is None else task.baselines
    if task.method.baselines == "sample" and torch.equal(task.x, start):
        return "every sample equals its baseline. Pass other baselines."
    if not task.x.any():
        return "every sample is zero in every input."
    with record_calls(task, [s.module for s in sites], with_gradients=True) as calls:
        y = task.probe.outputs(task.x)
    total = sum(output.of(y, slice(None)).sum() for output in task.outputs)
    cut, alive = _cut_off(sites, calls, total)
    if not cut:
        return "the output is the same on all of the way. Are weights after it zero?"
    return (
        f"no change of {len(cut)} of {len(cut) + len(alive)} node(s) reaches the output: "
        f"{listing(cut)}. Likely a ReLU that no sample opens, a saturated activation, or weights "
        "of zero behind them."
    )


def _all_sites(task: Task) -> list[Site]:
    return find_sites(task.probe, task.base, task.artifact)


def _cut_off(
    sites: Sequence[Site], calls: list[Call], total: Tensor | int
) -> tuple[list[str], list[str]]:
    """Return the nodes by which the output has no gradient in any sample, and the others."""
    values = [call.output for call in calls]
    gradients: Sequence[Tensor | None] = [None] * len(values)
    if isinstance(total, Tensor) and total.requires_grad:
        gradients = torch.autograd.grad(total, values, allow_unused=True)
    reached: dict[str, bool] = {}
    for call, gradient in zip(calls, gradients, strict=True):
        nodes = sites[call.place].columns
        some = [False] * len(nodes)
        if gradient is not None:
            some = gradient.movedim(1, 0).flatten(1).any(1).tolist()
        for node, is_reached in zip(nodes, some, strict=True):
            reached[node] = reached.get(node, False) or is_reached
    return [n for n, ok in reached.items() if not ok], [n for n, ok in reached.items() if ok]
