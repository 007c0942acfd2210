"""Which known names are close to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from edge2torch._core.messages import listing


def nearest_names(
    name: str, known: Iterable[str], *, limit: int = 3, cutoff: float = 0.6
) -> list[str]:
    """Return the known names closest to one, whatever their case and punctuation."""
    by_plain: dict[str, str] = {}
    for one in known:
        by_plain.setdefault(_plain(str(one)), str(one))  # of two that differ in case, the first
    near = difflib.get_close_matches(_plain(name), by_plain, n=limit, cutoff=cutoff)
    return [by_plain[one] for one in near]


def nearest(name: str, known: Iterable[str], *, limit: int = 3, cutoff: float = 0.6) -> str:
    """Return a sentence for the end of a message, with a space before it, or nothing."""
    near = nearest_names(name, known, limit=limit, cutoff=cutoff)
    return f" Nearest to {name!r}: {listing(near)}." if near else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
