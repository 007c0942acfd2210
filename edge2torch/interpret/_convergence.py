"""How a recurrent model behaves on its cycles, by sample and by node name."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from edge2torch._core.arguments import artifact_and_data
from edge2torch.compile import CompileArtifact, find_artifact, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgePattern, Loops, RecurrentEdgeModel, amplification

_CYCLES = ["nodes", "n_nodes", "n_edges", "radius", "bound", "gap"]


def convergence(
    model: nn.Module,
    artifact: CompileArtifact | Tensor | None = None,
    x: Tensor | None = None,
    *,
    max_steps: int | None = None,
    tolerance: float = 1e-5,
) -> pd.DataFrame:
    """Follow a recurrent model step by step: whether each sample settles, and which node does not.

    Parameters
    ----------
    model : Module
        A model of ``backend="recurrent"``, customized or not; it is run without its dropout.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.
    x : Tensor, shape (b, i)
        Samples.
    max_steps : int, optional
        Updates to follow, beyond the model's own where its steps share their weights; by default
        as many as the model takes.
    tolerance : float
        Largest change of a node in an update, relative to the sample's largest value, at which
        the sample is settled; the model's own where it has one.

    Returns
    -------
    DataFrame, one row per sample
        ``settled``; ``step``, at which it settled, or left the finite numbers, or the last;
        ``change``, the last relative change; ``largest``, the largest absolute value; and
        ``node``, which changed most in that step.

    Raises
    ------
    Edge2TorchError
        For a model of another backend, and for samples of another shape or type.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["u", "a", "b"], "target": ["a", "b", "a"],
    ...                       "initial_weight": [1.0, 2.0, 3.0]})
    >>> model, artifact = e2t.compile_graph(
    ...     edges, backend="recurrent", outputs=["b"], steps=3, quiet=True)
    >>> convergence(model, artifact, torch.tensor([[0.0], [1.0]]), max_steps=800).loc[
    ...     :, ["settled", "step", "node"]]
       settled  step node
    0     True     1    a
    1    False   101    a
    """
    given, x = artifact_and_data(artifact, x, "x")
    artifact = find_artifact(model, given)
    base, names = _recurrent(model, artifact)
    base.check_input(x)
    if base.solver is not None:
        tolerance = base.solver.tolerance
    own = len(base.step_blocks) if base.solver is None else base.solver.max_steps
    modes = [(part, part.training) for part in base.modules()]
    base.eval()
    try:
        with torch.no_grad():
            table = _follow(base, x, max_steps or own, tolerance)
    finally:
        for part, mode in modes:
            part.training = mode
    table["node"] = [names[column] for column in table["node"]]
    return table


def _follow(base: RecurrentEdgeModel, x: Tensor, steps: int, tolerance: float) -> pd.DataFrame:
    """Record each sample's last update that is worth telling."""
    before = x.new_zeros(len(x), base.cell(0).edges.out_features)
    told = {
        "settled": torch.zeros(len(x), dtype=torch.bool, device=x.device),
        "step": torch.zeros(len(x), dtype=torch.int64, device=x.device),
        "change": x.new_zeros(len(x)),
        "largest": x.new_zeros(len(x)),
        "node": torch.zeros(len(x), dtype=torch.int64, device=x.device),
    }
    running = torch.ones(len(x), dtype=torch.bool, device=x.device)
    for count, state in enumerate(islice(base.trajectory(x), steps), start=1):
        now = state[:, base.in_features :]
        if now.shape[1] == 0:
            break
        moved = (now - before).abs().nan_to_num(torch.inf, torch.inf)
        size, (most, node) = now.abs().amax(1), moved.max(1)
        change = torch.where(most == 0, most, most / size)
        settled = change <= tolerance
        found = {"settled": settled, "change": change, "largest": size, "node": node}
        for name, values in found.items():
            told[name] = torch.where(running, values, told[name])
        told["step"] = torch.where(running, count, told["step"])
        running = running & ~settled & torch.isfinite(size)
        if not running.any():
            break
        before = now
    return pd.DataFrame({name: values.cpu().numpy() for name, values in told.items()})


def cycles(model: nn.Module, artifact: CompileArtifact | None = None) -> pd.DataFrame:
    """Describe every knot of cycles of a recurrent model, and by how much a step amplifies it.

    Parameters
    ----------
    model : Module
        A model of ``backend="recurrent"``, customized or not.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.

    Returns
    -------
    DataFrame, one row per strongly connected component, the strongest first
        ``nodes``, sorted by how much they take part; ``n_nodes`` and ``n_edges``, or units and
        weights where nodes have several units; ``radius``, the
        spectral radius of the weights, which makes a linear model grow without end where it
        passes 1; ``bound``, that of their absolute values; and ``gap``, by how much the radius may
        lie below, where a large component did not settle, or else 0.

    Raises
    ------
    Edge2TorchError
        For a model of another backend.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["u", "a", "b"], "target": ["a", "b", "a"],
    ...                       "initial_weight": [1.0, 2.0, 0.5]})
    >>> model, artifact = e2t.compile_graph(
    ...     edges, backend="recurrent", outputs=["b"], steps=3, quiet=True)
    >>> cycles(model, artifact)
        nodes  n_nodes  n_edges  radius  bound  gap
    0  [a, b]        2        2     1.0    1.0  0.0
    """
    artifact = find_artifact(model, artifact)
    base, names = _recurrent(model, artifact)
    loops = Loops.of(base)
    rows, columns = (part.cpu().numpy() for part in (loops.pattern.row, loops.pattern.col))
    weights = base.edge_values()[0].detach().cpu()[loops.edges.cpu()]
    n = len(loops.nodes)
    graph = csr_array((np.ones(len(rows), np.int8), (columns, rows)), (n, n))
    count, component = connected_components(graph, directed=True, connection="strong")
    table = []
    for k in range(count if n else 0):
        nodes, own = np.flatnonzero(component == k), np.flatnonzero(component[rows] == k)
        places = np.searchsorted(nodes, rows[own]), np.searchsorted(nodes, columns[own])
        pattern = EdgePattern(*places, (len(nodes), len(nodes)))
        found = amplification(pattern, weights[own])
        bound = amplification(pattern, weights[own].abs())
        share = np.zeros(len(nodes)) if found is None else found.share.numpy()
        order = np.argsort(-share.round(9), kind="stable")
        table.append(
            {
                "nodes": list(dict.fromkeys(names[k] for k in loops.nodes[nodes[order]].tolist())),
                "n_nodes": len(nodes),
                "n_edges": len(own),
                "radius": 0.0 if found is None else round(found.radius, 6),
                "bound": 0.0 if bound is None else round(bound.radius, 6),
                "gap": round(found.radius - found.lower, 6) if found and found.is_bound else 0.0,
            }
        )
    frame = pd.DataFrame(table, columns=_CYCLES)
    return frame.sort_values("radius", ascending=False, kind="stable", ignore_index=True)


def _recurrent(model: nn.Module, artifact: CompileArtifact) -> tuple[RecurrentEdgeModel, list[str]]:
    """Return the recurrent model, and the node of each column that a step computes."""
    base = find_edge_model(model, artifact)
    if not isinstance(base, RecurrentEdgeModel):
        raise Edge2TorchError(
            f"model was compiled with backend={artifact.backend!r}, and steps belong to "
            "backend='recurrent'."
        )
    return base, artifact.column_names(artifact.node_names_by_layer["state"])
