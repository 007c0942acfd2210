"""How much better a node predicts than what it reads: RLIPP, out of fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from torch import nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice, check_count, shown
from edge2torch._core.messages import listing, require, warn
from edge2torch._core.samples import by_sample
from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._walk import record_calls
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._read_out import ReadOut, mixed
from edge2torch.interpret._read_target import Kind, check_folds, own_prediction, read_target
from edge2torch.interpret._request import Request, known_nodes, nodes_by_choice, prepared_task
from edge2torch.interpret._trust._folds import read_groups
from edge2torch.train import repeated_folds

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples

Floats = NDArray[np.float64]
Children = Literal["all", "hidden"]
_FEWEST = 30  # samples: a fold of fewer than six ranks nothing
_SMALL = 0.05  # a score of the children below which a ratio is no finding


def predictive_power(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    y: Any = None,
    *,
    nodes: Literal["hidden"] | Sequence[str] = "hidden",
    task: Kind = "regression",
    target: Literal["label", "prediction"] = "label",
    children: Children = "all",
    n_components: int | None = None,
    folds: int = 5,
    repeats: int = 5,
    groups: Any = None,
    trained_on: Iterable[Any] | None = None,
    seed: int = 0,
    compatible: Literal["drugcell"] | None = None,
) -> pd.DataFrame:
    """Compare what a node's units predict with what the units of its children do (RLIPP).

    Two linear read-outs of the outcome, one of a node's units and one of its children's units put
    side by side, on samples that the model was not trained on; every prediction out of fold. As a
    node is a function of its children, it can only be *easier to read*: it has built an interaction,
    or compressed. That says nothing of whether the output uses it.

    Parameters
    ----------
    model : Module
        A compiled model, customized or wrapped or neither; it is held in ``eval()`` mode.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples that took no part in training, 30 or more.
    y : array, Series, DataFrame or Outcome, shape (b,)
        What is to be predicted: numbers, or classes; times to an event as a table with columns
        ``time`` and ``event`` (1; 0 is censored), or as a :class:`Outcome` of :mod:`edge2torch.survival`. What
        names the samples is put into their order; what misses any is refused.
    nodes : "hidden" or sequence of str
        Which nodes.
    task : {"regression", "classification", "survival"}
        Ridge and Spearman's rho; logistic ridge and the area under the ROC curve, the mean over
        classes against the rest where there are more than two; or ridge Cox (ties as Breslow counts
        them) and Harrell's C.
    target : {"label", "prediction"}
        ``"prediction"`` takes the model's own output in place of ``y``.
    children : {"all", "hidden"}
        All that has an edge to the node, inputs too; or hidden nodes alone, and inputs where there
        are none.
    n_components : int, optional
        Principal components of the children's units, fitted on the training rows; all columns if
        left out. Cutting down the children alone makes every node look better.
    folds, repeats : int
        Parts that are held out in turn, and how often they are drawn anew.
    groups : array, shape (b,), optional
        Donors or whatever samples share; on one side of every fold.
    trained_on : iterable of sample names, optional
        Samples that the model was trained on: if any is among the data it is refused. Without it
        nobody knows, and ``attrs["in_sample"]`` is None.
    seed : int
        Of the folds.
    compatible : "drugcell", optional
        The published numbers instead: read-outs of principal components, one for each unit of the node,
        fitted **and scored on the same rows**, with the model's own prediction as target, and their
        ratio. On pure noise two thirds of nodes have p < .05.

    Returns
    -------
    DataFrame, one row per node
        ``parent``, ``children``: mean scores of held-out parts. ``gain``: their difference.
        ``ratio`` (RLIPP) and ``relative`` ((parent − children) / children): NaN where ``children`` is
        .05 or less (of an AUC or C: beyond .5). ``n_children_columns``. ``p``: corrected resampled t of
        the gains, one-sided, with ``folds`` − 1 degrees of freedom; ``q``: Benjamini and Hochberg's.
        With ``compatible``: ``parent``, ``children``, ``rlipp``, ``p_parent``, ``p_children``, in
        sample. ``attrs["in_sample"]``: True with ``compatible``, False where ``trained_on`` rules it
        out, else None.

    Raises
    ------
    Edge2TorchError
        For fewer than 30 samples, samples that the model was trained on, nodes that read nothing, a
        ``y`` that is the same everywhere or names other samples, and fewer samples (of a class,
        events, or groups) than folds.

    Notes
    -----
    Columns are scaled on the training rows; of 13 penalties from .01 to 10,000 the one is taken that
    predicts best over five inner folds. Repeats share their samples, so they add no degrees of
    freedom: with the usual ``folds * repeats - 1`` noise had p < .05 in 8.5 % of nodes.

    References
    ----------
    RLIPP: Kuenzi et al. 2020, doi:10.1016/j.ccell.2020.09.014; Ma et al. 2018, doi:10.1038/nmeth.4627.
    Corrected resampled t: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.interpret import predictive_power
    >>> edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"]})
    >>> model, artifact = e2t.compile_graph(edges, units={"h": 3}, seed=0, quiet=True)
    >>> cells = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    >>> table = predictive_power(model, artifact, cells, cells["a"] * 2)
    >>> table.index.tolist(), bool(table.loc["h", "children"] > 0.99)
    (['h'], True)
    """
    for argument, value, choices in (
        ("task", task, get_args(Kind)),
        ("target", target, ("label", "prediction")),
        ("children", children, get_args(Children)),
    ):
        check_choice(argument, value, choices)
    if compatible is not None:
        check_choice("compatible", compatible, ("drugcell",))
    check_count("folds", folds, least=2)
    check_count("repeats", repeats)
    if n_components is not None:
        check_count("n_components", n_components)
    given, data = artifact_and_data(artifact, data)
    artifact = find_artifact(model, given)
    units, outputs, samples = unit_values(model, artifact, data)
    _check_samples(samples, trained_on)
    chosen = _chosen(nodes, units, artifact)
    if own := target == "prediction" or compatible is not None:
        y, task = own_prediction(outputs), "regression"
    read_out = read_target(y, samples, task, given=not own)
    below = _children(chosen, children, units, artifact)
    if compatible:
        return _published(chosen, below, units, read_out.y.astype(np.float64))
    own_groups = (
        None if groups is None else read_groups(by_sample("groups", groups, samples), len(samples))
    )
    check_folds(folds, read_out, own_groups)
    parts = repeated_folds(
        read_out.labels, None, folds, repeats=repeats, groups=own_groups, seed=seed
    )
    parts = mixed(parts, own_groups, seed)
    table = _table(chosen, below, units, read_out, parts, n_components)
    table.attrs["in_sample"] = None if trained_on is None else False
    return table


def unit_values(
    model: nn.Module, artifact: CompileArtifact, data: Any
) -> tuple[dict[str, Floats], Floats, pd.Index]:
    """Return the units (b, u) of every node, where it is computed last; outputs (b, o); samples."""
    request = Request(METHODS["LayerActivation"], nodes="all", quiet=True)
    with prepared_task(request, model, artifact, data) as (task, sites, index):
        modules = [site.module for site in sites]
        with record_calls(task, modules, with_gradients=False) as calls:
            y = task.probe.outputs(task.x)
        found: dict[str, Floats] = {}
        for call in calls:
            site = sites[call.place]
            values = call.output.double().cpu().numpy()
            counts = np.ones(len(site.nodes), int) if site.units is None else site.units
            split = np.split(values, np.cumsum(counts)[:-1], axis=1)
            found |= {
                node: own.reshape(len(own), -1) for node, own in zip(site.nodes, split, strict=True)
            }
    return found, y.double().cpu().numpy(), index


def _check_samples(samples: pd.Index, trained_on: Iterable[Any] | None) -> None:
    if isinstance(trained_on, str) or not isinstance(trained_on, Iterable | None):
        raise Edge2TorchError(f"trained_on must be a list of names, found {shown(trained_on)}.")
    if len(samples) < _FEWEST:
        raise Edge2TorchError(
            f"data: {len(samples)} samples, and {_FEWEST} are the least that a read-out can be fitted "
            "to and judged by. Pool the test parts of several folds."
        )
    known = set() if trained_on is None else set(map(str, trained_on))
    if seen := [name for name in samples if str(name) in known]:
        raise Edge2TorchError(
            f"data: {len(seen)} sample(s) are among trained_on: {listing(seen)}. A node fits the "
            "samples that it was trained on; give held-out ones."
        )


def _chosen(nodes: Any, units: Mapping[str, Floats], artifact: CompileArtifact) -> list[str]:
    if isinstance(nodes, str):
        if nodes != "hidden":
            raise Edge2TorchError(
                f"nodes must be 'hidden' or a list of names, found {shown(nodes)}."
                + (f" Write [{nodes!r}]." if nodes in units else "")
            )
        return nodes_by_choice("hidden", [list(units)], artifact)
    known_nodes(nodes, artifact)
    names = [str(one).strip() for one in nodes]
    if not names or len(set(names)) < len(names):
        raise Edge2TorchError(
            f"nodes must be a list of names, each once, found {shown(nodes)}. Leave it out for all."
        )
    if lost := [name for name in names if name not in units]:
        raise Edge2TorchError(f"nodes: the model computes no value of {listing(lost)}.")
    return names


def _children(
    nodes: Sequence[str], which: str, units: Mapping[str, Floats], artifact: CompileArtifact
) -> dict[str, list[str]]:
    """Return what each node reads, by name."""
    graph = artifact.graph
    rows = graph.active_rows
    pairs = pd.DataFrame({"to": graph.target[rows], "by": graph.source[rows]})
    pairs = pairs[pairs["to"].isin(graph.numbers(nodes, "nodes")) & (pairs["to"] != pairs["by"])]
    by_node = {to: graph.names(own.to_numpy()) for to, own in pairs.groupby("to")["by"]}
    inputs = set(artifact.feature_names)
    found, empty = {}, []
    for node, number in zip(nodes, graph.numbers(nodes, "nodes").tolist(), strict=True):
        names = [name for name in by_node.get(number, []) if name in units]
        hidden = [name for name in names if name not in inputs]
        found[node] = hidden if which == "hidden" and hidden else names
        if not names:
            empty.append(node)
    if empty:
        raise Edge2TorchError(
            f"nodes: {len(empty)} node(s) read nothing, so there is nothing to compare them with: "
            f"{listing(empty)}. Leave them out."
        )
    return found


def _side_by_side(names: Sequence[str], units: Mapping[str, Floats]) -> Floats:
    return np.concatenate([units[name] for name in names], axis=1)


def _table(
    nodes: Sequence[str],
    below: Mapping[str, list[str]],
    units: Mapping[str, Floats],
    read_out: ReadOut,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    n_components: int | None,
) -> pd.DataFrame:
    chance = read_out.chance
    rows, constant = [], []
    for node in nodes:
        own, children = units[node], _side_by_side(below[node], units)
        row = {"node": node, "n_children_columns": children.shape[1]}
        rows.append(row)
        if not own.std(0).any() or not children.std(0).any():
            constant.append(node)
            continue
        parent = read_out.scores(own, folds)
        others = read_out.scores(children, folds, n_components)
        gain, p = _corrected(parent - others, folds)
        score = float(others.mean())
        divides = score - chance > _SMALL
        row.update(
            parent=float(parent.mean()),
            children=score,
            gain=gain,
            ratio=float(parent.mean()) / score if divides else np.nan,
            relative=gain / score if divides else np.nan,
            p=p,
        )
    if constant:
        warn(
            f"{len(constant)} node(s) have the same values in all samples, or only such children, and "
            f"no score: {listing(constant)}."
        )
    columns = ["parent", "children", "gain", "ratio", "relative", "n_children_columns", "p"]
    table = pd.DataFrame(rows).set_index("node").reindex(columns=columns)
    table["q"] = benjamini_hochberg(table["p"].to_numpy(np.float64))
    return table


def _corrected(
    gains: Floats, folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[float, float]:
    """Return the mean gain and its p: folds overlap in training, repeats in samples too."""
    share = float(np.mean([len(held_out) / len(fit) for fit, held_out in folds]))
    n_folds = round(1 + 1 / share)
    mean, spread = float(gains.mean()), float(gains.std(ddof=1))
    if spread == 0:
        return mean, 0.5 if mean == 0 else float(mean < 0)
    t = mean / (spread * np.sqrt(1 / len(gains) + share))
    return mean, float(scipy.stats.t.sf(t, max(n_folds - 1, 1)))


def _published(
    nodes: Sequence[str], below: Mapping[str, list[str]], units: Mapping[str, Floats], y: Floats
) -> pd.DataFrame:
    """Return what the published code reports: components, fit and score of the same rows."""
    linear = require("sklearn.linear_model", extra="train")
    decomposition = require("sklearn.decomposition", extra="train")
    rows = []
    for node in nodes:
        found = []
        for columns in (units[node], _side_by_side(below[node], units)):
            n = min(units[node].shape[1], *columns.shape)
            x = decomposition.PCA(n_components=n, svd_solver="full").fit_transform(columns)
            predicted = linear.RidgeCV(cv=5).fit(x, y).predict(x)
            found.append(scipy.stats.spearmanr(predicted, y))
        parent, children = found
        rows.append(
            {
                "node": node,
                "parent": parent.statistic,
                "children": children.statistic,
                "rlipp": parent.statistic / children.statistic,
                "p_parent": parent.pvalue,
                "p_children": children.pvalue,
            }
        )
    table = pd.DataFrame(rows).set_index("node")
    table.attrs["in_sample"] = True
    table.attrs["note"] = (
        "As DrugCell's code has it: fitted and scored on the same samples, the model's own prediction "
        "as target. On noise two thirds of nodes have p < .05."
    )
    return table
