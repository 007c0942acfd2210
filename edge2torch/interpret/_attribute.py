"""The one public question: which features, nodes or edges an output rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from torch import Tensor, nn

from edge2torch._core.checks import check_seed
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.interpret._arguments import as_mapping, baselines_of
from edge2torch.interpret._attribution import Attribution, on_cpu
from edge2torch.interpret._diagnose import (
    are_finite,
    note_if_untrained,
    refuse_not_finite,
    warn_if_all_zero,
    warn_if_only_read,
)
from edge2torch.interpret._engines import find_engine
from edge2torch.interpret._methods import find_method
from edge2torch.interpret._request import Request, known_nodes, prepared_task
from edge2torch.nn import Hold

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def attribute(
    model: nn.Module,
    data: pd.DataFrame | AnnData | NDArray[Any] | Tensor,
    target: Literal["features", "nodes", "edges"] = "features",
    method: str | None = None,
    *,
    artifact: CompileArtifact | None = None,
    output: str | int | Sequence[str | int] | None = None,
    baselines: Any = None,
    nodes: Literal["non_input", "hidden", "inputs", "all"] | Sequence[str] = "non_input",
    by_site: bool = False,
    by_sample: bool = False,
    by_unit: bool = False,
    delta: bool = False,
    hold: Hold | Sequence[Hold] | None = None,
    constructor_kwargs: Mapping[str, Any] | None = None,
    attribute_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Attribution:
    """Score input features, nodes or edges of the graph by what a model's output rests on.

    The model is held in ``eval()`` mode meanwhile; the mode of every submodule, ``requires_grad``
    of its parameters and all random states are put back afterwards, also on error.

    Parameters
    ----------
    model : Module
        A compiled model, customized or wrapped or neither, that returns (b, o) or (b,).
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples to explain, matched to the input nodes as in
        :func:`align_features_to_input_nodes`.
    target : {"features", "nodes", "edges"}
        What gets a score: input nodes, nodes inside the graph, or edges.
    method : str, optional
        A name in :func:`edge2torch.interpret.attribution_methods`, in any spelling. Left out:
        ``"IntegratedGradients"`` for features, ``"LayerConductance"`` for nodes,
        ``"EdgeConductance"`` for edges.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with the model; by default the one that it carries.
    output : str, int or sequence of them, optional
        Which output to explain: an output node's name, or an index. Behind a head there are only
        indices. Needed where the model has several. A list is answered in one call.
    baselines : number, DataFrame, Series, dict, ndarray or Tensor, optional
        What samples are compared with: one row, by name or in model order; a row per sample; or
        any number of rows for methods that take a set of reference samples. Left out: zeros; for
        those that take a set, up to 50 samples drawn from ``data``, and zeros for a single one.
    nodes : {"non_input", "hidden", "inputs", "all"} or sequence of str
        For nodes: all but the inputs, all between inputs and outputs, the inputs alone, or every
        one; or nodes by name.
    by_site : bool, default False
        For methods that change the values of nodes: change each at one layer or step at a time,
        and not wherever it is computed. Other methods score by layer or step in any case.
    by_sample : bool, default False
        For edges: keep the scores of every sample, (b, e), not only their means.
    by_unit : bool, default False
        For nodes: also keep the scores of single units, for ``.frame("units")``; of methods whose
        scores add up. Units may be mixed without any change of the model, so none is a finding.
    delta : bool, default False
        Also compute how far the scores are from summing to what they explain.
    hold : Hold or several, optional
        What is held meanwhile, alike in all samples and baselines: ``artifact.hold(["MEK"], 1, 0.9)``
        for an inhibited network. A node that is held is scored by what it computes itself, as far
        as the hold lets that through. Not with LRP.
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
    Attribution
        ``.frame()`` for samples × names, ``.summary()`` for a ranking, ``.to_anndata()``,
        ``.to_networkx()``; :func:`edge2torch.plot.attribution` draws it.

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

    ``NodeKnockout`` says what a node adds to the output: minus the change that :func:`knock_out`
    reports where it is held at the same ``value``.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame(
    ...     {"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "y"], "initial_weight": [1.0, 2, 3]}
    ... )
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 0.0], "g2": [1.0, 1.0]}, index=["cell_a", "cell_b"])
    >>> why = e2t.attribute(model, cells, delta=True, quiet=True)
    >>> why.frame().round(4)
             g1   g2
    cell_a  3.0  6.0
    cell_b  0.0  6.0
    >>> bool(why.delta.abs().max() < 1e-4)
    True
    """
    call = as_mapping("attribute_kwargs", attribute_kwargs)
    request = Request(
        row=find_method(method, target),
        output=output,
        baselines=baselines_of(baselines, call),
        nodes=nodes,
        by_site=by_site,
        by_sample=by_sample,
        by_unit=by_unit,
        delta=delta,
        hold=hold,
        constructor=as_mapping("constructor_kwargs", constructor_kwargs),
        call=call,
        seed=check_seed("seed", seed),
        quiet=quiet,
    )
    row = request.row
    artifact = find_artifact(model, artifact)
    with prepared_task(request, model, artifact, data) as (task, sites, index):
        note_if_untrained(task)
        engine = find_engine(row, request.constructor, request.call)
        warn_if_only_read(task, engine)
        results = engine(task)
        if not are_finite(scores for result in results for scores in result.scores.values()):
            refuse_not_finite(task, index)
        warn_if_all_zero(task, results)
    labels = [one.label for one in task.outputs]
    return Attribution(
        method=row.name,
        target=row.target,
        outputs=labels if isinstance(output, list | tuple) else None,
        artifact=artifact,
        samples=index,
        _labels=labels,
        _scores=on_cpu(results),
        _sites={site.name: site.nodes for site in sites},
        _nodes=nodes if isinstance(nodes, str) else known_nodes(nodes, artifact),
        _has_delta=bool(delta),
        _data=data,
        _x=task.x,
        _units={site.name: site.units for site in sites} if by_unit else None,
    )
