"""What every node holds, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from edge2torch.compile import CompileArtifact
from edge2torch.interpret._interpret import interpret_model

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples


__all__ = ["activations"]


def activations(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    *,
    level: Literal["summary", "sites"] = "summary",
) -> Any:
    """Return the value of every node for every sample, inputs included.

    What ``interpret_model(method="LayerActivation")`` answers, in evaluation mode. Where gradients
    or single channels are wanted, :func:`get_node_activations` gives tensors.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, customized or wrapped or neither.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples, by name.
    level : {"summary", "sites"}
        One table with a column per node (the last value of those computed in several steps or
        layers), or a dict of tables, one per layer or step.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        Rows are samples with the data's own index. A node with channels has their mean.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g"], "target": ["y"], "initial_weight": [2.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> e2t.activations(model, artifact, pd.DataFrame({"g": [1.0, 3.0]}, index=["u", "v"]))
         g    y
    u  1.0  2.0
    v  3.0  6.0
    """
    return interpret_model(
        model,
        artifact,
        data,
        target="nodes",
        method="LayerActivation",
        level=level,
        nodes="all",
        site_aggregation="last",
        quiet=True,
    )
