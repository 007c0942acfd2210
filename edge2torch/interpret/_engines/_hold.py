"""Scores of nodes by changing their values: many nodes in one run, no gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.checks import check_number, is_number
from edge2torch._core.hooks import hooked
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._sites import Site, update_of
from edge2torch.interpret._engines._task import OutputScores, Part, Task, parts, with_progress
from edge2torch.interpret._engines._units import directions, first_of
from edge2torch.interpret._engines._walk import record_calls
from edge2torch.nn import layer_by_layer

_EPSILON = 1e-2
_WITHOUT_CHANNELS = 2  # dimensions of values (b, n)


@dataclass(frozen=True)
class Places:
    """Where the values of groups of columns are: group, site and column of each, (m,).

    A group is one node at one site, or nodes wherever they are computed.
    """

    group: Tensor
    site: Tensor
    column: Tensor
    n_groups: int
    n_sites: int

    @classmethod
    def of(cls, sites: Sequence[Site], *, by_site: bool) -> Places:
        """Number the nodes of all sites: anew at each, or alike where they have one name."""
        numbers: dict[Any, int] = {}
        group = [
            numbers.setdefault((k if by_site else None, node), len(numbers))
            for k, site in enumerate(sites)
            for node in site.columns
        ]
        sizes = torch.tensor([len(site.columns) for site in sites], dtype=torch.int64)
        site = torch.arange(len(sites)).repeat_interleave(sizes)
        column = torch.cat([torch.arange(size) for size in sizes.tolist()])
        return cls(torch.tensor(group, dtype=torch.int64), site, column, len(numbers), len(sites))

    @classmethod
    def of_groups(cls, sites: Sequence[Site], groups: Sequence[Sequence[str]]) -> Places:
        """Find the nodes of each group at all sites."""
        wanted = pd.DataFrame({"group": range(len(groups)), "node": groups}).explode("node")
        computed = [
            pd.DataFrame({"node": site.columns, "site": k, "column": range(len(site.columns))})
            for k, site in enumerate(sites)
        ]
        places = wanted.merge(pd.concat(computed), on="node")[["group", "site", "column"]]
        group, site, column = torch.from_numpy(places.to_numpy(np.int64).T.copy())
        return cls(group, site, column, len(groups), len(sites))

    def among(self, items: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield for each site the groups of a slice, counted from its start, and their columns."""
        inside = (self.group >= items.start) & (self.group < items.stop)
        for k in range(self.n_sites):
            here = inside & (self.site == k)
            yield self.group[here] - items.start, self.column[here]


@layer_by_layer()
def by_holding(task: Task) -> list[OutputScores]:
    """Return what each node's change does to the outputs, at each site or wherever it is."""
    task = with_update_sites(task)
    places = Places.of(task.sites, by_site=task.by_site)
    totals = [task.x.new_zeros(len(task.x), places.n_groups) for _ in task.outputs]
    is_difference = task.method.name == "NodeDifference"
    shifts: Sequence[float | None] = _shifts(task) if is_difference else [None]
    values = None if is_difference else values_to_hold(task)
    unchanged = task.outputs_at(task.x)
    if is_difference and any(site.units is not None for site in task.sites):
        return _along_gradients(task, places, _shifts(task))
    for part in with_progress(task, parts(task, places.n_groups)):
        for shift in shifts:
            y = run_changed(task, places, part, values, shift)
            for output, full, total in zip(task.outputs, unchanged, totals, strict=True):
                new = output.of(y.flatten(0, 1), part.samples).view(len(y), -1).T
                here = total[part.samples, part.items]
                if shift is None:
                    here -= change_when_held(new, full[part.samples, None])
                else:
                    here += new / (2 * shift)
    return [_scores_by_site(task.sites, places, total.cpu()) for total in totals]


def _along_gradients(task: Task, places: Places, shifts: Sequence[float]) -> list[OutputScores]:
    """Return the slope along each node's own gradient, whatever directions its units stand for."""
    results = []
    for output in task.outputs:
        modules = [site.module for site in task.sites]
        with record_calls(task, modules, with_gradients=True) as calls:
            y = output.of(task.probe.outputs(task.x), slice(None)).sum()
        values = [call.output for call in calls]
        found = torch.autograd.grad(y, values, allow_unused=True)
        ways = [
            directions(task.sites[call.place], torch.zeros_like(v) if g is None else g)
            for call, v, g in zip(calls, values, found, strict=True)
        ]
        total = task.x.new_zeros(len(task.x), places.n_groups)
        for part in with_progress(task, parts(task, places.n_groups)):
            for shift in shifts:
                own = [way[part.samples] for way in ways]
                new = output.of(
                    run_changed(task, places, part, None, shift, own).flatten(0, 1), part.samples
                )
                steps = part.items.stop - part.items.start
                total[part.samples, part.items] += new.view(steps, -1).T / (2 * shift)
        results.append(_scores_by_site(task.sites, places, total.cpu()))
    return results


def change_when_held(held: Tensor, unchanged: Tensor) -> Tensor:
    """Return what holding nodes does to outputs: what ``knock_out`` reports.

    An attribution says what a node adds to the output, so NodeKnockout's score is minus this.
    """
    return held - unchanged


def run_changed(
    task: Task,
    places: Places,
    part: Part,
    values: list[Tensor] | None,
    shift: float | None = None,
    ways: Sequence[Tensor] | None = None,
) -> Tensor:
    """Return all outputs (groups, b, o) of a part's samples, each of its groups changed in turn.

    A shift goes along the ``ways`` (b, columns) of each site, or adds the same to every value.
    """
    n_groups = part.items.stop - part.items.start
    change = partial(_change, values, shift, n_groups, ways)
    with torch.no_grad(), _changed(task.sites, list(places.among(part.items)), change):
        x = task.x[part.samples].repeat(n_groups, 1)
        y: Tensor = task.probe.outputs(x).unflatten(0, (n_groups, -1))
    return y


def with_update_sites(task: Task) -> Task:
    """Return a task in which what settles is changed while it does."""
    return replace(task, sites=[update_of(site, task.base) or site for site in task.sites])


def _scores_by_site(sites: Sequence[Site], places: Places, total: Tensor) -> OutputScores:
    of_sites = places.group.split([len(site.columns) for site in sites])
    return OutputScores(
        {
            site.name: first_of(site, total[:, groups])
            for site, groups in zip(sites, of_sites, strict=True)
        },
        {},
    )


def _shifts(task: Task) -> list[float]:
    epsilon = task.call.get("epsilon", _EPSILON)
    size = check_number("attribute_kwargs['epsilon']", epsilon, above=0)
    return [size, -size]


def check_value(argument: str, value: object) -> None:
    """Refuse what no node can be held at."""
    is_known = isinstance(value, Mapping | pd.Series) or value == "mean" or is_number(value)
    if not is_known:
        raise Edge2TorchError(
            f"{argument} must be a number, 'mean', or a Series or mapping with a number for every "
            f"node, found {value!r}."
        )


def values_to_hold(task: Task) -> list[Tensor]:
    """Return what the nodes of each site are held at: a number, one for each, or their means."""
    value = task.call.get("value", 0.0)
    check_value("attribute_kwargs['value']", value)
    if isinstance(value, Mapping | pd.Series):
        return _by_name(pd.Series(value), task)
    if value != "mean":
        return [task.x.new_tensor(float(value))] * len(task.sites)
    with record_calls(task, [site.module for site in task.sites], with_gradients=False) as calls:
        task.probe.outputs(task.x)
    means: Mapping[int, Tensor] = {call.place: call.output.mean(0) for call in calls}
    return [means[k] for k in range(len(task.sites))]


def _by_name(value: pd.Series[Any], task: Task) -> list[Tensor]:
    """Return each site's numbers, (n,) or, for nodes with channels, (n, 1)."""
    wanted = pd.Index([node for site in task.sites for node in site.nodes]).unique()
    given = pd.to_numeric(value[~value.index.duplicated()], errors="coerce").reindex(wanted)
    if lost := given.index[~np.isfinite(given.to_numpy(np.float64))].tolist():
        raise Edge2TorchError(
            f"attribute_kwargs['value'] has no number for {listing(lost)}. Give one for every node "
            "that is held, such as a row of edge2torch.activations(model, artifact, data)."
        )
    like = task.x if task.x.is_floating_point() else task.x.float()
    held = (like.new_tensor(given[site.columns].to_numpy(np.float64)) for site in task.sites)
    return [
        numbers[:, None] if task.dims[site.name] > _WITHOUT_CHANNELS else numbers
        for site, numbers in zip(task.sites, held, strict=True)
    ]


def _change(
    values: list[Tensor] | None,
    shift: float | None,
    n_groups: int,
    ways: Sequence[Tensor] | None,
    place: int,
    chosen: tuple[Tensor, Tensor],
    output: Tensor,
    share: Tensor | None,
) -> Tensor:
    """Return values (groups * b, n) or (..., n, c), in which the nodes of each group are changed in turn.

    Of a shift only a ``share`` (groups * b, n) takes place, if one is given.
    """
    groups, columns = (index.to(output.device) for index in chosen)
    if not len(groups):
        return output
    by_group = partial(_by_group, n_groups=n_groups)  # (groups, n[, c], b)
    rows = by_group(output).clone()  # nothing is changed in place: others may hold the output too
    if values is None:
        portion: Any = 1.0 if share is None else by_group(share)[groups, columns]
        if ways is not None:
            portion = portion * ways[place].t()[columns]
        rows[groups, columns] += cast(float, shift) * portion
    else:
        held = values[place]
        rows[groups, columns] = (held[columns].unsqueeze(-1) if held.dim() else held).to(rows.dtype)
    changed: Tensor = rows.movedim(-1, 1).flatten(0, 1)
    return changed


def _by_group(rows: Tensor, n_groups: int) -> Tensor:
    seen: Tensor = rows.unflatten(0, (n_groups, -1)).movedim(1, -1)
    return seen


@contextmanager
def _changed(
    sites: Sequence[Site], chosen: Sequence[tuple[Tensor, Tensor]], change: Any
) -> Iterator[None]:
    def act(place: int, inputs: Any, output: Tensor) -> Any:
        return change(place, chosen[place], output, sites[place].share(inputs))

    with hooked({place: site.module for place, site in enumerate(sites)}, act):
        yield
