"""A door whose names are loaded when first asked for: ``--help`` needs settings, and no torch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def opened_later(
    room: str, home: Mapping[str, str], public: list[str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a room, given the file that each name stands in."""

    def get(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{room}.{home[name]}"), name)
        setattr(sys.modules[room], name, found)
        return found

    return get, lambda: sorted({*vars(sys.modules[room]), *public})
