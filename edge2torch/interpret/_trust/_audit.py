"""Can it be known at all: what students of a teacher on this graph and these data recover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.checks import check_count, check_number, check_seed, check_type
from edge2torch._core.complete import check_complete
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, plural
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import customize_model
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph
from edge2torch.interpret._activations import activations
from edge2torch.interpret._trust._alike import chains, joined, same_reach, twins, with_known_sign
from edge2torch.interpret._trust._node_scores import score_stack
from edge2torch.interpret._trust._stack import ReplicateStack
from edge2torch.interpret._trust._start import draw_starts
from edge2torch.train import fit, fit_scaler

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_FEWEST = 20  # samples
_CONSTANT = 1e-12
_HELD_OUT = 0.2  # of the samples: how well a student does is told by these
_MOST = 500  # samples at which activations are compared
_RECOVERED = 0.8
_SCORE = "LayerGradientXActivation"
_WHY = {
    "twins": "read the same and are read by the same: they can change places",
    "chain": "each reads one node only, and is that node, bent and scaled",
    "same reach": "the same inputs reach them, and they reach the same outputs",
}
_EXACT = ("twins", "chain")
_ROWS = 10


@dataclass(frozen=True, eq=False, repr=False)
class PriorAudit:
    """What could be learned of each node of a graph, if the graph were true.

    Made by :func:`audit_prior`.

    Parameters
    ----------
    nodes : DataFrame, one row per node between inputs and the last output
        ``alike``: a number that nodes share which cannot be told apart, 0 for none; ``sign_known``:
        whether constraints fix the sign of the node's value; ``activation``: mean size of the
        correlation between a student's value of the node and its teacher's; ``sign``: share of
        students whose value has the teacher's sign (.5 by chance); ``rank_shift``: mean distance
        between the ranks of the node's score in student and teacher, as a share of all ranks (1/3 by
        chance).
    classes : DataFrame
        ``kind`` (``"twins"``, ``"chain"``, ``"same reach"``), ``nodes`` and ``why``, one row per group.
        Of the first two kinds no data tell the nodes apart; those of the third differ at most in
        how they bend.
    fits : DataFrame, one row per student
        ``teacher``, ``student``, ``r2`` on held-out samples, and ``scores``, Spearman's correlation of
        all nodes' scores.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "a", "b", "p", "q"],
    ...                       "target": ["p", "p", "q", "q", "y", "y"]})
    >>> data = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    >>> audit = e2t.audit_prior(edges, data, teachers=2, max_epochs=5, quiet=True)
    >>> audit.classes[["kind", "nodes"]]
        kind   nodes
    0  twins  [p, q]
    """

    nodes: pd.DataFrame
    classes: pd.DataFrame
    fits: pd.DataFrame

    @property
    def recovered(self) -> list[str]:
        """Nodes whose value students find again: correlation of .8 and more, by size."""
        return [str(name) for name in self.nodes.index[self.nodes["activation"] >= _RECOVERED]]

    def summary(self) -> str:
        """Return what the audit says, in sentences."""
        return self._words

    @cached_property
    def _words(self) -> str:
        n, alike = len(self.nodes), int((self.nodes["alike"] > 0).sum())
        known = int(self.nodes["sign_known"].sum())
        return (
            f"{len(self.recovered)} of {plural('node', n)} can be recovered from these data if the graph "
            f"is right: students with other starts find their values again (mean |r| >= {_RECOVERED}), "
            f"while predicting held-out samples with R² {self.fits['r2'].mean():.2f}. {alike} cannot be "
            f"told from another node by any data. The sign of {known} is fixed by constraints."
        )

    def __repr__(self) -> str:
        return f"PriorAudit: {self._words}"

    def _repr_html_(self) -> str:
        table = self.nodes[:_ROWS].to_html(border=0, float_format="{:.2f}".format)
        return f"<div><p>{escape(self._words)}</p>{table}</div>"


def audit_prior(
    edges: EdgesLike,
    X: pd.DataFrame,
    *,
    outputs: Sequence[str] | None = None,
    teachers: int = 8,
    students: int = 2,
    noise: float = 0.0,
    activation: str = "tanh",
    max_epochs: int = 200,
    learning_rate: float = 0.01,
    batch_size: int = 64,
    seed: int = 0,
    quiet: bool = False,
) -> PriorAudit:
    """Ask whether a node's value, sign and rank could be learned on this graph from these data.

    A network that predicts perfectly may hold other values at its nodes than the network that made
    the data. Here it can be seen: teachers with random weights are put on the graph and given your
    samples; students with other starts learn to predict their teacher's output; and what student and
    teacher hold at each node is compared. Nobody knows weights like those of nature, so this is the
    best case: the graph is exactly right and nothing else plays a part. A node that is not recovered
    here has no business in a figure. Besides, nodes that no data can tell apart are named.

    Parameters
    ----------
    edges : DataFrame or Prior
        Columns ``source`` and ``target``, ``constraint`` if there is one; acyclic.
    X : DataFrame, samples × features
        Every input of the graph; NaN where a value is missing (the median stands for it).
    outputs : sequence of str, optional
        Nodes that are read; the graph's ends by default. Of several a linear layer makes one number.
    teachers, students : int
        Teachers, and students of each.
    noise : float
        Standard deviation of noise on a teacher's answer, whose own is 1.
    activation : str
        At every hidden node of teachers and students, as in :func:`customize_model`.
    max_epochs, learning_rate, batch_size
        Of the students, as in :func:`edge2torch.train.fit`.
    seed : int
        Same seed, same audit.
    quiet : bool
        Show no progress bar.

    Returns
    -------
    PriorAudit
        ``.nodes``, ``.classes``, ``.fits``, ``.summary()``.

    Raises
    ------
    Edge2TorchError
        For a graph with cycles or without inner nodes, data without its inputs, and fewer than 20
        samples.

    Notes
    -----
    Teachers have the weights that :func:`compile_graph` draws. A student stops when held-out samples
    gain nothing more. Scores are gradient × activation, mean size over samples.

    References
    ----------
    Esser-Skala & Fortelny 2023, doi:10.1038/s41540-023-00310-8 (networks of one graph differ in what
    their nodes say).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.simulate import layered_graph
    >>> edges = layered_graph([12, 4, 1], [12, 4], seed=0)
    >>> names = sorted(set(edges["source"]) - set(edges["target"]))
    >>> data = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 12)), columns=names)
    >>> audit = e2t.audit_prior(edges, data, teachers=2, quiet=True)
    >>> bool((audit.nodes["activation"] > 0.8).all())
    True
    """
    check_type("X", X, pd.DataFrame, "a DataFrame of samples × features")
    for name, value in (("teachers", teachers), ("students", students)):
        check_count(name, value)
    check_number("noise", noise, least=0)
    check_seed("seed", seed)
    if len(X) < _FEWEST:
        raise Edge2TorchError(f"X: {len(X)} samples are too few; {_FEWEST} are the least.")
    model, artifact = compile_graph(edges, outputs=outputs, unused="prune", quiet=True)
    graph = artifact.graph
    # several ends are read by a layer that takes them for nodes like any other
    ends = graph.outputs if len(graph.outputs) == 1 else graph.outputs[:0]
    names = _inner_nodes(artifact, ends)
    start = customize_model(
        model,
        node_activation=activation,
        head=None if len(ends) else nn.Linear(len(graph.outputs), 1),
    )
    own = X[[name for name in artifact.feature_names if name in X]]
    check_complete(own, impute=True, argument="X")  # the median stands for what is missing
    if own.shape[1] < len(artifact.feature_names):
        align_features_to_input_nodes(own.fillna(0.0), artifact)  # says which are missing
    scaled = fit_scaler(own, np.arange(len(own)))(own)
    x = align_features_to_input_nodes(scaled, artifact)
    order = np.random.default_rng(seed).permutation(len(x))
    held_out, rows = np.split(order, [max(round(_HELD_OUT * len(x)), 2)])
    teacher = ReplicateStack(draw_starts((start, artifact), teachers, seed)[0], artifact)
    # Seeds of their own: a student that starts where its teacher stands has nothing to learn.
    apart = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
    pupils = ReplicateStack(draw_starts((start, artifact), teachers * students, apart)[0], artifact)
    which = np.repeat(np.arange(teachers), students)
    clean = _answers(teacher, x)[which]
    heard = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    squares = nn.MSELoss()
    fit(
        pupils,
        lambda part: sum(map(squares, pupils(x[part])[:, :, 0], heard[:, part]), x.new_zeros(())),
        rows,
        held_out=held_out,
        max_epochs=max_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=0.0,  # nothing but the data is to decide
        plateau=5,
        min_gain=1e-4 * len(which),
        patience=20,
        seed=seed,
        progress=False if quiet else None,
    )
    with torch.no_grad():
        missed = (pupils(x[held_out])[:, :, 0] - clean[:, held_out]).square().mean(dim=1)
    seen = scaled.iloc[np.sort(order[:_MOST])]
    theirs, ours = _look(teacher, seen, names), _look(pupils, seen, names)
    fits = pd.DataFrame(
        {
            "teacher": which,
            "student": np.tile(np.arange(students), teachers),
            "r2": (1 - missed / clean[:, held_out].var(dim=1, correction=0)).numpy(),
            "scores": _correlations(theirs.ranks[which].T, ours.ranks.T),
        }
    )
    r = np.stack(
        [_correlations(theirs.values[t], own) for t, own in zip(which, ours.values, strict=True)]
    )
    shift = np.abs(theirs.ranks[which] - ours.ranks).mean(axis=0)
    groups = _alike_nodes(graph, ends)
    table = pd.DataFrame(
        {
            "alike": _numbers_of(groups, graph, names),
            "sign_known": with_known_sign(graph, ends)[graph.numbers(names, "nodes")],
            "activation": np.abs(r).mean(axis=0),
            "sign": (r > 0).mean(axis=0),
            "rank_shift": shift,
        },
        index=pd.Index(names, name="node"),
    ).sort_values("activation", ascending=False, kind="stable")
    rows_ = [(kind, graph.names(group), _WHY[kind]) for kind, group in groups]
    return PriorAudit(table, pd.DataFrame(rows_, columns=["kind", "nodes", "why"]), fits)


def _inner_nodes(artifact: CompileArtifact, ends: Ints) -> list[str]:
    """Return all nodes but inputs and ends, layer by layer."""
    without = {*artifact.feature_names, *artifact.graph.names(ends)}
    layers = artifact.node_names_by_layer.values()
    if not (names := [name for layer in layers for name in layer if name not in without]):
        raise Edge2TorchError(
            f"edges: the graph leads from {plural('input', len(artifact.feature_names))} to "
            f"{listing(artifact.output_names)} with nothing between, so there is nothing to recover."
        )
    return names


def _answers(teacher: ReplicateStack, x: Tensor) -> Tensor:
    """Return what each teacher says of each sample (teachers, b), with mean 0 and deviation 1."""
    teacher.eval()
    with torch.no_grad():
        y: Tensor = teacher(x)[:, :, 0]
    spread = y.std(dim=1, keepdim=True)
    if not bool((spread > _CONSTANT).all()):
        raise Edge2TorchError(
            "X: the answer of a network on this graph is the same for all samples. Do the features "
            "vary?"
        )
    return (y - y.mean(dim=1, keepdim=True)) / spread


class _Look(NamedTuple):
    """What networks hold at their nodes (k, b, n), and the ranks of the nodes' scores (k, n)."""

    values: Floats
    ranks: Floats


def _look(stack: ReplicateStack, samples: pd.DataFrame, names: list[str]) -> _Look:
    wide = activations(stack.base, stack.artifact, samples[stack.single.feature_names])
    inner = wide.drop(columns=stack.single.feature_names)
    keys = stack.split_names(inner.columns)
    inner = inner.set_axis(keys, axis=1)
    values = [inner[k][names].to_numpy(np.float64) for k in range(len(stack))]
    options = {"method": _SCORE, "nodes": "non_input"}
    scores = score_stack(stack, samples, None, options).scores[names].to_numpy(np.float64)
    return _Look(np.stack(values), scipy.stats.rankdata(scores, axis=1) / len(names))


def _correlations(first: Floats, second: Floats) -> Floats:
    """Correlate columns (b, n) with columns, 0 where one does not vary."""
    x, y = (one - one.mean(axis=0) for one in (first, second))
    spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.asarray((x * y).sum(axis=0) / np.maximum(spread, _CONSTANT))


def _alike_nodes(graph: EdgeGraph, ends: Ints) -> list[tuple[str, Ints]]:
    """Return groups of nodes that are alike, and how; none that another group holds already."""
    exact = [("twins", own) for own in twins(graph, ends)]
    exact += [("chain", own) for own in chains(graph)]
    one = joined([own for _, own in exact], graph.n_nodes)
    near = [own for own in same_reach(graph, ends) if len(np.unique(one[own])) > 1]
    return [*exact, *(("same reach", own) for own in near)]


def _numbers_of(groups: list[tuple[str, Ints]], graph: EdgeGraph, names: list[str]) -> Ints:
    """Number the nodes that no data tell apart, group by group; 0 for all others."""
    exact = [own for kind, own in groups if kind in _EXACT]
    number = joined(exact, graph.n_nodes)
    shared = np.bincount(number)[number] > 1
    of_nodes = np.where(shared, number, -1)[graph.numbers(names, "nodes")]
    codes = np.unique(of_nodes[of_nodes >= 0])
    return np.where(of_nodes < 0, 0, np.searchsorted(codes, of_nodes) + 1)
