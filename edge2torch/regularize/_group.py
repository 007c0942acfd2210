"""Edges between pathways that share nothing are drawn to zero, as wholes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.checks import check_number
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.regularize._membership import Membership, read_membership


class CrossPathwayLasso(nn.Module):
    """The sum of the norms of edges whose ends share no pathway.

    All values of an edge form one group, so that an edge leaves as a whole: a group lasso. Where
    edges have one weight each it is the plain lasso. An edge with an end in no pathway is free.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, customized or wrapped or neither.
    pathway_membership : dict, path of a GMT file, DataFrame or array (pathways, nodes)
        Nodes by pathway; here inputs and outputs may be named too. The columns of an array stand
        for all nodes of the graph, sorted.
    weight : float
        Factor of the sum.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with the model; by default the one that it carries.
    missing : {"error", "ignore"}
        What to do with names that are not in the graph.

    Attributes
    ----------
    edges : DataFrame
        The edges concerned.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.regularize import CrossPathwayLasso
    >>> edges = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "y"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> lasso = CrossPathwayLasso(model, {"p": ["a"], "q": ["b"]}, artifact=artifact)
    >>> lasso.edges.to_dict("records"), lasso.loss().shape
    ([{'source': 'a', 'target': 'b'}], torch.Size([]))

    References
    ----------
    Group lasso: Yuan & Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x.
    """

    def __init__(
        self,
        model: nn.Module,
        pathway_membership: Membership,
        weight: float = 0.05,
        *,
        artifact: CompileArtifact | None = None,
        missing: Literal["error", "ignore"] = "error",
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, least=0)
        artifact = find_artifact(model, artifact)
        self._bound = artifact.bind(model)  # no submodule: the parameters are the model's own
        graph = artifact.graph
        table = read_membership(
            pathway_membership, graph.node_names.tolist(), not_here={}, missing=missing
        )
        is_member = table.to_numpy().T > 0  # n, p
        source, target = is_member[graph.source], is_member[graph.target]
        known = np.logical_and(source.any(axis=1), target.any(axis=1))
        crosses: NDArray[np.bool_] = known & ~np.any(source & target, axis=1)
        self.edges: pd.DataFrame = graph.edges[["source", "target"]][crosses]
        self._places = [
            torch.from_numpy(np.flatnonzero(crosses[rows])) for rows, _ in self._bound.edge_norms()
        ]

    def loss(self) -> Tensor:
        """Return the penalty, to be added to a model's own loss.

        Returns
        -------
        Tensor
            A scalar with gradients.
        """
        norms = self._bound.edge_norms()
        parts = [
            norm[place.to(norm.device)].sum()
            for (_, norm), place in zip(norms, self._places, strict=True)
        ]
        return self.weight * torch.stack(parts).sum()

    forward = loss
