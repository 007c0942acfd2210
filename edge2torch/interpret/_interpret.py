"""The one public question: which features, or which nodes, an output rests on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.errors import Edge2TorchError, listing
from edge2torch.interpret._arguments import (
    as_mapping,
    check_choice,
    check_flag,
    check_kwargs,
    check_size,
    choose_output,
    output_names,
    read_baselines,
    read_samples,
    warn_of_gradients,
)
from edge2torch.interpret._frames import deltas_frame, summarize, table_frame, without
from edge2torch.interpret._lookup import find_method
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._probe import Probe, at_rest, unwrap
from edge2torch.interpret._run import Task, attribute, load_engine
from edge2torch.interpret._sites import find_sites, look

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["interpret_model"]


def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact,
    data: pd.DataFrame | AnnData | NDArray[Any] | Tensor,
    target: Literal["features", "nodes"] = "features",
    method: str | None = None,
    *,
    output: str | int | None = None,
    baselines: Any = None,
    level: Literal["sites", "summary"] = "sites",
    nodes: Literal["non_input", "hidden", "all"] = "non_input",
    site_aggregation: Literal["max_abs", "mean_abs", "last"] = "max_abs",
    return_convergence_delta: bool = False,
    constructor_kwargs: Mapping[str, Any] | None = None,
    attribute_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Any:
    """Score input features or nodes of the graph by what a model's output rests on.

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
    target : {"features", "nodes"}
        What gets a score: input nodes, or nodes inside the graph.
    method : str, optional
        A name in :func:`edge2torch.interpret.attribution_methods`, in any spelling. Left out:
        ``"IntegratedGradients"`` for features, ``"LayerConductance"`` for nodes.
    output : str or int, optional
        Which output to explain: an output node's name, or an index. Behind a head there are only
        indices. Needed where the model has several.
    baselines : number, DataFrame, Series, dict, ndarray or Tensor, optional
        What samples are compared with: one row, by name or in model order; a row per sample; or
        any number of rows for methods that take a set of reference samples. Left out: zeros; for
        those that take a set, up to 50 samples drawn from ``data``, and zeros for a single one.
    level : {"sites", "summary"}
        For nodes: a dict with one table per layer, or one table with a column per node.
    nodes : {"non_input", "hidden", "all"}
        For nodes: whether to leave out inputs, inputs and outputs, or neither.
    site_aggregation : {"max_abs", "mean_abs", "last"}
        How ``level="summary"`` joins the scores of a node that is computed in several layers or
        steps: the largest by size, with its sign; the mean of their sizes; the last.
    return_convergence_delta : bool, default False
        Also return how far the scores are from summing to what they explain.
    constructor_kwargs, attribute_kwargs : mapping, optional
        Passed on to the method's Captum class, such as ``{"n_steps": 100}``; ``epsilon`` for LRP.
    seed : int, default 0
        For methods that draw random numbers: same seed, same scores.
    quiet : bool, default False
        Print nothing, and show no progress bar.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        Rows are samples with the data's own index. For features, columns are the input nodes in
        model order. For nodes, ``{"layer_1": ..., "layer_2": ...}`` with the layer's nodes as
        columns, or one DataFrame with ``level="summary"``.
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
    Captum computes every method except ``LRP`` and ``LayerLRP``, which it knows for a fixed list
    of layer types; ours follow the same epsilon rule along edges (doi 10.1371/journal.pone.0130140).

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
    check_choice("level", level, ("sites", "summary"))
    check_choice("nodes", nodes, ("non_input", "hidden", "all"))
    check_choice("site_aggregation", site_aggregation, ("max_abs", "mean_abs", "last"))
    check_flag("return_convergence_delta", return_convergence_delta)
    check_flag("quiet", quiet)
    if return_convergence_delta and not row.delta:
        able = [m.name for m in METHODS.values() if m.delta and m.target == target]
        raise Edge2TorchError(
            f"return_convergence_delta: {row.name} has none. For target {target!r} these have: "
            f"{listing(able, len(able))}."
        )
    constructor = as_mapping("constructor_kwargs", constructor_kwargs)
    call = as_mapping("attribute_kwargs", attribute_kwargs)
    base = find_edge_model(model, artifact)
    engine = load_engine(row)
    check_kwargs(engine, constructor, call)
    warn_of_gradients(row, model)
    like = next(base.parameters())
    probe = Probe(unwrap(model))
    with torch.inference_mode(False):
        x, index = read_samples(data, artifact, like)
        check_size(row, x, call.get("feature_mask"))
        against = read_baselines(baselines, row, x, index, artifact, seed)
        with at_rest(probe, like.device, seed):
            sites = find_sites(probe, base, artifact)
            seen = look(probe, x[:1], sites)
            n_outputs = seen.output.shape[1]
            columns = None
            if row.needs_output:
                names = output_names(probe.model, base, artifact, n_outputs)
                columns = probe.aim(choose_output(output, call, names, n_outputs, len(x)))
            probe.is_summed = row.cost in {"steps", "samples"} and not return_convergence_delta
            wanted = sites[:1] if target == "features" else sites[nodes != "all" :]
            task = Task(
                method=row,
                probe=probe,
                sites=[s for s in wanted if s.name in seen.reached or not row.by_gradient],
                x=x,
                columns=columns,
                baselines=against,
                constructor=constructor,
                call={name: value for name, value in call.items() if name != "target"},
                dims={name: value.dim() for name, value in seen.values.items()},
                row_bytes=x.element_size() * sum(v.numel() for v in seen.values.values()),
                delta=bool(return_convergence_delta),
                quiet=bool(quiet),
            )
            scores, deltas = attribute(task, engine)
    tables = {site.name: table_frame(site, scores, index) for site in wanted}
    if not quiet:
        print(  # noqa: T201 - the line that users know
            f"[edge2torch] Finished interpretation with method {row.name!r} for target {target!r}."
        )
    if target == "features":
        scored = tables["layer_0"]
        gap = deltas_frame(deltas, tables, index)["layer_0"].rename("delta")
        return (scored, gap) if return_convergence_delta else scored
    ends = {"all": [], "non_input": [artifact.feature_names]}
    ends["hidden"] = [artifact.feature_names, artifact.output_names]
    tables = without(tables, set(itertools.chain(*ends[nodes])))
    result = summarize(tables, index, site_aggregation) if level == "summary" else tables
    return (result, deltas_frame(deltas, tables, index)) if return_convergence_delta else result
