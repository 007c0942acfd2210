"""Where in a model the values of named nodes can be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.hooks import hooked
from edge2torch.compile import CompileArtifact
from edge2torch.interpret._engines._probe import Probe
from edge2torch.nn import CompiledModel, RecurrentEdgeModel


@dataclass(frozen=True)
class Site:
    """A module whose output is the values of named nodes: (b, n), or (b, n, c) with channels.

    ``is_update`` marks the update that leads to a steady state, where a node's value is what it
    brings: where a leak or a gate lets a share of that in, the rest only stays where it was.
    ``units`` (n,) counts the columns of each node, side by side; None for one each.
    """

    name: str
    module: nn.Module
    nodes: list[str]
    is_update: bool = False
    units: NDArray[np.int64] | None = None

    @property
    def columns(self) -> list[str]:
        """The node of each column."""
        if self.units is None:
            return self.nodes
        return list(np.repeat(np.array(self.nodes, object), self.units).tolist())

    def share(self, inputs: tuple[Any, ...]) -> Tensor | None:
        """Return which share (b, n) of the values is new, by the arguments of the module."""
        if not self.is_update or inputs[2] is None:
            return None
        state, drive, rate = inputs
        held = state.new_ones(len(state), state.shape[1] - drive.shape[1])
        return torch.cat([held, torch.ones_like(drive) * rate], 1).detach()


def find_sites(probe: Probe, base: CompiledModel, artifact: CompileArtifact) -> list[Site]:
    """Return the inputs as layer_0, then every layer or step of the model."""
    inputs = Site("layer_0", probe.entry, artifact.feature_names)
    names = artifact.node_names_by_site
    several = artifact.unit_graph is not None
    units = {
        n: np.array(artifact.units[own], np.int64) if several else None for n, own in names.items()
    }
    inner = base.sites().items()
    return [inputs, *(Site(name, m, names[name], units=units[name]) for name, m in inner)]


def update_of(site: Site, base: CompiledModel) -> Site | None:
    """Return the update that leads to a steady state as a site; None for any other site."""
    if isinstance(base, RecurrentEdgeModel) and base.solver and site.module is base.steady:
        return replace(site, module=base.step_blocks[0], is_update=True)
    return None


@dataclass(frozen=True)
class Trace:
    """One run of a model: its output, each site's values, and what a gradient reaches.

    ``overwritten`` are modules whose output the model changed in place after they returned it.
    """

    output: Tensor
    values: dict[str, Tensor]
    reached: set[str]
    overwritten: frozenset[nn.Module]


def trace(probe: Probe, x: Tensor, sites: list[Site]) -> Trace:
    """Run the model once, and follow the gradient of its output back."""
    outputs: dict[nn.Module, tuple[Any, int]] = {}

    def keep(module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[module] = output, _version(output)

    with hooked({module: module for module in probe.modules()}, keep):
        y = probe(x.detach().requires_grad_())
    seen: dict[str, Tensor] = {
        site.name: outputs[site.module][0] for site in sites if site.module in outputs
    }
    tracked = {name: value for name, value in seen.items() if value.requires_grad}
    reached: set[str] = set()
    if y.requires_grad and tracked:
        gradients = torch.autograd.grad(y.sum(), list(tracked.values()), allow_unused=True)
        reached = {name for name, g in zip(tracked, gradients, strict=True) if g is not None}
    overwritten = frozenset(
        module for module, (output, was) in outputs.items() if _version(output) != was
    )
    values = {name: value.detach() for name, value in seen.items()}
    return Trace(y.detach(), values, reached, overwritten)


def _version(output: Any) -> int:
    """Return how often values were changed in place; tensors of inference mode do not count it."""
    return output._version if isinstance(output, Tensor) and not output.is_inference() else 0
