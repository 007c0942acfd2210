"""Ask Captum, or a class that results as one of its own would, in chunks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from edge2torch._core.hooks import hooked, recorded
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._probe import Entry, Probe
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._engines._task import (
    OutputScores,
    Task,
    evaluations_at_once,
    progress_bar,
)
from edge2torch.interpret._engines._units import first_direction, first_of, norms, summed
from edge2torch.interpret._method import AttributionMethod
from edge2torch.nn import GivenOther

_ROWS_OF_FITS = 32  # one fit per sample: small chunks keep the progress bar moving
_USED_AGAIN = ("being used more than once", "cannot register a hook on a tensor that doesn't")


def load_engine(method: AttributionMethod) -> Any:
    """Return the class that computes a method: the row's own, or Captum's of that name."""
    if method.package:
        require(method.package, extra="modules")
    if isinstance(method.engine, type):
        return method.engine
    return getattr(require("captum.attr"), method.name)


def by_captum(task: Task) -> list[OutputScores]:
    """Return the method's scores (b, n) and convergence deltas (b,) by site, output by output."""
    results = []
    for output in task.outputs:
        columns = None
        if task.method.needs_output:
            columns = task.probe.select_output(output.column, task.x.device)
        task.probe.is_summed = task.method.cost in {"steps", "samples"} and not task.delta
        results.append(_attribute(task, columns))
    return results


def _attribute(task: Task, columns: Tensor | None) -> OutputScores:
    rows, batching = _plan_chunks(task)
    starts = range(0, len(task.x), rows)
    scores: dict[str, list[Tensor]] = {site.name: [] for site in task.sites}
    deltas: dict[str, list[Tensor]] = {site.name: [] for site in task.sites}
    with progress_bar(task, len(starts) * len(task.sites)) as bar:
        for start in starts:
            chunk = slice(start, min(start + rows, len(task.x)))
            chosen = None if columns is None else columns[chunk]
            for site in task.sites:
                score, delta = _attribute_chunk(task, site, chunk, chosen, batching)
                scores[site.name].append(score)
                if delta is not None:
                    deltas[site.name].append(delta)
                bar.update()
    return OutputScores(
        {name: torch.cat(parts) for name, parts in scores.items()},
        {name: torch.cat(parts) for name, parts in deltas.items() if parts},
    )


def _attribute_chunk(
    task: Task, site: Site, chunk: slice, columns: Tensor | None, batching: Mapping[str, int]
) -> tuple[Tensor, Tensor | None]:
    x = task.x[chunk].detach().requires_grad_(task.method.by_gradient)
    arguments = _arguments(task, site, chunk, batching)
    if columns is not None:
        arguments["additional_forward_args"] = (columns,)
    try:
        with _seen_at(task, site) as layer, _hooked_beside(task):
            explainer = load_engine(task.method)(task.probe, *layer, **task.constructor)
            result = explainer.attribute(x, **arguments)
    except RuntimeError as error:
        if not any(said in str(error) for said in _USED_AGAIN):
            raise
        raise Edge2TorchError(
            f"{task.method.name} needs a module of its own for every use of an activation, and "
            "model uses one several times (steps='converge' does). Use IntegratedGradients or "
            "LayerConductance."
        ) from error
    score, delta = result if task.delta else (result, None)
    if not isinstance(score, Tensor) or score.shape[:2] != (len(x), len(site.columns)):
        found = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
        raise Edge2TorchError(
            f"{task.method.name} returned {found} for {len(x)} sample(s) and {len(site.columns)} "
            "name(s). Leave out constructor_kwargs and attribute_kwargs that change the shape."
        )
    if score.dim() == 3:  # gradients of a node's channels add up; the others are alike or a mean
        score = score.sum(2) if task.method.by_gradient else score.mean(2)
    score = score if task.by_unit else _by_node(task, site, score)
    if delta is not None:  # methods with a set have one per pair: their mean is the sample's own
        delta = delta.detach().reshape(len(x), -1).mean(1).cpu()
    return score.detach().to("cpu", x.dtype), delta  # some methods of Captum compute in float32


def _by_node(task: Task, site: Site, score: Tensor) -> Tensor:
    """Join the scores of a node's units: shares of the output add up, a change has them all at once."""
    if task.method.name == "LayerActivation":
        return first_direction(site, score, score.new_zeros(len(score)))[0]
    if task.method.name == "InternalInfluence":
        return norms(site, score)
    return (summed if task.method.by_gradient else first_of)(site, score)


@contextmanager
def _seen_at(task: Task, site: Site) -> Iterator[tuple[nn.Module, ...]]:
    """Yield the layer to hand to Captum, which keeps its values and starts gradients at them."""
    if task.method.target == "features":
        yield ()
    elif site.module not in task.overwritten:
        yield (site.module,)
    else:  # what the model changes in place is a copy
        relay = Entry()
        with hooked({site.name: site.module}, lambda _name, _inputs, output: relay(output).clone()):
            yield (relay,)


@contextmanager
def _hooked_beside(task: Task) -> Iterator[None]:
    """Let gradients through the branch of a partner that is held: DeepLift hooks every activation."""
    held = [part.row for part in task.probe.modules() if isinstance(part, GivenOther)]
    held = held if "DeepLift" in task.method.name else []
    try:
        for row in held:
            row.requires_grad_(True)
        yield
    finally:
        for row in held:
            row.requires_grad_(False)


def _arguments(task: Task, site: Site, chunk: slice, batching: Mapping[str, int]) -> dict[str, Any]:
    method = task.method
    n_features = task.x.shape[1]
    arguments: dict[str, Any] = {
        name: value(n_features) if callable(value) else value
        for name, value in method.defaults.items()
    }
    arguments.update(batching)
    if method.target == "nodes" and method.cost == "features":  # a node with all its channels
        nodes = torch.arange(len(site.nodes), device=task.x.device)
        if site.units is not None:
            nodes = nodes.repeat_interleave(torch.from_numpy(site.units).to(nodes))
        arguments["layer_mask"] = nodes.reshape(1, -1, *[1] * (task.dims[site.name] - 2))
    arguments.update({name: _cut(name, v, chunk) for name, v in task.call.items()})
    if task.delta:
        arguments["return_convergence_delta"] = True
    if task.baselines is not None:
        if method.baselines == "set":
            arguments["baselines"] = task.baselines
        elif method.baselines == "layer":
            arguments["layer_baselines"] = _values_at(task.probe, site, task.baselines[chunk])
        else:
            arguments["baselines"] = task.baselines[chunk]
    return arguments


def _cut(name: str, value: Any, chunk: slice) -> Any:
    """Return the chunk's part of a mask that has a row for every sample."""
    is_mask = name in {"feature_mask", "layer_mask"} and isinstance(value, Tensor)
    return value[chunk] if is_mask and value.dim() == 2 and len(value) > 1 else value


@torch.no_grad()
def _values_at(probe: Probe, site: Site, x: Tensor) -> Tensor:
    with recorded({site.name: site.module}) as seen:
        probe(x)
    return seen[site.name][0]


def _plan_chunks(task: Task) -> tuple[int, dict[str, int]]:
    """Return how many samples to attribute together, and Captum's word for what that leaves."""
    method, n_samples = task.method, len(task.x)
    in_flight = evaluations_at_once(task)
    evaluations = _evaluations(task)
    rows = min(max(1, in_flight // evaluations), n_samples)
    if method.cost == "fits":
        rows = min(rows, _ROWS_OF_FITS)
    if method.between_samples:
        rows = n_samples
    if method.batch == "perturbations_per_eval":
        return rows, {method.batch: max(1, min(evaluations, in_flight // rows))}
    needs_parts = method.batch and rows * evaluations > in_flight
    return rows, {method.batch: in_flight} if needs_parts else {}


def _evaluations(task: Task) -> int:
    """Return how many times the model sees each sample at once, if memory allows."""
    n_features = task.x.shape[1]
    settings = {**task.method.defaults, **task.call}
    count: Any = 1
    if task.method.cost == "steps":
        count = settings.get("n_steps", 1) + 1
    elif task.method.cost in {"samples", "fits"}:
        count = settings.get("n_samples", 1)
    elif task.method.cost == "features":
        count = task.width
    elif task.method.cost == "set" and task.baselines is not None:
        count = 2 * len(task.baselines)
    return int(count(n_features) if callable(count) else count)
