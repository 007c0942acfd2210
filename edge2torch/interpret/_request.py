"""From a user's request to a task, with the model held still meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch._core.checks import check_choice, check_flag
from edge2torch._core.messages import listing
from edge2torch._core.wrappers import unwrap
from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._arguments import check_kwargs, check_size, warn_of_gradients
from edge2torch.interpret._diagnose import are_finite, refuse_not_finite
from edge2torch.interpret._engines import arguments_of
from edge2torch.interpret._engines._probe import Probe, eval_mode
from edge2torch.interpret._engines._sites import Site, find_sites, trace
from edge2torch.interpret._engines._task import Task
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._outputs import choose_outputs, output_names
from edge2torch.interpret._samples import read_baselines, read_samples
from edge2torch.nn import Hold

NODE_CHOICES = ("non_input", "hidden", "inputs", "all")


@dataclass(frozen=True)
class Request:
    """What a user wants to know, checked as far as that goes without data."""

    row: AttributionMethod
    output: Any = None
    baselines: Any = None
    nodes: str | Sequence[str] = "non_input"
    by_site: bool = False
    by_sample: bool = False
    by_unit: bool = False
    delta: bool = False
    constructor: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    hold: Hold | Sequence[Hold] | None = None
    seed: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.nodes, str):
            check_choice("nodes", self.nodes, NODE_CHOICES)
        for name in ("by_site", "by_sample", "by_unit", "delta", "quiet"):
            check_flag(name, getattr(self, name))
        if self.by_unit and not _adds_up(self.row):
            able = [m.name for m in METHODS.values() if _adds_up(m)]
            raise Edge2TorchError(
                f"by_unit: {self.row.name} of {self.row.target} does not add up over a node's units. These do, "
                f"for target='nodes': {listing(able, len(able))}."
            )
        if self.delta and not self.row.delta:
            able = [m.name for m in METHODS.values() if m.delta and m.target == self.row.target]
            raise Edge2TorchError(
                f"delta: {self.row.name} has none. For target "
                f"{self.row.target!r} these have: {listing(able, len(able)) or 'none'}."
            )
        # to know what a method of Captum's takes loads Captum, half a second that ours do without
        if self.constructor or self.call or self.row.package:
            check_kwargs(self.row, self.constructor, self.call, arguments_of(self.row))


def _adds_up(row: AttributionMethod) -> bool:
    """Whether a node's score is the sum of its units'."""
    is_shared_out = row.target == "nodes" and row.by_gradient
    return is_shared_out and row.name != "InternalInfluence"  # the gradient's length


@contextmanager
def prepared_task(
    request: Request, model: nn.Module, artifact: CompileArtifact, data: Any
) -> Iterator[tuple[Task, list[Site], pd.Index]]:
    """Yield the task, the sites that are to be in the answer, and the data's index."""
    row = request.row
    base = find_edge_model(model, artifact)
    warn_of_gradients(row, model)
    like = next(base.parameters(), torch.empty(0))  # inputs that are read as they are
    probe = Probe(unwrap(model), _held_alike(request, unwrap(model), like))
    with torch.inference_mode(False):
        x, index = read_samples(data, artifact, like)
        check_size(row, x, request.call.get("feature_mask"))
        against = read_baselines(request.baselines, row, x, index, artifact, request.seed)
        with eval_mode(probe, request.seed):
            sites = find_sites(probe, base, artifact)
            seen = trace(probe, x[:1], sites)
            wanted = _wanted(request, sites, artifact)
            names = output_names(probe.model, base, artifact, seen.output.shape[1])
            chosen, call = (request.output, request.call) if row.needs_output else (0, {})
            task = Task(
                method=row,
                probe=probe,
                base=base,
                artifact=artifact,
                sites=[s for s in wanted if s.name in seen.reached or not row.by_gradient],
                x=x,
                outputs=choose_outputs(chosen, call, names, seen.output.shape[1], len(x)),
                baselines=against,
                constructor=request.constructor,
                call={name: v for name, v in request.call.items() if name != "target"},
                dims={name: value.dim() for name, value in seen.values.items()},
                row_bytes=x.element_size() * sum(v.numel() for v in seen.values.values()),
                overwritten=seen.overwritten,
                delta=bool(request.delta),
                by_sample=request.by_sample,
                by_site=request.by_site,
                by_unit=request.by_unit,
                quiet=bool(request.quiet),
            )
            if not are_finite(seen.values.values()):
                refuse_not_finite(task, index)
            yield task, wanted, index


def _held_alike(request: Request, model: nn.Module, like: torch.Tensor) -> list[Hold]:
    """Return holds of one row each, after checking that the model takes them, alike in all samples."""
    if request.hold is None:
        return []
    holds = [request.hold] if isinstance(request.hold, Hold) else list(request.hold)
    if not all(isinstance(one, Hold) and len(one.share) for one in holds):
        raise Edge2TorchError(
            "hold must be a Hold or several: artifact.hold(nodes, 1, share) makes one."
        )
    takes = signature(model.forward).parameters
    if "hold" not in takes and not any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        raise Edge2TorchError(
            f"hold: forward of {type(model).__name__} takes none. Recurrent models and graph neural "
            "networks do; knock_out holds nodes of any model."
        )
    if "LRP" in request.row.name:
        raise Edge2TorchError(
            f"hold: {request.row.name} hands relevance on along edges, held or not. Choose a method "
            "that follows gradients, such as LayerConductance."
        )
    for one in holds:
        parts = [one.share, one.value, *([] if one.shift is None else [one.shift])]
        if not all(bool((part == part[:1]).all()) for part in parts):
            raise Edge2TorchError(
                "hold: samples are explained under one and the same hold, and these rows differ. Call "
                "for each set of alike samples, with hold.of(slice(k, k + 1)) of one of them."
            )
    return [one.of(slice(0, 1)).to(like) for one in holds]


def _wanted(request: Request, sites: list[Site], artifact: CompileArtifact) -> list[Site]:
    """Return the sites that have nodes to be scored."""
    if request.row.target == "features":
        return sites[:1]
    if request.row.target == "edges":
        return []
    if isinstance(request.nodes, str):
        # layer_0 is the inputs; later sites may hold them too, as a recurrent model's state does
        return sites if request.nodes in ("inputs", "all") else sites[1:]
    names = set(known_nodes(request.nodes, artifact))
    return [site for site in sites if not names.isdisjoint(site.nodes)]


def nodes_by_choice(
    choice: str, nodes_by_site: Iterable[Sequence[str]], artifact: CompileArtifact
) -> list[str]:
    """Return the nodes that a word for ``nodes`` means, of those that a model computes."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(nodes_by_site)))
    inputs, outputs = set(artifact.feature_names), set(artifact.output_names)
    left_out = {
        "all": set[str](),
        "non_input": inputs,
        "hidden": inputs | outputs,
        "inputs": set(names) - inputs,
    }[choice]
    return [name for name in names if name not in left_out]


def known_nodes(names: Sequence[str], artifact: CompileArtifact) -> list[str]:
    """Return names of nodes after checking that they are; unknown ones get the nearest."""
    wanted = [str(name).strip() for name in names]
    return artifact.graph.names(np.unique(artifact.graph.numbers(wanted, "nodes")))
