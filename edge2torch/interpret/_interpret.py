"""The one public question: which features, nodes or edges an output rests on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact
from edge2torch.interpret._anndata import to_anndata
from edge2torch.interpret._arguments import as_mapping
from edge2torch.interpret._ask import Question, asking, known_nodes
from edge2torch.interpret._diagnose import (
    are_finite,
    note_if_untrained,
    refuse_not_finite,
    warn_if_all_zero,
    warn_if_only_read,
)
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._engines._table import find_engine
from edge2torch.interpret._engines._task import Answer
from edge2torch.interpret._frames import (
    deltas_frame,
    edge_frame,
    side_by_side,
    summarize,
    table_frame,
    within,
)
from edge2torch.interpret._lookup import find_method
from edge2torch.interpret._score_graph import score_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["interpret_model"]


def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact,
    data: pd.DataFrame | AnnData | NDArray[Any] | Tensor,
    target: Literal["features", "nodes", "edges"] = "features",
    method: str | None = None,
    *,
    output: str | int | Sequence[str | int] | None = None,
    baselines: Any = None,
    level: Literal["sites", "summary", "samples"] | None = None,
    nodes: Literal["non_input", "hidden", "all"] | Sequence[str] = "non_input",
    site_aggregation: Literal["max_abs", "mean_abs", "last"] = "max_abs",
    return_convergence_delta: bool = False,
    to: Literal["frame", "anndata", "networkx"] = "frame",
    constructor_kwargs: Mapping[str, Any] | None = None,
    attribute_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Any:
    """Score input features, nodes or edges of the graph by what a model's output rests on.

    The model is held in ``eval()`` mode meanwhile; the mode of every submodule, ``requires_grad``
    of its parameters and all random states are put back afterwards, also on error.

    Parameters
    ----------
    model : Module
        A compiled model, customized or wrapped or neither, that returns (b, o) or (b,).
    artifact : CompileArtifact
        What :func:`compile_graph` returned with it.
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
    nodes : {"non_input", "hidden", "all"} or sequence of str
        For nodes: whether to leave out inputs, inputs and outputs, or neither; or nodes by name.
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

    Notes
    -----
    Captum computes every method of inputs. Conductance, influence, gradient × activation and
    activation of nodes come from one pass for all layers, equal to Captum's layer by layer
    (doi 10.48550/arXiv.1805.12233); at a steady state (``steps="converge"``) they give each node
    what passes through it, time after time (doi 10.1103/PhysRevLett.59.2229). ``LRP`` and
    ``LayerLRP`` follow Captum's epsilon rule along edges (doi 10.1371/journal.pone.0130140).

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
    question = Question(
        row=find_method(method, target),
        output=output,
        baselines=baselines,
        level=level,
        nodes=nodes,
        site_aggregation=site_aggregation,
        delta=return_convergence_delta,
        to=to,
        constructor=as_mapping("constructor_kwargs", constructor_kwargs),
        call=as_mapping("attribute_kwargs", attribute_kwargs),
        seed=seed,
        quiet=quiet,
    )
    row = question.row
    with asking(question, model, artifact, data) as (task, sites, index):
        note_if_untrained(task)
        engine = find_engine(row, question.constructor, question.call)
        warn_if_only_read(task, engine)
        answers = engine(task)
        if not are_finite(scores for answer in answers for scores in answer.scores.values()):
            refuse_not_finite(task, index)
        warn_if_all_zero(task, answers)
    labels = [one.label for one in task.outputs] if isinstance(output, list | tuple) else None
    if not quiet:
        print(  # noqa: T201 - the line that users know
            f"[edge2torch] Finished interpretation with method {row.name!r} for target {target!r}."
        )
    deltas = None
    if target == "edges":
        scores = edge_frame(artifact.graph, [a.scores for a in answers], index, labels)
    elif target == "features":
        scores, deltas = _of_features(answers, sites, index, labels)
    else:
        scores, deltas = _of_nodes(question, artifact, answers, sites, index, labels)
    if to == "anndata":
        return to_anndata(data, task, index, artifact, scores)
    if to == "networkx":
        return score_graph(artifact, **{"edges" if target == "edges" else "nodes": scores})
    return (scores, deltas) if return_convergence_delta else scores


def _of_features(
    answers: list[Answer], sites: list[Site], index: pd.Index, labels: list[Any] | None
) -> tuple[pd.DataFrame, Any]:
    (site,) = sites
    tables = [table_frame(site, answer.scores, index) for answer in answers]
    gaps = [deltas_frame(answer.deltas, [site.name], index) for answer in answers]
    series = [gap[site.name].rename("delta") for gap in gaps]
    return side_by_side(tables, labels, "feature"), side_by_side(series, labels)


def _of_nodes(
    question: Question,
    artifact: CompileArtifact,
    answers: list[Answer],
    sites: list[Site],
    index: pd.Index,
    labels: list[Any] | None,
) -> tuple[Any, pd.DataFrame]:
    kept = _kept(question, artifact, sites)
    by_output = [
        within({site.name: table_frame(site, answer.scores, index) for site in sites}, kept)
        for answer in answers
    ]
    left = list(by_output[0])
    gaps = [deltas_frame(answer.deltas, left, index) for answer in answers]
    deltas = side_by_side(gaps, labels, "site")
    if question.wants_summary:
        summaries = [summarize(own, index, question.site_aggregation) for own in by_output]
        return side_by_side(summaries, labels, "node"), deltas
    return {
        name: side_by_side([own[name] for own in by_output], labels, "node") for name in left
    }, deltas


def _kept(question: Question, artifact: CompileArtifact, sites: list[Site]) -> set[str]:
    if not isinstance(question.nodes, str):
        return set(known_nodes(question.nodes, artifact))
    ends = {"all": [], "non_input": [artifact.feature_names]}
    ends["hidden"] = [artifact.feature_names, artifact.output_names]
    every = set(itertools.chain.from_iterable(site.nodes for site in sites))
    return every - set(itertools.chain(*ends[question.nodes]))
