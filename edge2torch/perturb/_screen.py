"""Which node would change a readout if it were taken away: knock-outs nobody has made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from edge2torch._core.checks import check_choice, check_number
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import reachable
from edge2torch.nn import Hold
from edge2torch.perturb._design import Design, check_design
from edge2torch.perturb._fit import PerturbationFit
from edge2torch.perturb._model import PerturbationModel
from edge2torch.perturb._train import Trained

_NEAR = 2  # edges
_KINDS = ("knock_out", "knock_down", "over_expression")


def screen(
    fits: PerturbationFit | Sequence[PerturbationFit],
    design: Design | None = None,
    nodes: Literal["hidden"] | Sequence[str | tuple[str, ...]] = "hidden",
    *,
    background: str | None = None,
    readout: str | None = None,
    kind: Literal["knock_out", "knock_down", "over_expression"] = "knock_out",
    share: float = 1.0,
) -> pd.DataFrame:
    """Hold nodes, one or several at a time, and rank them by what a readout does.

    Parameters
    ----------
    fits : PerturbationFit or sequence of them
        Whose networks on the whole design are asked, all replicates.
    design : Design, optional
        By default that of the fit.
    nodes : "hidden", or sequence of names and of groups of names
        ``"hidden"``: all nodes that no stimulus feeds and that are no outputs.
    background : str, optional
        The condition in which to ask, such as ``"EGF + TNF"``; by default the mean of all.
    readout : str, optional
        By default all, a row for each.
    kind : {"knock_out", "knock_down", "over_expression"}
        ``"over_expression"`` adds ``share`` to the node.
    share : float
        How far the node is taken from what it computes to what it is at rest.

    Returns
    -------
    DataFrame
        Ranked by magnitude: ``nodes``, ``readout``, ``effect`` (mean of the replicates), ``sd`` over
        them, ``sign_agreement`` (NaN of one replicate), ``supported``, the treatments of the design that act within two
        edges, ``note``: "never seen" where there are none, and of a fit with ``rewired=20`` ``pvalue``,
        how often a rewired graph gives the node as large an effect, network by network of one start,
        and ``qvalue``. No causal claim where nothing was ever disturbed nearby.

    Raises
    ------
    Edge2TorchError
        For unknown nodes, conditions or readouts, and shares outside 0 to 1.

    Examples
    --------
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["A", "B", "a"], "target": ["a", "a", "y"], "sign": 1})
    >>> doses = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
    >>> design = perturb.read_design(doses, pd.DataFrame({"y": [0, 0.5, 0.5, 0.8]}, list("0abc")))
    >>> found = perturb.fit(edges, design, epochs=20, controls=False)
    >>> perturb.screen(found, background="c")[["nodes", "readout", "supported"]]
      nodes readout  supported
    0     a       y          2
    """
    check_choice("kind", kind, _KINDS)
    check_number("share", share, least=0, most=None if kind == "over_expression" else 1)
    several = list(fits) if isinstance(fits, Iterable) else [fits]
    if not several or not all(isinstance(one, PerturbationFit) for one in several):
        raise Edge2TorchError("fits must be what perturb.fit returned, or several of them.")
    asked = several[0].design if design is None else design
    check_design("design", asked)
    rows = _rows(asked, background)
    groups = _groups(several[0].networks[0].model, nodes)
    names = [str(name) for name in several[0].design.readouts.columns]
    if readout is not None and readout not in names:
        raise Edge2TorchError(
            f"readout={readout!r} is not one of the design's: {listing(names)}.{nearest(readout, names)}"
        )
    each = np.stack(
        [_effects(one, asked, rows, groups, kind, share) for fit in several for one in fit.networks]
    )
    effect = each.mean(axis=0)
    sd = each.std(axis=0, ddof=1) if len(each) > 1 else np.full_like(effect, np.nan)
    agree = (np.sign(each) == np.sign(effect)).mean(axis=0)
    if len(each) == 1:  # one network agrees with itself, which says nothing
        agree = np.full_like(effect, np.nan)
    support = _support(several[0].edges, asked, groups)
    table = pd.DataFrame(
        {
            "nodes": np.repeat([" + ".join(group) for group in groups], len(names)),
            "readout": np.tile(names, len(groups)),
            "effect": effect.ravel(),
            "sd": sd.ravel(),
            "sign_agreement": agree.ravel(),
            "supported": np.repeat(support, len(names)),
        }
    )
    table["note"] = np.where(table["supported"] == 0, "never seen", "")
    null = several[0].rewired_networks
    if null:  # of one start each, so the first network stands against them
        others = np.stack([_effects(n, asked, rows, groups, kind, share) for n in null])
        larger = (np.abs(others) >= np.abs(each[0])).sum(axis=0)
        table["pvalue"] = ((1 + larger) / (1 + len(null))).ravel()
    if readout is not None:
        table = table[table["readout"] == readout]
    if null:
        table["qvalue"] = benjamini_hochberg(table["pvalue"].to_numpy(float))
    table = table.sort_values("effect", key=np.abs, ascending=False, kind="stable")
    return table.reset_index(drop=True)


def _rows(design: Design, background: str | None) -> np.ndarray:
    if background is None:
        return np.arange(len(design.samples))
    rows = np.flatnonzero((design.samples["condition"] == background).to_numpy())
    if not len(rows):
        known = design.doses.index.tolist()
        raise Edge2TorchError(
            f"background={background!r} is not a condition of the design.{nearest(background, known)}"
        )
    return rows


def _state(model: PerturbationModel) -> list[str]:
    names: list[str] = next(iter(model.artifact.node_names_by_site.values()))
    return names


def _groups(model: PerturbationModel, nodes: object) -> list[tuple[str, ...]]:
    artifact = model.artifact
    ends = {*artifact.feature_names, *artifact.output_names}
    state = _state(model)
    hidden = [name for name in state if name not in ends]
    if isinstance(nodes, str):
        check_choice("nodes", nodes, ("hidden",))
        return [(name,) for name in hidden]
    groups = [(one,) if isinstance(one, str) else tuple(one) for one in nodes]  # type: ignore[attr-defined]
    known = set(state)
    if unknown := sorted({name for group in groups for name in group} - known):
        raise Edge2TorchError(
            f"nodes: {listing(unknown)} are not computed by the network.{nearest(unknown[0], known)}"
        )
    if not groups or not all(groups):
        raise Edge2TorchError("nodes is empty. Name at least one.")
    return groups


@torch.no_grad()
def _effects(
    trained: Trained,
    design: Design,
    rows: np.ndarray,
    groups: list[tuple[str, ...]],
    kind: str,
    share: float,
) -> np.ndarray:
    """Return changes of the readouts (groups, o), means over samples."""
    model = trained.model
    x = model.encode(design)[rows]
    rest = model.states(model.nothing())[0]
    before = model(x)
    state = _state(model)
    found = []
    for group in groups:
        # on a rewired graph a node may lead to no readout, and is not computed then
        places = torch.tensor(
            [state.index(name) for name in group if name in state], dtype=torch.int64
        )
        full = torch.full((len(x), len(places)), share, dtype=x.dtype)
        if kind == "over_expression":
            hold = Hold(places, torch.zeros_like(full), torch.zeros_like(full), full)
        else:
            hold = Hold(places, full, rest[places].expand_as(full))
        change = model(x, hold=[hold]) - before
        mean = trained.share * change.reshape(-1, change.shape[-1]).mean(0).numpy()
        # a steady state is found to a tolerance only, and what no path leads to has no effect
        found.append(np.where(_leads_to(model, group), mean, 0.0))
    return np.stack(found)


def _leads_to(model: PerturbationModel, group: tuple[str, ...]) -> np.ndarray:
    """Tell for each readout whether a path leads to it from one of the nodes."""
    graph = model.artifact.graph
    names = pd.Index(graph.node_names)
    starts = names.get_indexer(pd.Index(list(group)))
    source, target = graph.source[graph.is_active], graph.target[graph.is_active]
    reached = reachable(source, target, len(names), starts[starts >= 0])
    found: np.ndarray = reached[names.get_indexer(pd.Index(model.artifact.output_names))]
    return found


def _support(edges: pd.DataFrame, design: Design, groups: list[tuple[str, ...]]) -> np.ndarray:
    """Return how many treatments act within two edges of each group, in whichever direction."""
    nodes = pd.Index(pd.unique(pd.concat([edges["source"], edges["target"]])))
    n = len(nodes)
    ends = nodes.get_indexer(edges["source"]), nodes.get_indexer(edges["target"])
    graph = csr_array((np.ones(len(edges), np.int8), ends), (n, n))
    counts = []
    given = design.doses.columns[(design.doses > 0).any()]
    at = {str(name): nodes.get_indexer(pd.Index(design.targets[str(name)])) for name in given}
    for group in groups:
        own = nodes.get_indexer(pd.Index(list(group)))
        own = own[own >= 0]
        if not len(own):
            counts.append(0)
            continue
        far = dijkstra(graph, directed=False, indices=own, unweighted=True, limit=_NEAR).min(axis=0)
        counts.append(sum(bool((far[place[place >= 0]] <= _NEAR).any()) for place in at.values()))
    return np.array(counts)
