"""Nodes that are held while a model computes: inhibited, knocked out, driven."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from edge2torch._core.checks import check_choice
from edge2torch.errors import Edge2TorchError

ACTS = ("value", "output")


@dataclass(frozen=True, eq=False)
class Hold:
    """How far nodes are taken from what they compute: ``(1 - share) * own + share * value + shift``.

    Done after every update of a state, in every layer and channel of a graph neural network, and to
    inputs before the first; share 1 is do(node = value), what ``knock_out`` does.

    Parameters
    ----------
    nodes : Tensor of int64, shape (k,)
        Positions, each once: inputs first, in the order of the model's columns, then the nodes that
        are computed. ``CompileArtifact.hold`` finds them by name.
    share : Tensor, shape (b, k)
        0 leaves a node alone, 1 takes it over.
    value : Tensor, shape (b, k)
        What the node is drawn to.
    shift : Tensor, shape (b, k), optional
        Added after that: over-expression.
    acts : {"value", "output"}
        On the node itself, or on what it sends alone: a kinase inhibitor stops what a kinase does,
        while its own phosphorylation may rise.

    Raises
    ------
    Edge2TorchError
        For tensors whose shapes differ.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"], "initial_weight": [1.0, 2.0]})
    >>> model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=2, quiet=True)
    >>> x = torch.tensor([[3.0], [3.0], [3.0]])
    >>> share = torch.tensor([[0.0], [0.5], [1.0]])
    >>> model(x, hold=Hold(torch.tensor([1]), share, torch.zeros(3, 1))).flatten().tolist()
    [6.0, 3.0, 0.0]
    """

    nodes: Tensor
    share: Tensor
    value: Tensor
    shift: Tensor | None = None
    acts: str = "value"

    def __post_init__(self) -> None:
        check_choice("acts", self.acts, ACTS)
        wanted = self.share.shape
        alike = self.value.shape == wanted and (self.shift is None or self.shift.shape == wanted)
        if len(wanted) != 2 or self.nodes.shape != wanted[1:] or not alike:
            raise Edge2TorchError(
                "hold: share, value and shift must have shape (batch, nodes held), nodes (nodes held,); "
                f"found {tuple(self.share.shape)}, {tuple(self.value.shape)} and {tuple(self.nodes.shape)}."
            )

    def to(self, like: Tensor) -> Hold:
        """Return it detached, on the device of another tensor."""
        parts = (self.nodes, self.share, self.value, self.shift)
        nodes, share, value, shift = (
            None if part is None else part.detach().to(like.device) for part in parts
        )
        return Hold(nodes, share, value, shift, self.acts)  # type: ignore[arg-type]

    def of(self, samples: Tensor | slice) -> Hold:
        """Return what is held in some of the samples."""
        shift = None if self.shift is None else self.shift[samples]
        return type(self)(self.nodes, self.share[samples], self.value[samples], shift, self.acts)

    def applied(self, values: Tensor, first: int = 0) -> Tensor:
        """Return values (b, n), or (b, n, c), of the nodes from position ``first`` on, with these held."""
        places, keep, lift = self._parts(values, first)
        rows = values.transpose(0, 1)  # nodes as rows, as they lie in memory
        held = keep * rows.index_select(0, places) + lift
        return rows.index_copy(0, places, held).transpose(0, 1)

    def _parts(self, values: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return which of the values are held (k,), and how: ``keep * own + lift``, (k, b) or (k, b, 1)."""
        inside = (self.nodes >= first) & (self.nodes < first + values.shape[1])
        share, value = (part[:, inside].to(values.dtype) for part in (self.share, self.value))
        lift = share * value
        if self.shift is not None:
            lift = lift + self.shift[:, inside].to(values.dtype)
        keep, lift = (
            part.t().reshape(*part.t().shape, *[1] * (values.dim() - 2))
            for part in (1 - share, lift)
        )
        return self.nodes[inside] - first, keep, lift


@dataclass(frozen=True, eq=False)
class _OfCall(Hold):
    """A hold for the time of one call, which remembers what all updates have in common."""

    _known: dict[Hashable, tuple[Tensor, Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False
    )

    def _parts(self, values: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        if torch.compiler.is_compiling():
            return super()._parts(values, first)
        at = values.shape, values.dtype, first, torch.is_grad_enabled()
        if at not in self._known:
            self._known[at] = super()._parts(values, first)
        return self._known[at]


Holds = Hold | Iterable[Hold] | None


def holds_of(hold: Holds, batch: int, n_nodes: int) -> tuple[Hold, ...]:
    """Return what a model was given as ``hold``, checked against its batch and its nodes."""
    if hold is None:
        return ()
    holds = (hold,) if isinstance(hold, Hold) else tuple(hold)
    for one in holds:
        if not isinstance(one, Hold):
            raise Edge2TorchError(
                f"hold must be a Hold or several, found {type(one).__name__}. artifact.hold(...) makes "
                "one by name."
            )
        if one.share.shape[0] != batch:
            raise Edge2TorchError(
                f"hold is for {one.share.shape[0]} samples, and x has {batch}. Give a row for each."
            )
        if len(one.nodes) and not torch.compiler.is_exporting():
            low, high = int(one.nodes.min()), int(one.nodes.max())
            if low < 0 or high >= n_nodes:
                raise Edge2TorchError(
                    f"hold: nodes must be positions from 0 to {n_nodes - 1}, found {low} to {high}."
                )
    # anew for each call, for what is remembered belongs to one way back
    return tuple(_OfCall(one.nodes, one.share, one.value, one.shift, one.acts) for one in holds)


@dataclass(frozen=True, eq=False)
class Held:
    """All that is held after an update, as one: ``keep * own + lift``.

    Parameters
    ----------
    places : Tensor of int64, shape (k,)
        Which of the nodes that are computed.
    parts : Tensor, shape (b, 2 k)
        First what is kept of each node, then what is added.

    Examples
    --------
    >>> part = torch.full((1, 1), 0.5)
    >>> holds = (Hold(torch.tensor([3]), part, part), Hold(torch.tensor([3]), part, 0 * part))
    >>> Held.of(holds, torch.zeros(1, 2), first=2).parts  # half of it is .25, half of that 0
    tensor([[0.2500, 0.1250]])
    """

    places: Tensor
    parts: Tensor

    @classmethod
    def of(cls, holds: tuple[Hold, ...], like: Tensor, *, first: int) -> Held:
        """Return what is held on values of the nodes from ``first`` on, of samples like those given."""
        if not holds:
            return cls(torch.empty(0, dtype=torch.int64), like.new_empty(len(like), 0))
        places = torch.cat([one.nodes for one in holds]).unique()
        places = places[places >= first]
        parts = like.new_zeros(like.shape[0], 2 * len(places))
        keep, lift = parts[:, : len(places)], parts[:, len(places) :]
        keep.fill_(1.0)
        for one in holds:
            inside = one.nodes >= first
            at = torch.searchsorted(places, one.nodes[inside])
            share, value = (part[:, inside].to(like.dtype) for part in (one.share, one.value))
            keep[:, at] *= 1 - share
            lift[:, at] = (1 - share) * lift[:, at] + share * value
            if one.shift is not None:
                lift[:, at] += one.shift[:, inside].to(like.dtype)
        return cls(places - first, parts)

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.places)

    def table(self) -> tuple[int, int, int]:
        """Return the address of the places, how many they are, and the address of the parts."""
        return self.places.data_ptr(), self.count, self.parts.data_ptr()


def on_values(holds: tuple[Hold, ...], values: Tensor, first: int = 0) -> Tensor:
    """Apply what acts on values."""
    for one in holds:
        if one.acts == "value":
            values = one.applied(values, first)
    return values


def on_outputs(holds: tuple[Hold, ...], values: Tensor, first: int = 0) -> Tensor:
    """Apply what acts on what nodes send alone."""
    for one in holds:
        if one.acts == "output":
            values = one.applied(values, first)
    return values
