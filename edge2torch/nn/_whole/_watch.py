"""The modules of a model as they were read, to see at each call whether that still holds."""

from __future__ import annotations

from itertools import chain, repeat
from operator import is_not
from typing import Any

import numpy as np

from edge2torch.nn._whole._kinds import Kind, Shares
from edge2torch.nn._whole._layout import share_rows
from edge2torch.nn._whole._stages import Stage, Tables, read_stages, settings_of, tabulate
from edge2torch.nn._whole._tensors import Tensors

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Watched:
    """Modules, their settings and their parameters.

    Parameters
    ----------
    model : CompiledModel
    kind : Kind
        How such a model is read.
    """

    def __init__(self, model: Any, kind: Kind) -> None:
        self.kind = kind
        inner = list(model.modules())
        self._parents = [one._modules for one in inner if one._modules]
        self._leaves = [one._modules for one in inner if not one._modules]
        self._counts, self._children = self._present()
        self.plans: dict[Any, Any] = {}  # of calls
        self._inner, self._types = inner, list(map(type, inner))
        self._hooks = [getattr(one, name) for one in inner[1:] for name in _HOOKS]
        self._own = [one.__dict__ for one in inner[1:]]
        # parameters and buffers that are not there; what comes later belongs to the computation
        absent = [
            (held, name)
            for one in inner
            for held in (one._parameters, one._buffers)
            for name, value in held.items()
            if value is None
        ]
        self._held = [one._parameters for one in inner if not one._modules]
        self._sizes = list(map(len, self._held))
        self._lacking, self._lacked = [held for held, _ in absent], [name for _, name in absent]
        self.layout: Any = None
        self._drops: list[dict[str, Any]] = []
        self._dropped: list[Any] = []
        self._slots: tuple[dict[str, Any], int] | None = None
        self.on_device: dict[Any, Any] = {}  # the layout, by device
        self.is_known = kind.knows(model)
        if not self.is_known:
            return
        layout = self.layout = kind.lay_out(model)
        found = [
            list(read_stages(kind.stages(model, k), nodes)) for k, nodes in enumerate(layout.row_of)
        ]
        known = [stage for stages in found for stage in stages]
        norms: list[Any] = [one.module for one in known if one is not None and one.kind == "norm"]
        self.is_known = None not in known and len({*map(id, norms)}) == len(norms)
        if not self.is_known:
            return
        self.stages: list[list[Stage]] = found  # type: ignore[assignment]
        held = self.held = list(layout.parameters)
        n_values, self._norm_places = layout.n_values, {}
        for module in norms:
            places = []
            for name in ("weight", "bias"):
                has = getattr(module, name) is not None
                places.append(n_values if has else -1)
                if has:
                    held.append((module, name))
                    n_values += getattr(module, name).numel()
            self._norm_places[id(module)] = (places[0], places[1])
        self.parameters = Tensors(held)
        self.shares = [module for module, _ in held if isinstance(module, Shares)]
        behind = kind.behind_outputs(model)
        self.leads_out = [id(module) not in behind for module, _ in held]
        watched = [
            (stage.module, settings_of(stage.module)) for stages in self.stages for stage in stages
        ]
        self.linear = model.edge_layers()
        # where no edge is dropped, it is the same in training and after: fewer to look at
        self._drops = [one.__dict__ for one in self.linear]
        self._dropped = self._drop_rates()
        watched += [(one, ("training",)) for one in self.linear if one.edge_dropout]
        self._dicts = [one.__dict__ for one, names in watched for _ in names]
        self._names = [name for _, names in watched for name in names]

    def is_unchanged(self) -> bool:
        """Tell whether the same modules are at the same places."""
        return (
            list(map(type, self._inner)) == self._types
            and not any(self._leaves)
            and (self._counts, self._children) == self._present()
            and self._dropped == self._drop_rates()
            and list(map(len, self._held)) == self._sizes
            and not any(map(is_not, map(dict.get, self._lacking, self._lacked), repeat(None)))
        )

    def _present(self) -> tuple[list[int], list[Any]]:
        """Return how many children each module has, and all of them in order."""
        children = list(chain.from_iterable(map(dict.values, self._parents)))
        return list(map(len, self._parents)), children

    def _drop_rates(self) -> list[Any]:
        return [held.get("edge_dropout") for held in self._drops]

    def is_unhooked(self) -> bool:
        """Tell whether nobody waits for the value of an inner module, or gives it another forward."""
        return not (any(self._hooks) or any(map(dict.__contains__, self._own, repeat("forward"))))

    def settings(self) -> tuple[Any, ...]:
        """Return what may change between two calls."""
        return tuple(map(dict.get, self._dicts, self._names))

    def slots(self) -> tuple[dict[str, Any], int]:
        """Return the rows of gradients, by node and by edge, and how many there are."""
        if self._slots is None:
            layout = self.layout
            slot, n_rows = share_rows(layout)
            self._slots = {"slot": slot, "target_slot": slot[layout.target - layout.n_in]}, n_rows
        return self._slots

    def kept_rows(self, tables: Tables, *, alone: bool) -> int:
        """Return how many rows are kept beside the state, of all nodes or of the largest segment."""
        if not alone or not tables.n_kept:
            return tables.n_kept
        starts = np.append(tables.kept_before, tables.n_kept)[
            self.layout.segments - self.layout.n_in
        ]
        return int(np.diff(starts).max())

    def tabulate(self) -> Tables | None:
        """Return the tables of the present settings."""
        drop = np.array(
            [one.edge_dropout if one.training else 0.0 for one in self.linear], np.float64
        )
        if drop.any() and not self.kind.drops_edges:
            return None
        layout = self.layout
        edge_drop = drop[layout.layer_of()] if drop.any() else np.zeros(0)
        return tabulate(
            [one for stages in self.stages for one in stages],
            layout.bias_place,
            self._norm_places,
            edge_drop,
        )
