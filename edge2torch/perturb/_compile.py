"""From edges and a design to a network that takes doses."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice, check_count
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, note
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import customize_model
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.graph import reachable, read_edge_table
from edge2torch.perturb._design import LOWERS, Design, check_design
from edge2torch.perturb._model import Encoding, PerturbationModel
from edge2torch.perturb._problem import smallest_doses
from edge2torch.perturb._weights import WEIGHTS, share_weights, with_fixed_inputs

READ = " (read)"
_CONTEXT = "context: "
_HILL = 4  # doses from which on that of half effect can be learned


def compile(  # noqa: A001 - perturb.compile is what users look for beside compile_graph
    edges: EdgesLike,
    design: Design,
    *,
    steps: Literal["converge"] | int = "converge",
    time_scale: Literal["rank", "log"] = "rank",
    sign_column: str | None = "sign",
    weights: Literal["free", "shared", "shrunk"] = "free",
    dose: Literal["log", "hill"] = "log",
    acts: Literal["value", "output"] = "value",
    unknown: Literal["error", "drop"] = "error",
    context_nodes: list[str] | None = None,
    node_activation: Any = "tanh",
    max_steps: int = 100,
    tolerance: float = 1e-3,
    engine: Literal["auto", "graph", "layers"] = "auto",
    seed: int = 0,
    quiet: bool = True,
) -> tuple[PerturbationModel, CompileArtifact]:
    """Compile a signed network, with feedback or not, into a model that takes the design's doses.

    A dose amounts to ``u = log(1 + dose / K) / log(1 + largest / K)`` with K the smallest dose; a
    single dose to 1. A *stimulus* is the value of an input node, ``3 u``, as inputs of 1 to 3 drive
    saturating nodes over their range. An *inhibitor* takes its target from what it computes to what
    it is where nothing is given, by ``u`` times the share of its largest dose, 0 to 1: given, or
    learned for each drug.
    *Knock-outs* do so wholly, *knock-downs* by what they take away, *over-expression* adds a learned
    amount.

    Parameters
    ----------
    edges : DataFrame or Prior
        The network. Edges into nodes that a stimulus feeds are left out, as are nodes that no
        treatment reaches.
    design : Design
        What was given, and the names of what was read.
    steps : "converge" or int
        The steady state, or the state after so many updates, which trains in less than half the
        time. Several times are a sequence: updates from each to the next, by default 2.
    time_scale : {"rank", "log"}
        Of several times: as many updates from each to the next; or ``steps`` of them up to the first
        and, after it, in proportion to how much ``log(1 + time / first)`` grows, ``steps`` at least.
    sign_column : str, optional
        Column of signs (1, -1, 0 for not known), if the table has one.
    weights : {"free", "shared", "shrunk"}
        One weight per edge; or one gain per source and one per target, ``sign * gain_target *
        gain_source / sqrt(in-degree * out-degree)``, with the edges of inputs fixed; or free ones that
        are drawn to these while they are fitted.
    dose : {"log", "hill"}
        ``"hill"`` learns the dose of half effect of treatments with 4 doses or more.
    acts : {"value", "output"}
        Whether an inhibitor stops a node, or what it sends: its own phosphorylation may rise.
    unknown : {"error", "drop"}
        What to do with treatments whose target is not a node.
    context_nodes : list of str, optional
        Nodes that have a bias of their own in each context.
    node_activation : str or Module
        Of all nodes but those that are read, as in :func:`customize_model`.
    max_steps, tolerance : int, float
        Of the steady state.
    engine : {"auto", "graph", "layers"}
        What computes the updates, as in :class:`edge2torch.Recurrent`.
    seed : int
        Draws the weights.
    quiet : bool
        Print no notes.

    Returns
    -------
    model : PerturbationModel
        ``model(model.encode(design))`` are its readouts.
    artifact : CompileArtifact

    Raises
    ------
    Edge2TorchError
        For treatments without a node, and readouts that are not in the graph, that no treatment
        reaches, or that a stimulus feeds.

    Examples
    --------
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["EGF", "RAS", "MEK"], "target": ["RAS", "MEK", "ERK"], "sign": 1})
    >>> doses = pd.DataFrame({"EGF": [0.0, 1.0, 1.0], "MEKi": [0, 0, 1.0]}, ["none", "EGF", "both"])
    >>> read = pd.DataFrame({"ERK": [0.1, 0.9, 0.2]}, doses.index)
    >>> design = perturb.read_design(doses, read, edges=edges)
    >>> model, artifact = perturb.compile(edges, design)
    >>> artifact.feature_names, model.encoding.held
    (['EGF'], ['MEK'])
    """
    check_design("design", design)
    check_choice("weights", weights, WEIGHTS)
    check_choice("time_scale", time_scale, ("rank", "log"))
    check_choice("dose", dose, ("log", "hill"))
    check_choice("acts", acts, ("value", "output"))
    check_choice("unknown", unknown, ("error", "drop"))
    times = sorted(design.samples["time"].dropna().unique().tolist())
    several = len(times) > 1
    if several and steps == "converge":
        steps = 2
    if steps != "converge":
        check_count("steps (or 'converge')", steps)
    table = read_edge_table(edges).frame
    nodes = set(table["source"]) | set(table["target"])
    acting = _acting(design, nodes, unknown, quiet)
    contexts = [one for one in dict.fromkeys(design.samples["context"]) if one]
    contexts = contexts if len(contexts) > 1 and context_nodes else []
    fed = _fed(design, acting)
    table = _kept(table, fed, design, context_nodes, contexts)
    readouts = list(map(str, design.readouts.columns))
    kinds = design.treatments["kind"]
    stopped = {node for name, own in acting.items() if kinds[name] != "stimulus" for node in own}
    table, outputs = _with_reads(table, readouts, stopped)
    inputs = [*fed, *(f"{_CONTEXT}{name}" for name in contexts)]
    signs = sign_column if sign_column in table else None
    if weights == "shared":
        table, signs = with_fixed_inputs(table, set(inputs), signs), None
    options: dict[str, Any] = {"steps": steps, "engine": engine}
    if steps == "converge":
        options.update(max_steps=max_steps, tolerance=tolerance)
    elif several:
        options.update(leak="node")
    with warnings.catch_warnings():
        # Updates that were asked for may be too few; a sequence has as many as its times have together.
        if several or (quiet and steps == "converge"):
            warnings.simplefilter("ignore", Edge2TorchWarning)
        base, artifact = compile_graph(
            table,
            backend="recurrent",
            seed=seed,
            quiet=quiet,
            inputs=inputs,
            outputs=outputs,
            sign_column=signs,
            unused="prune",
            **options,
        )
    net = customize_model(base, node_activation=node_activation)
    fed = [name for name in artifact.feature_names if not name.startswith(_CONTEXT)]
    contexts = [name for name in contexts if f"{_CONTEXT}{name}" in artifact.feature_names]
    encoding = _encoding(design, acting, fed, contexts, artifact, dose)
    places = (
        artifact.hold(encoding.held, 1).nodes.numpy() if encoding.held else np.zeros(0, np.int64)
    )
    if weights == "shared":
        share_weights(net.base_model)
    model = PerturbationModel(
        *(net, encoding, places, readouts),
        acts=acts,
        times=times if several else (),
        rounds=_rounds(times) if several and time_scale == "log" else (),
    )
    return model, artifact


def _rounds(times: list[float]) -> list[int]:
    """Return rounds of updates between times: 1 up to the first, more where log time goes further."""
    gone = np.log1p(np.array(times) / times[0])
    parts = np.diff(gone, prepend=0.0) / gone[0]
    return [max(1, round(part)) for part in parts.tolist()]


def _acting(design: Design, nodes: set[str], unknown: str, quiet: bool) -> dict[str, list[str]]:
    """Return the nodes that each treatment acts on; those without any are refused, or dropped."""
    found = {name: [n for n in own if n in nodes] for name, own in design.targets.items()}
    lost = [name for name, own in found.items() if not own]
    if lost and unknown == "error":
        hint = nearest(design.targets[lost[0]][0], nodes)
        raise Edge2TorchError(
            f"design has {len(lost)} treatment(s) whose target is not a node: {listing(lost)}.{hint} "
            "Name their targets in the design, or give unknown='drop'."
        )
    if lost:
        note(
            f"{len(lost)} treatment(s) act on no node and count for nothing: {listing(lost)}.",
            quiet=quiet,
        )
    return {name: own for name, own in found.items() if own}


def _fed(design: Design, acting: dict[str, list[str]]) -> list[str]:
    """Return the nodes that stimuli feed, each once."""
    kinds = design.treatments["kind"].to_dict()
    fed = [node for name, own in acting.items() if kinds[name] == "stimulus" for node in own]
    if not fed:
        raise Edge2TorchError("design has no stimulus on a node: nothing would enter the network.")
    return list(dict.fromkeys(fed))


def _kept(
    table: pd.DataFrame,
    fed: list[str],
    design: Design,
    context_nodes: list[str] | None,
    contexts: list[str],
) -> pd.DataFrame:
    """Return the edges that something flows along, and those of contexts."""
    names = sorted({*table["source"], *table["target"]})
    if lost := [str(name) for name in design.readouts if name not in names]:
        raise Edge2TorchError(
            f"readouts: {len(lost)} of them are not nodes: {listing(lost)}.{nearest(lost[0], names)} "
            "Drop these columns, or name them as the network does."
        )
    if given := [str(name) for name in design.readouts if name in fed]:
        raise Edge2TorchError(
            f"readouts: {listing(given)} stand for what a stimulus gives, and are computed from nothing. "
            "Drop these columns."
        )
    if unknown := [node for node in context_nodes or [] if node not in names]:
        raise Edge2TorchError(
            f"context_nodes: {listing(unknown)} are not nodes.{nearest(unknown[0], names)}"
        )
    table = table[~table["target"].isin(fed)]
    index = pd.Index(names)
    source, target = index.get_indexer(table["source"]), index.get_indexer(table["target"])
    reached = reachable(source, target, len(names), index.get_indexer(fed))
    if mute := [str(name) for name in design.readouts if not reached[names.index(name)]]:
        raise Edge2TorchError(
            f"readouts: no treatment of the design reaches {listing(mute)}. Drop these columns, or "
            "mend the network."
        )
    table = table[reached[source]].reset_index(drop=True)
    into = [node for node in context_nodes or [] if reached[names.index(node)]]
    more = [
        {"source": f"{_CONTEXT}{name}", "target": node, "sign": 0, "initial_weight": 0.0}
        for name in contexts
        for node in into
    ]
    return pd.concat([table, pd.DataFrame(more)], ignore_index=True) if more else table


def _with_reads(
    table: pd.DataFrame, readouts: list[str], stopped: set[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Give inner nodes that are held and read a node behind them: an output has no activation.

    A held node keeps its own scale so; weight and bias of the other are the affine map from its value
    to what is measured.
    """
    inner = set(table["source"]) & stopped
    more = pd.DataFrame(
        [
            {"source": name, "target": f"{name}{READ}", "sign": 1, "initial_weight": 1.0}
            for name in readouts
            if name in inner
        ]
    )
    outputs = [f"{name}{READ}" if name in inner else name for name in readouts]
    if more.empty:
        return table, outputs
    if "sign" not in table:
        more = more.drop(columns="sign")
    return pd.concat([table, more], ignore_index=True), outputs


def _encoding(
    design: Design,
    acting: dict[str, list[str]],
    fed: list[str],
    contexts: list[str],
    artifact: CompileArtifact,
    dose: str,
) -> Encoding:
    kinds, treatments = design.treatments["kind"], list(acting)
    computed = set(next(iter(artifact.node_names_by_site.values())))
    held = list(
        dict.fromkeys(
            node
            for name in treatments
            if kinds[name] != "stimulus"
            for node in acting[name]
            if node in computed
        )
    )
    feeds = np.zeros((len(treatments), len(fed)), bool)
    stops = np.zeros((len(treatments), len(held)), bool)
    adds = np.zeros_like(stops)
    for row, name in enumerate(treatments):
        for node in acting[name]:
            if kinds[name] == "stimulus":
                feeds[row] |= np.array([node == one for one in fed])
            elif node in held:
                (stops if kinds[name] in LOWERS else adds)[row, held.index(node)] = True
    given = design.doses[treatments]
    smallest = np.array(smallest_doses(design)[treatments], np.float64)
    share = np.array(design.treatments.loc[treatments, "share"], np.float64)
    for row, name in enumerate(treatments):
        if kinds[name] == "knock_out":
            share[row] = 1.0
        if kinds[name] == "knock_down":
            share[row], smallest[row] = 1.0, 0.0  # its dose is the share itself
    counts = given.where(given > 0).nunique().to_numpy()
    is_hill = (counts >= _HILL) & (dose == "hill") & (smallest > 0)
    largest = np.array(given.max(), np.float64)
    known = design.treatments.get("shares", pd.Series(dtype=object))
    curves = {
        row: _curve(known[name], share[row])
        for row, name in enumerate(treatments)
        if isinstance(known.get(name), dict) and kinds[name] == "inhibitor"
    }
    return Encoding(
        *(treatments, contexts, feeds, stops, adds, smallest, largest, share, is_hill, held), curves
    )


def _curve(shares: dict[float, float], largest: float) -> tuple[list[float], list[float]]:
    """Return doses from 0 on, and what each amounts to of the share that stands for 1."""
    return [0.0, *shares], [0.0, *(one / largest for one in shares.values())]
