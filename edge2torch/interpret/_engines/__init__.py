"""Who computes a method, and which arguments it takes: passes along a path, held values, or Captum."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from edge2torch.interpret._engines._captum import by_captum, load_engine
from edge2torch.interpret._engines._edges import along_edges, along_mask, by_cutting
from edge2torch.interpret._engines._hold import by_holding
from edge2torch.interpret._engines._path import along_path
from edge2torch.interpret._engines._task import Engine
from edge2torch.interpret._method import AttributionMethod

_ENGINES: dict[str, Engine] = {
    "captum": by_captum,
    "path": along_path,
    "hold": by_holding,
    "edge path": along_edges,
    "edge mask": along_mask,
    "edge cut": by_cutting,
}
_ALONG_PATHS = {"n_steps", "method", "internal_batch_size"}


def find_engine(
    row: AttributionMethod, constructor: Mapping[str, Any], call: Mapping[str, Any]
) -> Engine:
    """Return what computes a method; what only Captum's class can do, Captum does."""
    if row.engine == "path" and (constructor or set(call) - _ALONG_PATHS):
        return by_captum
    return by_captum if isinstance(row.engine, type) else _ENGINES[row.engine]


def arguments_of(row: AttributionMethod) -> tuple[set[str], set[str]]:
    """Return the arguments that a method's constructor and call take."""
    if row.takes:
        return set(), {*row.takes, "target"}
    engine = load_engine(row)
    first, second = (
        set(inspect.signature(function).parameters) - {"self", "kwargs", "args"}
        for function in (engine.__init__, engine.attribute)
    )
    return first - {"model", "forward_func", "layer"}, second | {"target"}
