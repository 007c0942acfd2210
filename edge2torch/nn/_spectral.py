"""How much a cycle amplifies: the spectral radius, through the sparse products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError
from edge2torch.nn._kernels import EdgePattern
from edge2torch.nn._recurrent import RecurrentEdgeModel

_BLOCK = 8  # directions followed at once: complex pairs and near ties converge together
_ROUNDS = 40
_STRIDE = 5  # products between two orthonormalisations, which cost far more
_SETTLED = 1e-6


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
    """The direction in which a matrix amplifies most.

    Parameters
    ----------
    right, left : Tensor, shape (n,)
        Eigenvectors of the largest eigenvalue, complex where it is; ``left`` not conjugated.
    eigenvalue : complex
        The largest by modulus.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, dtype=torch.complex128)
    >>> Amplification(one, one, 0.5 + 0j).share.tolist()
    [1.0]
    """

    right: Tensor
    left: Tensor
    eigenvalue: complex

    @property
    def share(self) -> Tensor:
        """How much each node takes part, (n,), summing to one."""
        part = (self.left * self.right).abs()
        return part / part.sum().clamp_min(1e-300)

    def modulus(self, pattern: EdgePattern, weight: Tensor) -> Tensor:
        """Return the eigenvalue's modulus as a differentiable function of the weights (e,)."""
        weight = weight.double()
        images = pattern.product(weight, torch.stack([self.right.real, self.right.imag]))
        image = torch.complex(images[0], images[1])
        eigenvalue = (self.left * image).sum() / (self.left * self.right).sum()
        slope = (eigenvalue * (np.conj(self.eigenvalue) / abs(self.eigenvalue))).real
        modulus: Tensor = abs(self.eigenvalue) + slope - slope.detach()
        return modulus


def spectral_radius(model: nn.Module, *, signed: bool = True) -> Tensor:
    """Estimate by how much a step amplifies what runs along the cycles of a recurrent model.

    Below 1 a linear model settles; above, it grows with every step. The largest eigenvalue is
    found by power iteration with a block of vectors, through the same sparse products as the
    model's, on the edges that lie on cycles; its gradient comes from both eigenvectors.

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
    return found.modulus(loops.pattern, own).to(weight.dtype)


@torch.no_grad()
def amplification(pattern: EdgePattern, weight: Tensor) -> Amplification | None:
    """Return the largest eigenvalue of the square matrix with its eigenvectors; None for 0.

    Orthogonal iteration on the matrix and on its transpose gives two bases, within which the
    problem is a small dense one.

    Parameters
    ----------
    pattern : EdgePattern
        A square one.
    weight : Tensor, shape (e,)
        The values of its entries.

    Returns
    -------
    Amplification or None

    Examples
    --------
    >>> import numpy as np, torch
    >>> ring = EdgePattern(np.array([0, 1]), np.array([1, 0]), (2, 2))
    >>> round(abs(amplification(ring, torch.tensor([2.0, 8.0])).eigenvalue), 6)
    4.0
    """
    weight = weight.detach().double()
    n, width = pattern.in_features, min(_BLOCK, pattern.in_features)
    if pattern.n_edges == 0 or not bool(weight.any()):
        return None
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, n, width, generator=generator, dtype=torch.float64)
    right, left = drawn.to(weight.device)
    transposed = _transposed(pattern)
    flipped = weight.index_select(0, pattern.perm)
    before, value, vector = torch.inf, right.new_zeros(()), right[:, 0]
    for _ in range(_ROUNDS):
        for _ in range(1 if width == n else _STRIDE):
            right = pattern.product(weight, right.t()).t()
            left = transposed.product(flipped, left.t()).t()
        right, left = torch.linalg.qr(right)[0], torch.linalg.qr(left)[0]
        value, vector = _largest(pattern.product(weight, right.t()).t(), right)
        now = value.abs().item()
        if width == n or abs(now - before) <= _SETTLED * now:
            break
        before = now
    if not value.abs() > 1e-12:
        return None
    _, covector = _largest(transposed.product(flipped, left.t()).t(), left, near=value)
    return Amplification(vector, covector, complex(value))


def _largest(image: Tensor, basis: Tensor, near: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalue within a basis, or that nearest to one, and its vector."""
    values, vectors = torch.linalg.eig(basis.t() @ image)
    chosen = values.abs().argmax() if near is None else (values - near).abs().argmin()
    return values[chosen], basis.to(vectors.dtype) @ vectors[:, chosen]


def _transposed(pattern: EdgePattern) -> EdgePattern:
    rows = pattern.col.index_select(0, pattern.perm).cpu().numpy()
    columns = pattern.rowc.cpu().numpy()
    return EdgePattern(rows, columns, (pattern.in_features, pattern.out_features)).to(
        pattern.row.device
    )
