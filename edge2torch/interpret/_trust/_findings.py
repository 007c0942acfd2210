"""Which nodes are found: used by the network, and more than as many other features would be."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike
from torch import nn

from edge2torch._core.arguments import check_options
from edge2torch._core.checks import check_count
from edge2torch._core.messages import note, warn
from edge2torch.compile import compile_like, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._coherent import inputs_below
from edge2torch.interpret._trust._cross_fit import CrossFitted, cross_fit
from edge2torch.interpret._trust._folds import Folds
from edge2torch.interpret._trust._gene_sets import set_test
from edge2torch.interpret._trust._held import Ints
from edge2torch.interpret._trust._rewire import rewire
from edge2torch.interpret._trust._specific import N_HELD, specific_test
from edge2torch.interpret._trust._start import Start, draw_starts
from edge2torch.interpret._trust._target import Target
from edge2torch.interpret._trust._use import (
    chosen_nodes,
    loss_changes,
    sample_test,
    use_tests,
    with_target,
)
from edge2torch.nn import CompiledModel, CustomizedEdgeModel

LEVEL = 0.05
FEWEST = 30  # samples: below it a warning


@dataclass(frozen=True, eq=False, repr=False)
class NodeFindings:
    """Which nodes are found, and what the same procedure finds where there is nothing to know.

    Parameters
    ----------
    table : DataFrame
        By node, found ones first, then by ``gain``: the columns of :func:`node_use` and
        :func:`node_specific`; ``found``, where both q are below .05; ``explained_by``, the found
        node of larger gain whose inputs, held at their means, leave this one nothing (empty for nodes
        that stand on their own); ``q_set`` of :func:`set_test`.
    rewired : DataFrame or None
        The same columns but the last two, of the same procedure on rewired edges.
    calibration : DataFrame
        By control, tested against the others: shares of nodes with p below .05 and .01 (both should be
        what they say), and nodes with q below .05 (should be 0).
    networks : CrossFitted
        The networks.
    controls : tuple of CrossFitted
        The same over exchanged features.
    by_class : DataFrame
        :func:`node_use` by class and node; empty where that was not asked for.

    Examples
    --------
    >>> table = pd.DataFrame({"found": [True, False]}, ["Interferon", "Hypoxia"])
    >>> NodeFindings(table, None, pd.DataFrame(), None, ())
    NodeFindings: 1 of 2 nodes found; Interferon
    """

    table: pd.DataFrame
    rewired: pd.DataFrame | None
    calibration: pd.DataFrame
    networks: CrossFitted
    controls: tuple[CrossFitted, ...] = field(repr=False)
    by_class: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @property
    def found(self) -> list[str]:
        """Names of the found nodes, of the largest gain first."""
        return self.table.index[self.table["found"]].tolist()

    @property
    def n_rewired(self) -> int | None:
        """How many nodes the same procedure finds with rewired edges; None where not asked."""
        return None if self.rewired is None else int(self.rewired["found"].sum())

    def __repr__(self) -> str:
        """Say how many are found, how many with rewired edges, and the first."""
        found = self.found
        beside = "" if self.rewired is None else f" (with rewired edges: {self.n_rewired})"
        first = "; " + ", ".join(found[:3]) if found else ""
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return f"NodeFindings: {len(found)} of {len(self.table)} nodes found{beside}{first}{more}"


def find_nodes(
    compile_or_model: Start,
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    folds: Folds = 4,
    starts: int = 6,
    controls: int = 4,
    groups: ArrayLike | None = None,
    nodes: Sequence[str] | None = None,
    n_held: int = N_HELD,
    rewired: bool | Start = True,
    seed: int = 0,
    quiet: bool = False,
    **options: Any,
) -> NodeFindings:
    """Train networks in folds, and ask which nodes are used and say more than other features would.

    A node is *found* when the prediction of new samples rests on it (:func:`node_use`) and when it
    says more than as many other features in its place (:func:`node_specific`), both with a false
    discovery rate of 5 %. Beside it stands how many nodes the same procedure finds with rewired edges,
    in which there is nothing to know, and a gene-set test without a network (:func:`set_test`).

    Parameters
    ----------
    compile_or_model, data, target, folds, starts, groups
        As in :func:`cross_fit`. All hyperparameters must have been chosen on other samples, or by
        prediction alone.
    controls : int
        How often features are exchanged for the null; all nodes of all controls make it up together, so
        a graph of few nodes needs more.
    nodes : sequence of str, optional
        As in :func:`node_use`.
    n_held : int
        As in :func:`node_specific`.
    rewired : bool, or as compile_or_model
        Whether to repeat everything with rewired edges (:func:`rewire`, same degrees); or a start that
        has such edges.
    seed : int
        Same seed, same answer.
    quiet : bool
        Say nothing.
    **options
        Training, as in :func:`cross_fit`.

    Returns
    -------
    NodeFindings

    Raises
    ------
    Edge2TorchError
        As :func:`cross_fit` and :func:`node_use`.

    Warns
    -----
    Edge2TorchWarning
        For fewer than 30 samples.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([60, 12, 1], [120, 12], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> start = e2t.customize_model(model, node_activation="tanh"), artifact
    >>> answer = find_nodes(
    ...     start, problem.x_test, problem.y_test, starts=2, learning_rate=0.02, max_epochs=10, quiet=True)
    >>> answer.table.index[0] == problem.causal[0], answer.n_rewired
    (True, 0)
    """
    check_count("controls", controls, least=2)
    check_count("n_held", n_held, least=0)
    # not of one training alone, as a checkpoint is
    trained = inspect.signature(cross_fit).parameters.keys() - {"options", "exchange_features"}
    known = inspect.signature(find_nodes).parameters.keys() - {"options"}
    check_options("find_nodes", options, [*known, *(trained - known), "progress"])
    how: dict[str, Any] = {"starts": starts, "groups": groups, "seed": seed, **options}
    networks = cross_fit(compile_or_model, data, target, folds=folds, **how)
    how["folds"] = networks.folds
    if (n := len(networks.predictions)) < FEWEST:
        warn(
            f"{n} samples are held out in turn: t-tests of fewer than {FEWEST} rest on differences that "
            "are normal, and a node may be found by one sample. Take found nodes for suggestions."
        )
    other = tuple(
        cross_fit(compile_or_model, data, target, exchange_features=seed * 1000 + k, **how)
        for k in range(controls)
    )
    again = None
    if rewired is not False:
        start = rewired_start(compile_or_model, seed) if rewired is True else rewired
        if start is None:
            note(
                "The model is wrapped in a module of its own, so that its edges cannot be rewired "
                "here: give rewired= a start of your own to have the count beside it.",
                quiet=quiet,
            )
        else:
            again = cross_fit(start, data, target, **how)
    return judge(networks, other, again, data, target, groups=groups, nodes=nodes, n_held=n_held)


def judge(
    networks: CrossFitted,
    controls: Sequence[CrossFitted],
    rewired: CrossFitted | None,
    data: Any,
    target: Any,
    *,
    groups: Any = None,
    nodes: Any = None,
    n_held: int = N_HELD,
    by_class: bool = False,
) -> NodeFindings:
    """Return what trained networks, their controls and rewired ones say together."""
    fitted, own, groups = with_target(networks, data, target, None, groups)
    numbers = chosen_nodes(fitted.artifact, nodes, fitted.models[0][0])
    names = fitted.artifact.graph.names(numbers)
    specific, null = specific_test(fitted, controls, data, own, groups, numbers, n_held)
    classes = [None, *(range(len(own.classes)) if by_class else ())]
    use, *each = use_tests(fitted, data, own, groups, numbers, classes)
    table = _both(use, specific)
    found = table[table["found"]].sort_values("gain", ascending=False).index.tolist()
    explained = _explained(fitted, data, own, groups, found)
    table["explained_by"] = [explained.get(name, "") for name in table.index]
    table["q_set"] = set_test(fitted.artifact, data, target, nodes=names, impute=fitted.impute)[
        "q_set"
    ]
    order = table.sort_values(["found", "gain"], ascending=False, kind="stable").index
    beside = None
    if rewired is not None:
        # the same names in another graph; its null is that of the given one, of the same degrees
        places = rewired.artifact.graph.numbers(names, "nodes")
        again, _ = specific_test(rewired, (), data, own, groups, places, n_held, null=null)
        (use,) = use_tests(rewired, data, own, groups, places, [None])
        beside = _both(use, again)
    return NodeFindings(
        table.loc[order], beside, null.calibration(), fitted, tuple(controls), *each
    )


def _both(use: pd.DataFrame, specific: pd.DataFrame) -> pd.DataFrame:
    q = scipy.stats.false_discovery_control(specific["p_specific"])
    table = use.join(specific.assign(q_specific=q))
    return table.assign(found=(table["q_use"] < LEVEL) & (table["q_specific"] < LEVEL))


def _explained(
    fitted: CrossFitted, data: Any, target: Target, groups: Any, found: list[str]
) -> dict[str, str]:
    """Return for each found node the better one whose inputs leave it nothing; none for most."""
    if len(found) < 2:
        return {}
    numbers = fitted.artifact.graph.numbers(found, "nodes")
    below, inputs = inputs_below(fitted.artifact, numbers), fitted.artifact.graph.inputs
    reads: list[Ints] = [
        inputs[below.indices[below.indptr[k] : below.indptr[k + 1]]] for k in range(len(found))
    ]
    pairs = [(k, better) for k in range(len(found)) for better in range(k)]
    change = loss_changes(
        fitted, data, target,
        lambda _: [np.append(reads[better], numbers[k]) for k, better in pairs],
        against=lambda _: [reads[better] for _, better in pairs],
    )  # fmt: skip
    p = dict(zip(pairs, sample_test(change[0], groups)["p"], strict=True))
    explained: dict[int, int] = {}
    for k in range(len(found)):
        alone = (better for better in range(k) if better not in explained)
        by = next((better for better in alone if p[k, better] >= LEVEL), None)
        if by is not None:
            explained[k] = by
    return {found[k]: found[by] for k, by in explained.items()}


def rewired_start(start: Start, seed: int) -> Start | None:
    """Return the same network over rewired edges; None where it is wrapped in a module of the user's."""
    models, artifact, _ = draw_starts(start, 1, seed)
    model = models[0]
    if not isinstance(model, CompiledModel | CustomizedEdgeModel):
        return None
    base = find_edge_model(model, artifact)
    edges = rewire(artifact.graph.edges[artifact.graph.is_active], "degree", seed=seed)
    other, renamed = compile_like(artifact, edges)
    if dict(renamed.node_names_by_layer) != dict(artifact.node_names_by_layer):
        raise Edge2TorchError(
            "rewired: with exchanged targets the graph has other layers. Give rewired= a start of "
            "your own, or rewired=False."
        )
    stages = {slot.name: copy.deepcopy(dict(slot.stages)) for slot in base.node_slots()}
    drawn: nn.Module = other.with_stages(stages) if any(stages.values()) else other
    if isinstance(model, CustomizedEdgeModel):
        drawn = CustomizedEdgeModel(
            drawn, **copy.deepcopy(model.after), node_heads=copy.deepcopy(model.heads)
        )
    return drawn, renamed
