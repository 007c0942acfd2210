"""A screen of knock-outs: hold nodes at a value, and see what the outputs do."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch._core.checks import check_choice
from edge2torch._core.executor import PickledModel, map_on_executor
from edge2torch._core.messages import listing
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._diagnose import note_if_untrained
from edge2torch.interpret._engines._hold import (
    Places,
    change_when_held,
    check_value,
    run_changed,
    values_to_hold,
    with_update_sites,
)
from edge2torch.interpret._engines._sites import Site
from edge2torch.interpret._engines._task import Task, parts, with_progress
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._outputs import output_names
from edge2torch.interpret._request import (
    NODE_CHOICES,
    Request,
    known_nodes,
    nodes_by_choice,
    prepared_task,
)
from edge2torch.nn import Hold, layer_by_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge2torch.interpret._samples import Samples


_PIECES = 16  # of a screen that is shared out: enough for all to end at about the same time


def knock_out(
    model: nn.Module,
    artifact: CompileArtifact | Samples | None = None,
    data: Samples | None = None,
    nodes: Literal["hidden", "inputs", "non_input", "all"]
    | Sequence[str | Collection[str]]
    | Mapping[str, str | Collection[str]] = "hidden",
    *,
    value: float | Literal["mean"] | Mapping[str, float] | pd.Series[float] = 0.0,
    level: Literal["summary", "samples"] = "summary",
    hold: Hold | Sequence[Hold] | None = None,
    executor: Executor | int | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Hold nodes at a value, one or several at a time, and return how every output changes.

    A node is held wherever it is computed: along edges that skip layers, at every step of a
    recurrent model from its first update on (in a steady state while it settles), in every layer and channel of a graph
    neural network. What follows it in the graph is computed anew, and nothing is trained.

    Parameters
    ----------
    model : Module
        A compiled model, customized or wrapped or neither; it is held in ``eval()`` mode.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples, matched to the input nodes as in :func:`align_features_to_input_nodes`.
    nodes : {"hidden", "inputs", "non_input", "all"}, sequence or mapping
        Which nodes, one at a time, in the words of :func:`attribute`; only ``"all"`` leaves the
        outputs out here. A sequence may hold names and groups of names, such as ``["p1", ("p1", "p2")]``; the nodes of a group are held
        together. A mapping gives every group a name of its own.
    value : float, "mean", or mapping or Series of node name to float
        Zero takes a node's influence away, but for what its biases and normalisation do to nodes
        behind it; ``"mean"`` takes away what distinguishes the samples (the node's own mean at
        each layer or step); another number knocks in.
    level : {"summary", "samples"}
        Means over samples, or every sample.
    hold : Hold or several, optional
        What is held besides, alike in all samples, knocked out or not: a screen in an inhibited
        network. A node in both is knocked out first, and then drawn to where it is held.
    executor : int or concurrent.futures.Executor, optional
        Left out, here and in turn; a number is that many worker processes, one thread each.
    quiet : bool
        Print nothing, and show no progress bar.

    Returns
    -------
    DataFrame, shape (groups, o) or (groups * b, o)
        Output with the nodes held minus output as it is: negative where the output needs them.
        ``NodeKnockout`` is the attribution of the same: its scores are minus these changes.
        Rows are nodes or groups (``"p1 + p2"``), with ``level="samples"`` each with all samples;
        columns are the output nodes, or numbers behind a head.

    Raises
    ------
    Edge2TorchError
        For unknown nodes, nodes that the model computes nowhere, a node without a value, data
        without the inputs or without rows, and a worker process that is killed.

    Notes
    -----
    ``attribute(model, data, "nodes", "NodeKnockout", attribute_kwargs={"value": value})`` asks the same
    of single nodes and one output. An attribution says what a node adds to the output, as every
    method's does, so a score is minus the change that is returned here.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame(
    ...     {
    ...         "source": ["g1", "g2", "p1", "p2"],
    ...         "target": ["p1", "p2", "y", "y"],
    ...         "initial_weight": [1.0, 2.0, 1.0, -1.0],
    ...     }
    ... )
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 3.0], "g2": [1.0, 1.0]})
    >>> e2t.knock_out(model, artifact, cells, ["p1", "p2", ("p1", "p2")], quiet=True)
               y
    held
    p1      -2.0
    p2       2.0
    p1 + p2  0.0

    References
    ----------
    Ma et al. 2018, doi:10.1038/nmeth.4627: genes are deleted from a network that is built along a
    hierarchy.
    """
    check_choice("level", level, ("summary", "samples"))
    given, data = artifact_and_data(artifact, data)
    artifact = find_artifact(model, given)
    groups = _groups(nodes, artifact)
    screen = _Screen(
        list(groups.values()), _checked(value, groups, artifact), level == "samples", hold
    )
    with prepared_task(_request(screen, quiet), model, artifact, data) as (task, sites, index):
        _check_computed(groups, sites)
        note_if_untrained(task)
        names = output_names(task.probe.model, task.base, artifact, n := _n_outputs(task))
        changes = None if executor is not None else _run(screen, task)
        x = task.x.cpu()
    if changes is None:
        changes = _run_pieces(screen, executor, PickledModel(model), artifact, x)
    table = pd.DataFrame(changes.reshape(-1, n), columns=range(n) if names is None else names)
    held = pd.Index(list(groups), name="held", dtype=object)
    table.index = _by_sample(held, index) if screen.by_sample else held
    return table


@dataclass(frozen=True)
class _Screen:
    """Nodes of each group, what they are held at, and whether every sample is to be seen."""

    groups: list[list[str]]
    value: Any
    by_sample: bool
    hold: Hold | Sequence[Hold] | None = None


def _groups(nodes: Any, artifact: CompileArtifact) -> dict[str, list[str]]:
    """Return the known nodes of every group, by the group's name."""
    if isinstance(nodes, str):
        check_choice("nodes", nodes, NODE_CHOICES)
        by_site = [artifact.feature_names, *artifact.node_names_by_site.values()]
        # "all" leaves the outputs out: to hold one says nothing that its value does not.
        choices = ("inputs", "hidden") if nodes == "all" else (nodes,)
        chosen = [nodes_by_choice(choice, by_site, artifact) for choice in choices]
        if not (nodes := list(itertools.chain.from_iterable(chosen))):
            raise Edge2TorchError(
                f"nodes={choices[0]!r}: the graph of {artifact.graph.n_nodes} nodes has inputs and "
                "outputs only."
            )
    named = nodes.items() if isinstance(nodes, Mapping) else [(None, one) for one in nodes]
    groups: dict[str, list[str]] = {}
    for name, group in named:
        members = [group] if isinstance(group, str) else list(group)
        if not members:
            raise Edge2TorchError(f"nodes: the group {name or 'without a name'} is empty.")
        label = str(name) if name is not None else " + ".join(str(one).strip() for one in members)
        if label in groups:
            raise Edge2TorchError(f"nodes: {label!r} is there more than once. Give each once.")
        groups[label] = [str(one).strip() for one in members]
    if not groups:
        raise Edge2TorchError("nodes is empty. Name at least one.")
    known_nodes(sorted({one for group in groups.values() for one in group}), artifact)
    return groups


def _checked(value: Any, groups: Mapping[str, list[str]], artifact: CompileArtifact) -> Any:
    """Return the value as the engine takes it: by name it has to be there for every node."""
    check_value("value", value)
    if not isinstance(value, Mapping | pd.Series):
        return value
    given = pd.to_numeric(pd.Series(value), errors="coerce").dropna()
    held = list(dict.fromkeys(one for group in groups.values() for one in group))
    if lost := [node for node in held if node not in given.index]:
        raise Edge2TorchError(f"value has no number for {listing(lost)}. Give one for every node.")
    others = pd.Series(0.0, artifact.graph.node_names).drop(held)
    return pd.concat([given[held], others])


def _request(screen: _Screen, quiet: bool) -> Request:
    """Return what the engine of NodeKnockout is to be asked, for all outputs at once."""
    return Request(
        row=replace(METHODS["NodeKnockout"], name="knock_out", needs_output=False),
        nodes=sorted({node for group in screen.groups for node in group}),
        call={"value": screen.value},
        hold=screen.hold,
        quiet=quiet,
    )


def _check_computed(groups: Mapping[str, list[str]], sites: Sequence[Site]) -> None:
    there = {node for site in sites for node in site.nodes}
    if lost := sorted({one for group in groups.values() for one in group} - there):
        raise Edge2TorchError(
            f"nodes: the model computes no value of {len(lost)} node(s) that could be held: "
            f"{listing(lost)}. Leave out what is cut off from the outputs and, in a graph neural "
            "network, the outputs themselves."
        )


def _n_outputs(task: Task) -> int:
    with torch.no_grad():
        return task.probe.outputs(task.x[:1]).shape[1]


@layer_by_layer()
def _run(screen: _Screen, task: Task) -> NDArray[Any]:
    """Return changes (groups, o), means over samples, or (groups, b, o)."""
    task = with_update_sites(task)
    places, values = Places.of_groups(task.sites, screen.groups), values_to_hold(task)
    n = len(task.x)
    with torch.no_grad():
        unchanged = task.probe.outputs(task.x)
    shape = (n, unchanged.shape[1]) if screen.by_sample else unchanged.shape[1:]
    changes = unchanged.new_zeros(len(screen.groups), *shape)
    for part in with_progress(task, parts(task, len(screen.groups))):
        change = change_when_held(run_changed(task, places, part, values), unchanged[part.samples])
        if screen.by_sample:
            changes[part.items, part.samples] = change
        else:
            changes[part.items] += change.sum(1) / n
    return changes.cpu().numpy()


def _run_pieces(
    screen: _Screen,
    executor: Executor | int | None,
    pickled: PickledModel,
    artifact: Any,
    x: Tensor,
) -> NDArray[Any]:
    """Run pieces of a screen wherever an executor wants it."""
    bounds = np.linspace(0, len(screen.groups), min(_PIECES, len(screen.groups)) + 1).astype(int)
    pieces = {
        start: (replace(screen, groups=screen.groups[start:stop]), pickled, artifact, x)
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    }
    changes = dict(map_on_executor(executor, _run_piece, pieces))
    return np.concatenate([changes[start] for start in sorted(changes)])


def _run_piece(screen: _Screen, pickled: PickledModel, artifact: Any, x: Tensor) -> NDArray[Any]:
    model = copy.deepcopy(pickled.model)  # threads would hold each other's nodes
    with prepared_task(_request(screen, True), model, artifact, x) as (task, _, _):
        return _run(screen, task)


def _by_sample(held: pd.Index, index: pd.Index) -> pd.MultiIndex:
    """Return all samples once for every group."""
    frame = index.to_frame(index=False)
    frame.columns = [name or ("sample" if len(index.names) == 1 else None) for name in index.names]
    repeated = pd.concat([frame] * len(held), ignore_index=True)
    repeated.insert(0, "held", np.repeat(held.to_numpy(), len(index)))
    return pd.MultiIndex.from_frame(repeated)
