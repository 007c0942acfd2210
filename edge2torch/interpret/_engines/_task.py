"""What every engine is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact
from edge2torch.interpret._engines._probe import Probe
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._outputs import Output
from edge2torch.nn import CompiledModel


@dataclass(frozen=True)
class Task:
    """Everything that is the same for all samples, sites and outputs.

    ``dims`` are the dimensions of each site's values (3 where nodes have channels), ``row_bytes``
    what all sites' values of one sample take. ``overwritten`` are modules whose output the model
    changes in place, so that who keeps it has to hand a copy on.
    """

    method: AttributionMethod
    probe: Probe
    base: CompiledModel
    artifact: CompileArtifact
    sites: list[Site]
    x: Tensor
    outputs: list[Output]
    baselines: Tensor | None
    constructor: Mapping[str, Any]
    call: Mapping[str, Any]
    dims: Mapping[str, int]
    row_bytes: int
    overwritten: frozenset[nn.Module]
    delta: bool
    by_sample: bool
    by_site: bool
    quiet: bool

    @property
    def width(self) -> int:
        """How many things are scored in one evaluation of the method."""
        return max((len(site.nodes) for site in self.sites), default=1)

    def outputs_at(self, x: Tensor) -> list[Tensor]:
        """Return the explained outputs (b,) of samples x (b, i), or of one row for all."""
        with torch.no_grad():
            y = self.probe.outputs(x)
            return [output.of(y, slice(None)) for output in self.outputs]


@dataclass(frozen=True)
class OutputScores:
    """Scores of one output by site, (b, n), and their convergence deltas, (b,).

    For edges there is one site, ``"edges"``, with (e,) or (b, e) over the edge table's rows.
    """

    scores: Mapping[str, Tensor]
    deltas: Mapping[str, Tensor]


Engine = Callable[[Task], list[OutputScores]]
