"""``interpret_model``: the question of ``attribute``, answered in the forms of the tutorials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, overload

import pandas as pd
from torch import nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice, check_flag
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._attribution import AGGREGATIONS, LEVELS, Aggregation
from edge2torch.interpret._methods import find_method

if TYPE_CHECKING:
    import networkx as nx
    from anndata import AnnData
    from typing_extensions import Unpack

    from edge2torch.interpret._samples import Samples

    Output: TypeAlias = str | int | Sequence[str | int] | None
    Nodes: TypeAlias = Literal["non_input", "hidden", "inputs", "all"] | Sequence[str]

_FORMS = ("frame", "anndata", "networkx")


class _Options(TypedDict, total=False):
    """What changes the numbers, and not the form they come in."""

    method: str | None
    output: Output
    baselines: Any
    nodes: Nodes
    site_aggregation: Aggregation
    constructor_kwargs: Mapping[str, Any] | None
    attribute_kwargs: Mapping[str, Any] | None
    seed: int
    quiet: bool


@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    target: Literal["features"] = ...,
    *,
    return_convergence_delta: Literal[False] = ...,
    to: Literal["frame"] = ...,
    level: Literal["sites", "summary"] | None = ...,
    **options: Unpack[_Options],
) -> pd.DataFrame: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    *,
    target: Literal["nodes"],
    return_convergence_delta: Literal[False] = ...,
    to: Literal["frame"] = ...,
    level: Literal["sites"] | None = ...,
    **options: Unpack[_Options],
) -> dict[str, pd.DataFrame]: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    *,
    target: Literal["nodes"],
    return_convergence_delta: Literal[False] = ...,
    to: Literal["frame"] = ...,
    level: Literal["summary"],
    **options: Unpack[_Options],
) -> pd.DataFrame: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    *,
    target: Literal["edges"],
    return_convergence_delta: Literal[False] = ...,
    to: Literal["frame"] = ...,
    level: Literal["summary", "samples"] | None = ...,
    **options: Unpack[_Options],
) -> pd.DataFrame: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    target: Literal["features", "nodes", "edges"] = ...,
    *,
    to: Literal["anndata"],
    level: Literal["sites", "summary", "samples"] | None = ...,
    **options: Unpack[_Options],
) -> AnnData: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | None = ...,
    data: Samples | None = ...,
    target: Literal["features", "nodes", "edges"] = ...,
    *,
    to: Literal["networkx"],
    level: Literal["sites", "summary", "samples"] | None = ...,
    **options: Unpack[_Options],
) -> nx.DiGraph: ...
@overload
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = ...,
    data: Samples | None = ...,
    target: Literal["features", "nodes", "edges"] = ...,
    method: str | None = ...,
    *,
    return_convergence_delta: bool = ...,
    to: Literal["frame", "anndata", "networkx"] = ...,
    level: Literal["sites", "summary", "samples"] | None = ...,
    output: Output = ...,
    baselines: Any = ...,
    nodes: Nodes = ...,
    site_aggregation: Aggregation = ...,
    constructor_kwargs: Mapping[str, Any] | None = ...,
    attribute_kwargs: Mapping[str, Any] | None = ...,
    seed: int = ...,
    quiet: bool = ...,
) -> Any: ...
def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    target: Literal["features", "nodes", "edges"] = "features",
    method: str | None = None,
    *,
    output: Output = None,
    baselines: Any = None,
    level: Literal["sites", "summary", "samples"] | None = None,
    nodes: Nodes = "non_input",
    site_aggregation: Aggregation = "max_abs",
    return_convergence_delta: bool = False,
    to: Literal["frame", "anndata", "networkx"] = "frame",
    constructor_kwargs: Mapping[str, Any] | None = None,
    attribute_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Any:
    """Score input features, nodes or edges of the graph by what a model's output rests on.

    :func:`attribute` asks the same, and answers with one object for all of the forms below. The
    model is held in ``eval()`` mode meanwhile; the mode of every submodule, ``requires_grad``
    of its parameters and all random states are put back afterwards, also on error.

    Parameters
    ----------
    model : Module
        A compiled model, customized or wrapped or neither, that returns (b, o) or (b,).
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples to explain, matched to the input nodes as in
        :func:`align_features_to_input_nodes`.
    target : {"features", "nodes", "edges"}
        What gets a score: input nodes, nodes inside the graph, or edges.
    method : str, optional
        A name in :func:`edge2torch.interpret.attribution_methods`, in any spelling. Left out:
        ``"IntegratedGradients"`` for features, ``"LayerConductance"`` for nodes,
        ``"EdgeConductance"`` for edges.
    output : str, int or sequence of them, optional
        Which output to explain: an output node's name, or an index. Behind a head there are only
        indices. Needed where the model has several. A list is answered in one call.
    baselines : number, DataFrame, Series, dict, ndarray or Tensor, optional
        What samples are compared with: one row, by name or in model order; a row per sample; or
        any number of rows for methods that take a set of reference samples. Left out: zeros; for
        those that take a set, up to 50 samples drawn from ``data``, and zeros for a single one.
    level : {"sites", "summary", "samples"}, optional
        For nodes: a dict with one table per layer (``"sites"``, the default), or one table with a
        column per node (``"summary"``). For edges: the mean over samples (``"summary"``, the
        default), or samples × edges (``"samples"``).
    nodes : {"non_input", "hidden", "inputs", "all"} or sequence of str
        For nodes: all but the inputs, all between inputs and outputs, the inputs alone, or every
        one; or nodes by name.
    site_aggregation : {"max_abs", "mean_abs", "last"}
        How ``level="summary"`` joins the scores of a node that is computed in several layers or
        steps: the largest by size, with its sign; the mean of their sizes; the last.
    return_convergence_delta : bool, default False
        Also return how far the scores are from summing to what they explain.
    to : {"frame", "anndata", "networkx"}
        The form of the answer: data frames; an AnnData with scores in ``obsm`` and ``uns``; the
        graph with mean scores on its nodes or edges.
    constructor_kwargs, attribute_kwargs : mapping, optional
        The method's own arguments, by Captum's names, such as ``{"n_steps": 100}``; ``epsilon``
        for LRP and NodeDifference, ``value`` for NodeKnockout: a number, ``"mean"``, or a Series
        with a number for every node.
    seed : int, default 0
        For methods that draw random numbers: same seed, same scores.
    quiet : bool, default False
        Print nothing, and show no progress bar.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        Rows are samples with the data's own index. For features, columns are the input nodes in
        model order. For nodes, ``{"layer_1": ..., "layer_2": ...}`` with the layer's nodes as
        columns, or one DataFrame with ``level="summary"``. For edges, ``source``, ``target`` and
        ``attribution`` in the edge table's row order, or samples × edges. Several outputs add the
        column level ``target``; a table of edges gets a first column ``output``.
    AnnData or networkx.DiGraph
        As ``to`` asks for.
    Series or DataFrame
        Only with ``return_convergence_delta=True``, as the second of a pair: one number per
        sample, for nodes with a column per layer.

    Raises
    ------
    Edge2TorchError
        For unknown methods and options, an artifact of another model, data without the inputs or
        without rows, and an output that is missing, ambiguous or unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame(
    ...     {"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "y"], "initial_weight": [1.0, 2, 3]}
    ... )
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 0.0], "g2": [1.0, 1.0]}, index=["cell_a", "cell_b"])
    >>> e2t.interpret_model(model, artifact, cells).round(4)
    [edge2torch] Finished interpretation with method 'IntegratedGradients' for target 'features'.
             g1   g2
    cell_a  3.0  6.0
    cell_b  0.0  6.0
    >>> nodes = e2t.interpret_model(model, artifact, cells, target="nodes", quiet=True)
    >>> nodes["layer_1"].round(1)
             tf
    cell_a  9.0
    cell_b  6.0
    """
    row = find_method(method, target)
    if level is not None:
        check_choice("level", level, [one for one in LEVELS[row.target] if one != "units"])
    check_choice("site_aggregation", site_aggregation, AGGREGATIONS)
    check_choice("to", to, _FORMS)
    check_flag("return_convergence_delta", return_convergence_delta)
    if return_convergence_delta and to != "frame":
        raise Edge2TorchError(
            f"return_convergence_delta=True returns data frames; leave out to={to!r}."
        )
    given, data = artifact_and_data(artifact, data)
    why = attribute(
        model,
        data,
        target,
        method,
        artifact=given,
        output=output,
        baselines=baselines,
        nodes=nodes,
        by_site=level != "summary" and to != "networkx",
        by_sample=level == "samples",
        delta=return_convergence_delta,
        constructor_kwargs=constructor_kwargs,
        attribute_kwargs=attribute_kwargs,
        seed=seed,
        quiet=quiet,
    )
    if not quiet:
        print(  # noqa: T201 - the line that users know
            f"[edge2torch] Finished interpretation with method {row.name!r} for target {target!r}."
        )
    if to == "networkx":
        return why.to_networkx(site_aggregation=site_aggregation)
    level = level or ("sites" if target == "nodes" else "summary")
    if to == "anndata":
        return why.to_anndata(level, site_aggregation=site_aggregation)
    scores = why.frame(level, site_aggregation=site_aggregation)
    return (scores, why.delta) if return_convergence_delta else scores
