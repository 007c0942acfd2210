"""Products between edges and nodes that have several channels.

An edge carries one number, a node carries ``c``. Edges are grouped by the exact number that
their node has, so that each group is one batched matrix product without padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class DegreeBuckets:
    """Edges in the order of their nodes' degrees.

    Parameters
    ----------
    edge_order : ndarray of int64, shape (e,)
        Edge numbers, bucket by bucket, the edges of a node side by side.
    node_order : ndarray of int64, shape (n,)
        Node numbers, bucket by bucket; nodes without edges come last.
    buckets : tuple of (int, int)
        Number of nodes and their degree, in order; degree 0 is left out.

    Examples
    --------
    >>> import numpy as np
    >>> buckets = degree_buckets(np.array([1, 1, 0, 2]), n_nodes=4)
    >>> buckets.buckets, buckets.node_order.tolist(), buckets.edge_order.tolist()
    (((2, 1), (1, 2)), [0, 2, 1, 3], [2, 3, 0, 1])
    """

    edge_order: NDArray[np.int64]
    node_order: NDArray[np.int64]
    buckets: tuple[tuple[int, int], ...]

    @property
    def n_idle(self) -> int:
        """Nodes without edges."""
        return len(self.node_order) - sum(count for count, _ in self.buckets)


def degree_buckets(node: NDArray[np.integer], n_nodes: int) -> DegreeBuckets:
    """Group edges by the number of edges that their node has.

    Parameters
    ----------
    node : ndarray of int, shape (e,)
        The node that each edge belongs to.
    n_nodes : int
        How many nodes there are.

    Returns
    -------
    DegreeBuckets

    Examples
    --------
    >>> import numpy as np
    >>> degree_buckets(np.array([0, 0, 0]), n_nodes=1).buckets
    ((1, 3),)
    """
    degree = np.bincount(node, minlength=n_nodes)
    last = np.where(degree == 0, np.iinfo(np.int64).max, degree)
    node_order = np.argsort(last, kind="stable")
    place = np.empty(n_nodes, np.int64)
    place[node_order] = np.arange(n_nodes)
    degrees, counts = np.unique(degree[degree > 0], return_counts=True)
    buckets = tuple(zip(counts.tolist(), degrees.tolist(), strict=True))
    return DegreeBuckets(np.argsort(place[node], kind="stable"), node_order, buckets)


def edges_to_nodes(weight: Tensor, x: Tensor, buckets: DegreeBuckets) -> Tensor:
    """Sum each node's edges into its channels.

    Parameters
    ----------
    weight : Tensor, shape (e, c)
        In ``edge_order``.
    x : Tensor, shape (e, b)
        Edge values in ``edge_order``.
    buckets : DegreeBuckets
        How edges meet nodes.

    Returns
    -------
    Tensor, shape (n, c, b)
        In ``node_order``; zero for nodes without edges.

    Examples
    --------
    >>> import numpy as np, torch
    >>> buckets = degree_buckets(np.array([0, 0]), n_nodes=1)
    >>> edges_to_nodes(torch.ones(2, 1), torch.tensor([[1.0], [2.0]]), buckets)
    tensor([[[3.]]])
    """
    channels, batch = weight.shape[1], x.shape[1]
    sizes = [count * degree for count, degree in buckets.buckets]
    parts = [
        torch.bmm(w.view(count, degree, channels).transpose(1, 2), v.view(count, degree, batch))
        for (count, degree), w, v in zip(
            buckets.buckets, weight.split(sizes), x.split(sizes), strict=True
        )
    ]
    if buckets.n_idle:
        parts.append(x.new_zeros(buckets.n_idle, channels, batch))
    return torch.cat(parts)


def nodes_to_edges(weight: Tensor, h: Tensor, buckets: DegreeBuckets) -> Tensor:
    """Give each edge the weighted sum of its node's channels.

    Parameters
    ----------
    weight : Tensor, shape (e, c)
        In ``edge_order``.
    h : Tensor, shape (n, c, b)
        Node values in ``node_order``.
    buckets : DegreeBuckets
        How edges meet nodes.

    Returns
    -------
    Tensor, shape (e, b)
        In ``edge_order``.

    Examples
    --------
    >>> import numpy as np, torch
    >>> buckets = degree_buckets(np.array([0, 0]), n_nodes=1)
    >>> nodes_to_edges(torch.tensor([[1.0], [10.0]]), torch.tensor([[[3.0]]]), buckets).tolist()
    [[3.0], [30.0]]
    """
    channels, batch = h.shape[1], h.shape[2]
    sizes = [count * degree for count, degree in buckets.buckets]
    counts = [count for count, _ in buckets.buckets]
    parts = [
        torch.bmm(w.view(count, degree, channels), v).view(count * degree, batch)
        for (count, degree), w, v in zip(
            buckets.buckets,
            weight.split(sizes),
            h[: sum(counts)].split(counts),
            strict=True,
        )
    ]
    return torch.cat(parts) if parts else h.new_zeros(0, batch)
