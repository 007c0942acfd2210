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


def case_hint(missing: Iterable[object], known: Iterable[object]) -> str:
    """Return a sentence, a space before it, where most missing names are known in another case."""
    absent = [str(name) for name in missing]
    by_case = {str(name).casefold(): str(name) for name in known}
    found = [(name, by_case[name.casefold()]) for name in absent if name.casefold() in by_case]
    # one chance hit, such as a gene AGE beside a column age, is no reason
    if not found or 2 * len(found) < min(len(absent), len(by_case)):
        return ""
    return (
        f" {len(found):,} of them are there but for upper and lower case ({listing(found)}): write "
        "them alike."
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
