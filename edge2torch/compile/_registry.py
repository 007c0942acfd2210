"""The one registry of backends. A row here is all that the rest of the library looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge2torch._core.checks import check_choice
from edge2torch.compile._feedforward import build_feedforward
from edge2torch.compile._gnn import GNN, build_gnn, plan_of_options
from edge2torch.compile._options import CompileOptions, Feedforward, count_steps, no_steps
from edge2torch.compile._recurrent import (
    Recurrent,
    build_recurrent,
    plan_of_steps,
    recurrent_steps,
)
from edge2torch.graph import EdgeGraph, plan_feedforward
from edge2torch.nn import CompiledModel


@dataclass(frozen=True)
class Backend:
    """How one kind of model is planned and built.

    Parameters
    ----------
    name : str
        What users write.
    aliases : tuple of str
        Other spellings.
    note : str
        Printed when the backend is chosen.
    allows_cycles : bool
        Whether the graph may have cycles.
    read_steps : callable
        Backend name and what the user gave for ``steps`` to a checked value.
    own_options : type
        A frozen dataclass of the options that only this backend has; checks its values. Users may
        give an instance of it in place of the name.
    plan : callable
        Graph and options to execution plan.
    build : callable
        Graph, plan, options, fingerprint to model, weights drawn unless the last is False.
    takes_units : bool
        Whether nodes may have several units: plan and build are then given the graph of the units.
    """

    name: str
    aliases: tuple[str, ...]
    note: str
    allows_cycles: bool
    read_steps: Callable[[str, Any], int | str | None]
    plan: Callable[[EdgeGraph, CompileOptions], Any]
    build: Callable[[EdgeGraph, Any, CompileOptions, bytes, bool], CompiledModel]
    own_options: type[Any]
    takes_units: bool = True


BACKENDS: tuple[Backend, ...] = (
    Backend(
        name="feedforward",
        aliases=(),
        note="Feedforward backend selected. Graph must be layerable.",
        allows_cycles=False,
        read_steps=no_steps,
        plan=lambda graph, options: plan_feedforward(graph),
        build=build_feedforward,
        own_options=Feedforward,
    ),
    Backend(
        name="recurrent",
        aliases=("state_update",),
        note="Recurrent backend selected. Every step updates all nodes along the edges.",
        allows_cycles=True,
        read_steps=recurrent_steps,
        plan=plan_of_steps,
        build=build_recurrent,
        own_options=Recurrent,
    ),
    Backend(
        name="gnn",
        aliases=("graphnn",),
        note="GNN backend selected. Messages pass along the edges, once per layer (steps=...).",
        allows_cycles=True,
        read_steps=count_steps,
        plan=plan_of_options,
        build=build_gnn,
        own_options=GNN,
        takes_units=False,
    ),
)
"""Backends of ``compile_graph``: a new backend is a new row."""


def backend_names() -> list[str]:
    """Return every name that ``compile_graph(backend=...)`` takes, aliases included."""
    return [name for backend in BACKENDS for name in (backend.name, *backend.aliases)]


def find_backend(name: object) -> Backend:
    """Return the backend of a name or alias, whatever its case, or of the class of its options."""
    by_name = {one: row for row in BACKENDS for one in (row.name, *row.aliases)}
    by_options = {row.own_options: row for row in BACKENDS}
    if isinstance(name, type) and name in by_options:
        return by_options[name]
    wanted = name.strip().lower() if isinstance(name, str) else name
    return by_name[check_choice("backend", wanted, by_name)]
