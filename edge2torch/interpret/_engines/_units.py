"""From scores of units to scores of nodes, so that mixing the units of a node changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from edge2torch.interpret._engines._sites import Site


def summed(site: Site, scores: Tensor) -> Tensor:
    """Return the sum over each node's units of scores (b, columns), (b, n)."""
    if site.units is None:
        return scores
    place = torch.from_numpy(np.repeat(np.arange(len(site.nodes)), site.units)).to(scores.device)
    return scores.new_zeros(len(scores), len(site.nodes)).index_add(1, place, scores)


def norms(site: Site, slopes: Tensor) -> Tensor:
    """Return the size of each node's gradient (b, n); with its sign where the node is one number."""
    if site.units is None:
        return slopes
    size = summed(site, slopes.square()).sqrt()
    return torch.where(_is_single(site, size), summed(site, slopes), size)


def first_of(site: Site, scores: Tensor) -> Tensor:
    """Return each node's score where all of its units have the same, (b, n)."""
    if site.units is None:
        return scores
    starts = np.cumsum(site.units) - site.units
    return scores[:, torch.from_numpy(starts).to(scores.device)]


def directions(site: Site, slopes: Tensor) -> Tensor:
    """Return slopes (b, columns) scaled to length 1 at each node; 1 where a node is one number."""
    if site.units is None:
        return torch.ones_like(slopes)
    length = summed(site, slopes.square()).sqrt()
    unit = torch.where(length > 0, length, torch.ones_like(length))
    place = torch.from_numpy(np.repeat(np.arange(len(site.nodes)), site.units)).to(slopes.device)
    single = _is_single(site, length)[place]
    return torch.where(single, torch.ones_like(slopes), slopes / unit[:, place])


def first_direction(site: Site, values: Tensor, against: Tensor) -> tuple[Tensor, Tensor]:
    """Return each node's position along its units' first principal direction, and its share.

    Of values (b, columns): (b, n), centred, with the sign that goes up with ``against`` (b,), and
    the share of variance (n,). A node of one unit is its value.
    """
    if site.units is None:
        return values, values.new_ones(values.shape[1])
    found = values.new_zeros(len(values), len(site.nodes))
    share = values.new_ones(len(site.nodes))
    goal = against.to(values.dtype) - against.to(values.dtype).mean()
    for nodes, own in _alike(site, values):
        if own.shape[2] == 1:
            found[:, nodes] = own[:, :, 0]
            continue
        centred = (own - own.mean(0)).transpose(0, 1)  # nodes, b, units
        power, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
        score = (centred @ vectors[:, :, -1:]).squeeze(2)
        side = torch.where((score * goal).sum(1) < 0, -1.0, 1.0).to(score)
        found[:, nodes] = (score * side[:, None]).t()
        total = power.sum(1)
        share[nodes] = torch.where(total > 0, power[:, -1] / total.clamp_min(1e-300), total)
    return found, share


def _is_single(site: Site, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(site.units) == 1).to(like.device)


def _alike(site: Site, values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the nodes of each number of units, and their values (b, nodes, units)."""
    units = np.asarray(site.units)
    starts = np.cumsum(units) - units
    for count in np.unique(units):
        nodes = np.flatnonzero(units == count)
        columns = (starts[nodes][:, None] + np.arange(count)).ravel()
        own = values[:, torch.from_numpy(columns).to(values.device)]
        yield torch.from_numpy(nodes).to(values.device), own.unflatten(1, (len(nodes), int(count)))
