"""Tensors that modules hold, read where they lie: on a CPU, joining many small ones takes longer."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PLAIN = {Tensor, nn.Parameter}
CPU = torch.device("cpu")
LANES = 32  # samples that are read at once, as in the walk
WIDTH = 64  # samples side by side in a block
# Unbound: the call through each tensor takes twice as long.
_ADDRESS, _SIZE, _WHOLE = Tensor.data_ptr, Tensor.size, Tensor.is_contiguous
_DTYPE = Tensor.dtype.__get__  # type: ignore[attr-defined]


def lies_in_memory(x: Tensor) -> bool:
    """Tell whether a tensor's values are those at its address: not negated on the way, nor left out."""
    return not (x.is_neg() or x._is_zerotensor())


class Tensors:
    """Vectors that modules hold by name, and where they lie in memory now.

    Parameters
    ----------
    held : sequence of (Module, str)
        Modules, and the names of their parameters or buffers.

    Attributes
    ----------
    table : tuple of ndarray of int64 and int
        How many there are, their addresses, their lengths; and where this table lies.
    """

    def __init__(self, held: Sequence[tuple[nn.Module, str]]) -> None:
        self._dicts: list[dict[str, Any]] = [
            module._parameters if name in module._parameters else module._buffers
            for module, name in held
        ]
        self._names = [name for _, name in held]
        self._shapes = [getattr(module, name).shape for module, name in held]
        self.sizes = [shape.numel() for shape in self._shapes]
        self.total = sum(self.sizes)
        self._last: list[Any] = [None] * len(held)
        self._pointers: list[int] = []
        self._kind: Any = None
        self.table: tuple[Any, int] = (None, 0)

    def find(self, dtype: torch.dtype, device: torch.device = CPU) -> list[Tensor] | None:
        """Return them as they are now; None if not all are plain ones of this type and device."""
        found: list[Any] = list(map(dict.get, self._dicts, self._names))
        if (dtype, device) == self._kind and all(map(is_, found, self._last)):
            pointers = list(map(_ADDRESS, found))
            # another shape or type can come to the same address: weight.data = a view
            if (
                pointers == self._pointers
                and list(map(_SIZE, found)) == self._shapes
                and all(map(_WHOLE, found))
                and {*map(_DTYPE, found)} <= {dtype}
            ):
                return found
        self._kind = None
        if not {*map(type, found)} <= PLAIN or [one.shape for one in found] != self._shapes:
            return None
        if not all((one.dtype, one.device) == (dtype, device) for one in found):
            return None
        if not all(one.is_contiguous() and lies_in_memory(one) for one in found):
            return None
        pointers = [one.data_ptr() for one in found]
        # how many, where, how long; a new one: a call that began before keeps the old one
        table = np.array([len(found), *pointers, *self.sizes], np.int64)
        self.table = table, table.ctypes.data
        self._last, self._pointers, self._kind = found, pointers, (dtype, device)
        return found
