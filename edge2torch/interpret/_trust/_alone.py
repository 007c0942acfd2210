"""What a node can do by itself: sufficiency, where necessity is blind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike

from edge2torch.interpret._trust._coherent import inputs_below
from edge2torch.interpret._trust._connectivity import node_connectivity
from edge2torch.interpret._trust._cross_fit import CrossFitted
from edge2torch.interpret._trust._held import Ints
from edge2torch.interpret._trust._specific import NullFit, check_controls
from edge2torch.interpret._trust._target import Target
from edge2torch.interpret._trust._use import chosen_nodes, loss_changes, sample_test, with_target


def node_alone(
    networks: CrossFitted,
    controls: Sequence[CrossFitted],
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    groups: ArrayLike | None = None,
    nodes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Ask of every node what it can do by itself, with all others held at their means.

    The mirror image of :func:`node_use`. Where the signal is everywhere, as in bulk tissue, no node is
    needed, since each can stand in for another; but many suffice. So will random sets of their size:
    where most nodes suffice alone and none is needed, the network cannot tell one from another.

    Parameters
    ----------
    networks, controls, data, target, groups, nodes
        As in :func:`node_specific`.

    Returns
    -------
    DataFrame
        By node. ``gain_alone``: mean fall of the held-out loss from all nodes held to all but this
        one, and what leads to it and follows from it. ``alone_t``: its ratio to its standard error;
        ``p_alone``, ``q_alone``: whether it is above 0, one-sided. ``p_alone_specific``: whether it is
        above that of nodes over exchanged features, as well connected.

    Raises
    ------
    Edge2TorchError
        As :func:`node_specific`.

    References
    ----------
    Venet et al. 2011, doi:10.1371/journal.pcbi.1002240: most random gene sets predict outcome in breast
    cancer.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.interpret import find_nodes
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([60, 12, 1], [120, 12], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> start = e2t.customize_model(model, node_activation="tanh"), artifact
    >>> samples = problem.x_test, problem.y_test
    >>> answer = find_nodes(
    ...     start, *samples, starts=1, controls=2, rewired=False, learning_rate=0.02, max_epochs=10)
    >>> table = node_alone(answer.networks, answer.controls, *samples)
    >>> table["gain_alone"].idxmax() == problem.causal[0]
    True
    """
    given = check_controls(controls, networks)
    fitted, own, groups = with_target(networks, data, target, None, groups)
    numbers = chosen_nodes(fitted.artifact, nodes, fitted.models[0][0])
    parts = {k: _test(one, data, own, groups, numbers) for k, one in enumerate(given)}
    null = NullFit.of(pd.concat(parts, names=["control", "node"]))
    table = _test(fitted, data, own, groups, numbers)
    found = pd.DataFrame(
        {
            "gain_alone": table["gain"],
            "alone_t": table["t"],
            "p_alone": table["p"],
            "q_alone": scipy.stats.false_discovery_control(table["p"]),
            "p_alone_specific": null.pvalue(table),
        }
    )
    return found.rename_axis("node")


def _test(fitted: CrossFitted, data: Any, target: Target, groups: Any, nodes: Ints) -> pd.DataFrame:
    """Test the fall of the loss when a node is let free among held ones; by node."""
    artifact = fitted.artifact
    every = chosen_nodes(artifact, None, fitted.models[0][0])
    names, topology = artifact.graph.names(nodes), artifact.topology
    held = []
    for name in names:
        kin = [name, *topology.ancestors(name), *topology.descendants(name)]
        held.append(np.setdiff1d(every, artifact.graph.numbers(kin, "nodes")))
    # the fall from all held to all but one, as a rise
    change = loss_changes(
        fitted, data, target, lambda _: [every] * len(held), against=lambda _: held
    )
    table = sample_test(change[0], groups).set_axis(names)
    below = inputs_below(artifact, nodes)
    degree = node_connectivity(artifact)["degree"][names].to_numpy()
    return table.assign(n_inputs=np.diff(below.indptr), degree=degree)
