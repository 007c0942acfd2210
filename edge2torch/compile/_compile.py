"""``compile_graph``: the one function that joins names and tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edge2torch._core.checks import check_flag, check_seed
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, note
from edge2torch._core.randomness import seeded
from edge2torch.compile._gnn import GNN
from edge2torch.compile._options import (
    CompileOptions,
    Feedforward,
    Init,
    check_options,
    own_options,
    without_steps,
)
from edge2torch.compile._recurrent import Recurrent
from edge2torch.compile._registry import BACKENDS, Backend, find_backend
from edge2torch.compile._units import Units, read_units, unit_graph
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, build_edge_graph, read_edge_table
from edge2torch.nn import CompiledModel
from edge2torch.priors import Prior

_AT_ONCE = 1 << 16


def compile_graph(
    edgelist: EdgesLike,
    backend: str | Feedforward | Recurrent | GNN = "feedforward",
    *,
    seed: int | None = None,
    quiet: bool = False,
    bias: bool = True,
    steps: int | str | None = None,
    inputs: Iterable[Any] | None = None,
    outputs: Iterable[Any] | None = None,
    init: Init = "sparse",
    sign_column: str | None = None,
    unused: Literal["keep", "prune", "error"] = "keep",
    kernel: Literal["auto", "sparse", "dense"] = "auto",
    units: Units | None = None,
    **own: Any,
) -> tuple[CompiledModel, CompileArtifact]:
    """Compile a table of named edges into a trainable model that computes along them.

    Parameters
    ----------
    edgelist : DataFrame or Prior, one row per edge
        Columns ``source`` and ``target``; optionally ``initial_weight`` (missing: drawn) and
        ``constraint`` (``unconstrained``, ``positive``, ``negative`` or ``fixed``; missing:
        unconstrained). Other columns are kept as metadata.
    backend : str or options of a backend
        ``"feedforward"``: layers of a directed acyclic graph. ``"recurrent"``: a state per node,
        updated along the edges step by step. ``"gnn"``: messages along the edges to nodes with
        several channels, layer by layer. The last two take graphs with cycles. An object such as
        ``GNN(steps=4, channels=10)`` says the same with its options, for editors and type
        checkers to know: :class:`Feedforward`, :class:`Recurrent`, :class:`GNN`.
    seed : int, optional
        Draw weights from a generator of their own: same seed, same start. By default they come
        from torch's global generator, which ``torch.manual_seed`` sets.
    quiet : bool
        Print no notes.
    bias : bool
        Give every node that is not an input a trainable bias.
    steps : int or str, optional
        Updates or layers of a stepwise backend, 3 by default; refused by ``"feedforward"``.
    inputs, outputs : iterable of names, optional
        Nodes to feed and to read, in the order wanted for the model's columns. By default the
        nodes without incoming and without outgoing edges, sorted; a prior brings its outputs.
    init : {"sparse", "dense"}
        Fan-in that initial weights are scaled by: the node's own number of incoming edges, or
        the width of the layer before, as a dense layer would use. ``"gnn"`` has ``weight_init``.
    sign_column : str, optional
        A column of +1, -1 and 0 or missing values, read as ``positive`` and ``negative``.
    unused : {"keep", "prune", "error"}
        What to do with nodes that reach no output. Kept and pruned ones are named in a warning.
    kernel : {"auto", "sparse", "dense"}
        What computes each block of edges; ``artifact.kernels`` says what was chosen and why.
    units : int, mapping of node to int, or function, optional
        Units of every hidden node, 1 by default; an edge is a block of weights, from all units of
        its source to all of its target. A mapping names nodes (outputs too), the others have one.
        A function is called with the number of inputs below a node. ``"gnn"`` has ``channels``.
    **own
        Options that only the chosen backend has.

    Returns
    -------
    model : torch.nn.Module
        Takes (batch, inputs) and returns (batch, outputs); ``model.artifact`` is the artifact.
    artifact : CompileArtifact
        Names for every position of the model's tensors.

    Raises
    ------
    Edge2TorchError
        For every table that cannot be compiled; names the edges or nodes at fault and the fix.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({
    ...     "source": ["gene_1", "gene_2", "tf"], "target": ["tf", "tf", "phenotype"]})
    >>> model, artifact = e2t.compile_graph(edges)
    [edge2torch] Note: Graph contains 4 node(s) and 3 edge(s).
    [edge2torch] Note: Feedforward backend selected. Graph must be layerable.
    >>> artifact.feature_names, artifact.output_names
    (['gene_1', 'gene_2'], ['phenotype'])

    References
    ----------
    Knowledge-primed neural networks: Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5.
    """
    check_flag("quiet", quiet)
    row, steps, options_of_row = _read_backend(backend, steps, own)
    options = check_options(
        CompileOptions(
            bias=bias,
            init=init,
            kernel=kernel,
            steps=row.read_steps(row.name, steps),
            sign_column=sign_column,
            own=options_of_row,
        )
    )
    if isinstance(edgelist, Prior) and outputs is None:
        outputs = edgelist.outputs
    table = read_edge_table(edgelist, sign_column=sign_column, argument="edgelist")
    note(
        f"Graph contains {len(table.node_names)} node(s) and {len(table.source)} edge(s).",
        quiet=quiet,
    )
    note(row.note, quiet=quiet)
    graph = build_edge_graph(
        table, inputs=inputs, outputs=outputs, unused=unused, acyclic=not row.allows_cycles
    )
    _check_representable(graph)
    if units is not None:
        _check_takes_units(row)
        options = replace(options, units=read_units(graph, units))
    with seeded(None if seed is None else check_seed("seed", seed)):
        return build(row, graph, options, draw=True)


def _check_takes_units(row: Backend) -> None:
    if not row.takes_units:
        raise Edge2TorchError(
            f"units: nodes of backend={row.name!r} have channels, alike for all of them. Give "
            "channels=, or use backend='feedforward' or 'recurrent'."
        )


def _read_backend(
    backend: Any, steps: int | str | None, own: Mapping[str, Any]
) -> tuple[Backend, int | str | None, dict[str, Any]]:
    """Return the backend's row, the steps and the options that only it has, given in either way."""
    if isinstance(backend, str) or type(backend) not in {row.own_options for row in BACKENDS}:
        row = find_backend(backend)
        return row, steps, own_options(row.name, row.own_options, own)
    row = find_backend(type(backend))
    if steps is not None or own:
        twice = [*(["steps"] if steps is not None else []), *own]
        raise Edge2TorchError(
            f"{listing(twice)}: give it inside backend={type(backend).__name__}(...), with the "
            "other options."
        )
    return row, getattr(backend, "steps", None), without_steps(backend)


def build(
    row: Backend,
    graph: EdgeGraph,
    options: CompileOptions,
    *,
    draw: bool,
    expected: str | None = None,
) -> tuple[CompiledModel, CompileArtifact]:
    """Plan and build a checked graph; without ``draw`` the weights are left for a loader.

    A fingerprint other than the ``expected`` one is a ValueError before anything is built.
    """
    fingerprint = _fingerprint(row, graph, options)
    if expected not in (None, fingerprint):
        raise ValueError("its edge table or options are not those that were compiled")
    plan = unit_plan = row.plan(graph, options)
    units = unit_graph(graph, options.units)
    if units is not None:
        unit_plan = row.plan(units.graph, options)
    computed = graph if units is None else units.graph
    # Weights are drawn, and tables of the plan read, on the CPU: the same numbers on every device.
    with torch.device("cpu"):
        model = row.build(computed, unit_plan, options, bytes.fromhex(fingerprint), draw)
    model.to(torch.get_default_device())
    artifact = CompileArtifact(
        backend=row.name,
        feature_names=graph.names(graph.inputs),
        output_names=graph.names(graph.outputs),
        node_names_by_layer=_named(graph, plan.layer_nodes()),
        node_names_by_site=_named(graph, plan.site_nodes()),
        graph=graph,
        execution_plan=plan,
        kernels=_kernels(model),
        options=options.as_dict(),
        fingerprint=fingerprint,
        unit_graph=units,
        unit_plan=unit_plan,
    )
    model.artifact = artifact
    for sorted_once in (graph, computed):
        vars(sorted_once).pop("adjacency", None)  # made again if asked for; 8 bytes an edge
    return model, artifact


def _named(graph: EdgeGraph, nodes: Mapping[str, NDArray[np.int64]]) -> dict[str, list[str]]:
    return {name: graph.names(own) for name, own in nodes.items()}


def _kernels(model: CompiledModel) -> pd.DataFrame:
    """Describe the layers that hold weights, one row each."""
    names = {id(layer): name for name, layer in model.named_modules()}
    rows = [
        {
            "block": names[id(layer)],
            "sources": layer.in_features,
            "targets": layer.out_features,
            "edges": layer.n_edges,
            "kernel": layer.choice.kernel,
            "reason": layer.choice.reason,
        }
        for layer in model.edge_layers()
    ]
    return pd.DataFrame(rows)


def _check_representable(graph: EdgeGraph) -> None:
    """Refuse given weights that the model's dtype turns into infinity or zero."""
    dtype = torch.get_default_dtype()
    rows = np.flatnonzero(~np.isnan(graph.initial_weight))
    given = graph.initial_weight[rows]
    stored = torch.from_numpy(given).to(dtype).double().numpy()
    lost = np.flatnonzero(np.isinf(stored) | ((stored == 0) & (given != 0)))
    if len(lost):
        ends = (side[rows[lost]] for side in (graph.source, graph.target))
        edges = zip(*map(graph.names, ends), strict=True)
        raise Edge2TorchError(
            f"edgelist column 'initial_weight' holds numbers that {dtype} cannot: "
            f"{listing(given[lost].tolist())} at edge(s) {listing(edges)}. Rescale them."
        )


def compile_like(
    artifact: CompileArtifact, edges: pd.DataFrame, **changed: Any
) -> tuple[CompiledModel, CompileArtifact]:
    """Compile edges as those of an artifact were, but for what is changed."""
    asked = {key: value for key, value in artifact.options.items() if key != "own"}
    ends = {"inputs": artifact.feature_names, "outputs": artifact.output_names}
    options = {**asked, **artifact.options["own"], **ends, **changed}
    return compile_graph(edges, backend=artifact.backend, quiet=True, **options)


def _fingerprint(row: Backend, graph: EdgeGraph, options: CompileOptions) -> str:
    """Hash what fixes the meaning of every parameter; the table's row order does not."""
    passing = getattr(row.own_options, "passing", ())
    head = {
        "backend": row.name,
        "bias": options.bias,
        "steps": options.steps,
        "own": {name: value for name, value in options.own.items() if name not in passing},
    }
    if options.units:
        head["units"] = dict(options.units)
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update(json.dumps(graph.node_names.tolist()).encode())
    edges = graph.adjacency
    for values in (np.repeat(np.arange(graph.n_nodes), edges.counts), edges.following):
        for start in range(0, len(values), _AT_ONCE):  # as words of 64 bits, a part at a time
            digest.update(values[start : start + _AT_ONCE].astype("<i8").tobytes())
    for nodes in (graph.inputs, graph.outputs):
        digest.update(nodes.astype("<i8").tobytes())
    digest.update(graph.constraint[edges.rows].tobytes())
    return digest.hexdigest()
