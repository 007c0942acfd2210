"""What a compiled model's nodes hold while it computes, by name."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice
from edge2torch._core.hooks import recorded
from edge2torch.compile._weights import model_and_artifact
from edge2torch.compile.artifact import CompileArtifact

Agg = Literal["last", "sum", "mean", "max", "all"]


def get_node_activations(
    model: nn.Module,
    artifact: CompileArtifact | Tensor | None = None,
    x: Tensor | None = None,
    agg: Agg = "last",
) -> dict[str, Tensor]:
    """Run a model and return the values of its nodes, by name.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, wrapped or not; run in the mode it is in.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    x : Tensor, shape (b, i)
        Input.
    agg : {"last", "sum", "mean", "max", "all"}
        How the values are joined of a node that is computed more than once; ``"all"`` keeps
        them side by side.

    Returns
    -------
    dict of str to Tensor
        (b,) per node, (b, c) where nodes have channels; with ``agg="all"`` (b, s) or (b, s, c).
        Gradients flow: use ``torch.no_grad()`` where they are not wanted.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> model, artifact = e2t.compile_graph(edges, backend="gnn", steps=2, channels=5, quiet=True)
    >>> values = e2t.get_node_activations(model, artifact, torch.zeros(4, 1), agg="all")
    >>> {name: tuple(value.shape) for name, value in values.items()}
    {'b': (4, 2, 5)}
    """
    check_choice("agg", agg, get_args(Agg))
    given, x = artifact_and_data(artifact, x, "x")
    base, names = model_and_artifact(model, given)
    with recorded(base.sites()) as seen:
        model(x)
    parts: dict[str, list[Tensor]] = {}
    for site, calls in seen.items():
        for column, node in enumerate(names.node_names_by_site[site]):
            parts.setdefault(node, []).append(calls[-1][:, column])
    return {node: _joined(torch.stack(own, 1), agg) for node, own in parts.items()}


def _joined(values: Tensor, agg: Agg) -> Tensor:
    """Reduce the second dimension of values (b, s, ...)."""
    if agg == "all":
        return values
    if agg == "last":
        return values[:, -1]
    if agg == "max":
        return values.amax(1)
    return values.sum(1) if agg == "sum" else values.mean(1)
