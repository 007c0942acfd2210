"""Case (i): products between edges and nodes that have several channels, in three ways.

An edge carries one number, a node carries ``c``: edges to nodes, a tanh, nodes to edges.

sparse    what the library does: one scalar edge per edge and channel, by its own products
bucketed  edges grouped by the exact number that their node has, so that each group is one
          batched matrix product without padding
gathered  a row of the batch per edge and channel, then scatter-add

    python benchmarks/channels.py [--edges 20000 --channels 8 --batch 64 --threads 2]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.nn import EdgePattern


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


def sparse(node: NDArray[np.int64], n_nodes: int, c: int) -> Callable[..., Tensor]:
    """Edges to nodes and back, along e * c scalar edges each way."""
    edge, channel = np.divmod(np.arange(len(node) * c), c)
    slot = node[edge] * c + channel
    order = np.argsort(slot, kind="stable")
    into = EdgePattern(slot[order], edge[order], (n_nodes * c, len(node)), dense_from=math.inf)
    out = EdgePattern(edge, slot, (len(node), n_nodes * c), dense_from=math.inf)
    by_slot = torch.from_numpy(order)

    def run(first: Tensor, second: Tensor, x: Tensor) -> Tensor:
        h = into.product(first.flatten().index_select(0, by_slot), x.t()).tanh()
        return out.product(second.flatten(), h).t()

    return run


def bucketed(node: NDArray[np.int64], n_nodes: int, c: int) -> Callable[..., Tensor]:
    """The same by one ``bmm`` per degree."""
    del c
    buckets = degree_buckets(node, n_nodes)
    order = torch.from_numpy(buckets.edge_order)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))

    def run(first: Tensor, second: Tensor, x: Tensor) -> Tensor:
        h = edges_to_nodes(first[order], x.index_select(0, order), buckets).tanh()
        return nodes_to_edges(second[order], h, buckets).index_select(0, back)

    return run


def gathered(node: NDArray[np.int64], n_nodes: int, c: int) -> Callable[..., Tensor]:
    """The same by gathering, with an (e, c, b) temporary each way."""
    at = torch.from_numpy(node)

    def run(first: Tensor, second: Tensor, x: Tensor) -> Tensor:
        sent = first.unsqueeze(2) * x.unsqueeze(1)
        h = x.new_zeros(n_nodes, c, x.shape[1]).index_add(0, at, sent).tanh()
        return (second.unsqueeze(2) * h.index_select(0, at)).sum(1)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("edges", 20_000), ("nodes", 2_000), ("channels", 8), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    even = rng.integers(0, given.nodes, given.edges)
    tailed = np.minimum(rng.zipf(1.6, given.edges) - 1, given.nodes - 1)
    for title, node in (("even degrees", even), ("heavy-tailed degrees", tailed)):
        print(f"{title}: {given.edges} edges x {given.channels}, batch {given.batch}")
        report(node, given.nodes, given.channels, given.batch)


def report(node: NDArray[np.int64], n_nodes: int, c: int, batch: int) -> None:
    """Print milliseconds of forward and backward, medians of turns taken one after another."""
    torch.manual_seed(0)
    first, second = (torch.randn(len(node), c, requires_grad=True) for _ in range(2))
    x = torch.randn(len(node), batch, requires_grad=True)
    runs = {make.__name__: make(node, n_nodes, c) for make in (sparse, bucketed, gathered)}
    expected = runs["gathered"](first, second, x)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        torch.testing.assert_close(run(first, second, x), expected, rtol=1e-3, atol=1e-3)
    for _ in range(9):
        for name, run in runs.items():
            start = time.perf_counter()
            run(first, second, x).square().mean().backward()
            taken[name].append(time.perf_counter() - start)
    ours = statistics.median(taken["sparse"])
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        print(f"  {name:9}{middle * 1e3:9.2f} ms   x {middle / ours:.2f}")


if __name__ == "__main__":
    main()
