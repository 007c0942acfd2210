"""A graph and a second branch, joined at the graph's outputs: cells and drugs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge2torch._core.checks import check_type, shown
from edge2torch.errors import Edge2TorchError
from edge2torch.nn._customized import CustomizedEdgeModel


class JoinedModel(nn.Module):
    """A prediction for pairs: a graph reads one partner, any module the other.

    Parameters
    ----------
    graph : Module
        Maps the first partner's features (b, i) to the units of the graph's root (b, o).
    other : Module
        Maps the second partner's features (b, d) to (b, w).
    root : Module
        Acts on the root's units (b, o), which are hidden here.
    join : Module
        Maps both side by side (b, o + w) to the output.
    features : int, optional
        How many features the second partner has, d, for checking.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "a"], "target": ["a", "a", "cell"]})
    >>> model, _ = e2t.compile_graph(edges, units={"a": 3, "cell": 6}, quiet=True)
    >>> joined = e2t.join_branches(model, other=(8, 6), features=5)
    >>> cells, drugs = torch.randn(4, 2), torch.randn(3, 5)
    >>> joined(cells, drugs, torch.tensor([[0, 0], [0, 2], [3, 1]])).shape
    torch.Size([3, 1])
    """

    def __init__(
        self,
        graph: nn.Module,
        other: nn.Module,
        root: nn.Module,
        join: nn.Module,
        features: int | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.graph, self.other, self.root, self.join = graph, other, root, join

    @property
    def artifact(self) -> Any:
        """Names of the graph's tensor positions."""
        return getattr(self.graph, "artifact", None)

    def forward(
        self, cells: Tensor, others: Tensor | None = None, pairs: Tensor | None = None
    ) -> Tensor:
        """Map a row of each (b, i) and (b, d) to (b, outputs); or rows by number, ``pairs`` (b, 2).

        With ``pairs`` the two are tables of all partners, and each partner that occurs is computed
        once. Batch normalisation then counts every partner once, not every pair.
        """
        first, second = _rows(cells, self._of_other(others), pairs)
        u = self.root(self.graph(first.used))
        v = self.other(second.used)
        y: Tensor = self.join(torch.cat([first.spread(u), second.spread(v)], dim=1))
        return y

    def with_heads(
        self, cells: Tensor, others: Tensor | None = None, pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the output, and what the heads at the graph's nodes give, (b, nodes, outputs)."""
        if not isinstance(self.graph, CustomizedEdgeModel):
            raise Edge2TorchError(
                "model has no heads at its nodes: customize_model(model, node_heads=NodeHeads())."
            )
        first, second = _rows(cells, self._of_other(others), pairs)
        units, heads = self.graph.with_heads(first.used)
        u, v = self.root(units), self.other(second.used)
        y: Tensor = self.join(torch.cat([first.spread(u), second.spread(v)], dim=1))
        return y, first.spread(heads)

    def given(self, other: Any) -> GivenOther:
        """Return the model of the graph's partner for one fixed other, such as a drug.

        ``attribute(joined.given(drug), cells, "nodes")`` moves the cell along its path and holds the
        drug; :func:`knock_out` and ``predictive_power`` take it too.
        """
        like = next(self.parameters())
        if getattr(other, "ndim", 1) != 1:
            raise Edge2TorchError(
                f"other must be the features of one partner, as drugs.loc[name] has them, found shape "
                f"{tuple(other.shape)}."
            )
        try:
            row = torch.as_tensor(
                other if isinstance(other, Tensor) else list(map(float, other)),
                dtype=like.dtype,
                device=like.device,
            ).reshape(1, -1)
        except (TypeError, ValueError) as error:
            raise Edge2TorchError(
                f"other must be the features of one partner, as drugs.loc[name] has them, found "
                f"{shown(other)}. A joined model knows no names of drugs."
            ) from error
        if not row.isfinite().all():
            raise Edge2TorchError("other: some of its features are missing or infinite.")
        return GivenOther(self, self._of_other(row))

    def _of_other(self, others: Tensor | None) -> Tensor:
        """Return the other partner's features, after checking that they are there, and how many."""
        if others is None:
            raise Edge2TorchError(
                "model joins two partners, and data of one were given. Fix the other: "
                "joined.given(drug), with the drug's features, is a model of cells alone."
            )
        check_type("others", others, Tensor, "a Tensor: torch.as_tensor makes one of an array")
        if others.dim() != 2 or self.features not in (None, others.shape[1]):
            raise Edge2TorchError(
                f"the other partner's features must have shape (b, {self.features or 'd'}), found "
                f"{tuple(others.shape)}."
            )
        return others


class GivenOther(nn.Module):
    """A joined model as a function of the graph's partner alone.

    Parameters
    ----------
    joined : JoinedModel
        Shared, not copied.
    row : Tensor, shape (1, d)
        Features of the other partner.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g"], "target": ["cell"]})
    >>> joined = e2t.join_branches(e2t.compile_graph(edges, quiet=True)[0], other=(4,), features=2)
    >>> joined.eval().given([0.0, 1.0])(torch.zeros(3, 1)).shape
    torch.Size([3, 1])
    """

    row: Tensor

    def __init__(self, joined: JoinedModel, row: Tensor) -> None:
        super().__init__()
        self.joined = joined
        self.register_buffer("row", row, persistent=False)

    @property
    def artifact(self) -> Any:
        """Names of the graph's tensor positions."""
        return self.joined.artifact

    def forward(self, cells: Tensor) -> Tensor:
        """Map cells (b, i) to (b, outputs)."""
        y: Tensor = self.joined(cells, self.row.expand(cells.shape[0], -1))
        return y


class _Rows:
    """The rows of a table that occur, and which of them each pair has."""

    def __init__(self, used: Tensor, place: Tensor | None) -> None:
        self.used, self.place = used, place

    def spread(self, values: Tensor) -> Tensor:
        return values if self.place is None else values.index_select(0, self.place)


def _rows(cells: Tensor, others: Tensor, pairs: Tensor | None) -> tuple[_Rows, _Rows]:
    for argument, value in (("cells", cells), ("others", others), ("pairs", pairs)):
        if value is not None:
            check_type(argument, value, Tensor, "a Tensor: torch.as_tensor makes one of an array")
    if pairs is None:
        if len(cells) != len(others):
            raise Edge2TorchError(
                f"{len(cells)} row(s) of the first partner and {len(others)} of the second: without "
                "pairs they belong together row by row."
            )
        return _Rows(cells, None), _Rows(others, None)
    if pairs.dim() != 2 or pairs.shape[1] != 2 or pairs.is_floating_point():
        raise Edge2TorchError(
            f"pairs must be whole numbers (b, 2), a row of each table; found {tuple(pairs.shape)} of "
            f"{pairs.dtype}."
        )
    found = []
    for k, table in enumerate((cells, others)):
        used, place = torch.unique(pairs[:, k], return_inverse=True)
        if len(used) and not 0 <= int(used[0]) <= int(used[-1]) < len(table):
            raise Edge2TorchError(
                f"pairs: column {k} has row numbers from {int(used[0])} to {int(used[-1])}, and the "
                f"table has {len(table)} row(s)."
            )
        found.append(_Rows(table.index_select(0, used), place))
    return found[0], found[1]
