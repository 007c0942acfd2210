"""Where nodes stand and how many inputs lead to each, whether the graph has cycles or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from edge2torch.graph import distances, longest_path_layers


def layers_of(
    source: NDArray[np.int64], target: NDArray[np.int64], is_input: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the layer of each node (n,): by longest path; with cycles, by distance from the inputs."""
    layer = longest_path_layers(source, target, is_input)
    if (layer >= 0).all():
        return layer
    starts = np.flatnonzero(is_input) if is_input.any() else np.array([0])
    hops = distances(source, target, len(is_input), starts)
    return np.where(np.isfinite(hops), hops, -1).astype(np.int64)


def inputs_below(
    source: NDArray[np.int64], target: NDArray[np.int64], is_input: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how many inputs lead to each node (n,); none to an input that nothing leads to."""
    sets = _sets_below(source, target, is_input)
    return np.array([below.bit_count() for below in sets], np.int64)


def members_below(
    source: NDArray[np.int64], target: NDArray[np.int64], is_input: NDArray[np.bool_]
) -> list[list[int]]:
    """Return which inputs lead to each node, by number and in this order."""
    inputs = np.flatnonzero(is_input)
    members = []
    for below in _sets_below(source, target, is_input):
        size = (len(inputs) + 7) // 8
        bits = np.unpackbits(
            np.frombuffer(below.to_bytes(size, "little"), np.uint8), bitorder="little"
        )
        members.append(inputs[np.flatnonzero(bits[: len(inputs)])].tolist())
    return members


def _sets_below(
    source: NDArray[np.int64], target: NDArray[np.int64], is_input: NDArray[np.bool_]
) -> list[int]:
    """Inputs that lead to each node, as the bits of whole numbers.

    Joined along the edges between strong components, of which there are no cycles.
    """
    n = len(is_input)
    matrix = csr_array((np.ones(len(source), np.int8), (source, target)), (n, n))
    count, part = connected_components(matrix, connection="strong")
    part = part.astype(np.int64)
    size = np.bincount(part, minlength=count)
    own, below = [0] * count, [0] * count
    for k, node in enumerate(np.flatnonzero(is_input).tolist()):
        own[part[node]] |= 1 << k
    for k in np.flatnonzero(size > 1).tolist():
        below[k] = own[k]  # on a cycle every node leads to every other
    s, t = part[source], part[target]
    across = np.flatnonzero(s != t)
    order = longest_path_layers(s[across], t[across], np.ones(count, bool))
    # an edge is followed when all that leads to its source has been
    for row in across[np.argsort(order[s[across]], kind="stable")].tolist():
        below[t[row]] |= below[s[row]] | own[s[row]]
    return [below[k] for k in part.tolist()]
