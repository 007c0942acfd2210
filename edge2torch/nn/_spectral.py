"""How much a cycle amplifies: the spectral radius, with its derivative by every edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.messages import warn
from edge2torch.errors import Edge2TorchError
from edge2torch.nn._eigen import leading_eigenvalue
from edge2torch.nn._kernels import EdgePattern
from edge2torch.nn._recurrent import RecurrentEdgeModel

_EXACT = 1e-3  # relative gap up to which a radius is told as one


@dataclass(frozen=True, eq=False)
class Loops:
    """The edges on cycles, between the nodes on cycles alone.

    Parameters
    ----------
    pattern : EdgePattern
        From the nodes on cycles to themselves.
    edges : Tensor of int64
        Positions of these edges among all.
    nodes : ndarray of int
        Positions of these nodes among those that a step computes.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "h", "h"], "target": ["h", "h", "y"]})
    >>> model, _ = e2t.compile_graph(edges, backend="recurrent", quiet=True)
    >>> Loops.of(model).nodes.tolist()
    [0]
    """

    pattern: EdgePattern
    edges: Tensor
    nodes: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, model: RecurrentEdgeModel) -> Loops:
        """Return the loops of a model."""
        edges = np.flatnonzero(model.is_cyclic)
        layer = model.edge_layers()[0]
        rows = layer.row.cpu().numpy()[edges].astype(np.int64)
        columns = layer.col.cpu().numpy()[edges].astype(np.int64) - model.in_features
        nodes = np.unique(rows)
        places = np.searchsorted(nodes, rows), np.searchsorted(nodes, columns)
        pattern = EdgePattern(*places, (len(nodes), len(nodes)))
        device = layer.row.device
        return cls(pattern.to(device), torch.from_numpy(edges).to(device), nodes)


@dataclass(frozen=True, eq=False)
class Amplification:
    """By how much a matrix amplifies, and what each edge and node has to do with it.

    Parameters
    ----------
    eigenvalue : complex
        The largest by modulus; or a bound on it, where ``is_bound``.
    lower : float
        What the largest modulus is at least.
    slope : Tensor of complex128, shape (e,)
        Derivative of ``eigenvalue`` by the value of each edge.
    share : Tensor, shape (n,)
        How much each node takes part, summing to one.

    Examples
    --------
    >>> import numpy as np, torch
    >>> ring = EdgePattern(np.array([0, 1]), np.array([1, 0]), (2, 2))
    >>> found = amplification(ring, torch.tensor([2.0, 8.0]))
    >>> round(found.radius, 6), found.is_bound, found.share.tolist()
    (4.0, False, [0.5, 0.5])
    """

    eigenvalue: complex
    lower: float
    slope: Tensor
    share: Tensor

    @property
    def radius(self) -> float:
        """The spectral radius, or what it is at most."""
        return abs(self.eigenvalue)

    @property
    def is_bound(self) -> bool:
        """Whether the radius is known as a bound only, a thousandth or more above ``lower``."""
        return self.lower < (1 - _EXACT) * self.radius

    def modulus(self, weight: Tensor) -> Tensor:
        """Return the radius as a differentiable function of the weights (e,)."""
        moved = (weight - weight.detach()).double()
        slope = self.slope * (np.conj(self.eigenvalue) / self.radius)
        modulus: Tensor = self.radius + (slope.real * moved).sum()
        return modulus


def spectral_radius(model: nn.Module, *, signed: bool = True) -> Tensor:
    """Return by how much a step amplifies what runs along the cycles of a recurrent model.

    Below 1 a linear model settles; above, it grows with every step. The edges on cycles fall
    apart into strongly connected components, and each is solved by what suits it: a single cycle
    in closed form, a periodic one by what returns after a period, small ones by LAPACK, large ones
    by Arnoldi's method from both sides, weights of one sign with bounds (Collatz, Wielandt).
    Where a large component does not settle, the radius of the absolute values, which is at least
    as large, is returned with a warning that says so. The gradient comes from both eigenvectors;
    where the largest eigenvalue is a multiple one, it is that of one of them.

    Parameters
    ----------
    model : Module
        A model of ``backend="recurrent"``, customized or not.
    signed : bool
        The radius of the weights; or that of their absolute values, which is an upper bound and
        holds under every activation whose slope is at most 1.

    Returns
    -------
    Tensor, scalar
        Differentiable; 0 without cycles. Where each step has its own weights, the largest.

    Raises
    ------
    Edge2TorchError
        For a model of another backend.

    Warns
    -----
    Edge2TorchWarning
        Where the value is a bound, with the interval.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["u", "a", "b"], "target": ["a", "b", "a"],
    ...                       "initial_weight": [1.0, 0.5, -0.5]})
    >>> model, _ = e2t.compile_graph(edges, backend="recurrent", outputs=["b"], quiet=True)
    >>> round(spectral_radius(model).item(), 6)
    0.5
    """
    base = next((part for part in model.modules() if isinstance(part, RecurrentEdgeModel)), None)
    if base is None:
        raise Edge2TorchError(
            f"model ({type(model).__name__}) holds no model of backend='recurrent'."
        )
    loops = Loops.of(base)
    return torch.stack([_radius(weight, loops, signed=signed) for weight in _weights(base)]).max()


def _weights(model: RecurrentEdgeModel) -> list[Tensor]:
    return [model.cell(k).edges.edge_weights() for k in range(len(model.cells))]


def _radius(weight: Tensor, loops: Loops, *, signed: bool) -> Tensor:
    own = weight.index_select(0, loops.edges)
    own = own if signed else own.abs()
    found = amplification(loops.pattern, own)
    if found is None:
        return own.sum() * 0
    if found.is_bound:
        warn(
            f"The spectral radius did not settle; it lies between {found.lower:.4g} and "
            f"{found.radius:.4g}, the radius of the absolute weights, which is returned."
        )
    return found.modulus(own).to(weight.dtype)


@torch.no_grad()
def amplification(
    pattern: EdgePattern, weight: Tensor, *, above: float = 0.0
) -> Amplification | None:
    """Return the largest eigenvalue of a square matrix and its derivatives; None for 0.

    Parameters
    ----------
    pattern : EdgePattern
        A square one.
    weight : Tensor, shape (e,)
        The values of its entries.
    above : float
        Return None, too, where it takes no more than a look to see that the radius is at most this.

    Returns
    -------
    Amplification or None

    Examples
    --------
    >>> import numpy as np, torch
    >>> ring = EdgePattern(np.array([0, 1, 2]), np.array([2, 0, 1]), (3, 3))
    >>> round(amplification(ring, torch.tensor([1.0, 2.0, -4.0])).radius, 6)
    2.0
    """
    values = weight.detach().double().cpu().numpy()
    rows, columns = (part.cpu().numpy().astype(np.int64) for part in (pattern.row, pattern.col))
    found = leading_eigenvalue(rows, columns, values, pattern.in_features, above=above)
    if found is None:
        return None
    part = np.abs(_summed(rows, found.slope * values, pattern.in_features))
    slope, share = (torch.from_numpy(one).to(weight.device) for one in (found.slope, part))
    return Amplification(found.value, found.lower, slope, share / share.sum())


def _summed(
    rows: NDArray[np.int64], values: NDArray[np.complex128], n: int
) -> NDArray[np.complex128]:
    return np.bincount(rows, values.real, n) + 1j * np.bincount(rows, values.imag, n)
