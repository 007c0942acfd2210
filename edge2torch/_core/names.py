"""Which known names are close to a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from edge2torch._core.messages import listing

_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")
_PUNCTUATION = re.compile(r"(?!(?<=\d)\.(?=\d))[\W_]+")


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
    """Return a sentence, a space before it, where missing names are known in another spelling.

    In another case, where most are; or with other punctuation, as R writes ``HLA.A`` for ``HLA-A``.
    """
    absent, there = [str(name) for name in missing], [str(name) for name in known]
    by_case = {name.casefold(): name for name in there}
    found = [(name, by_case[name.casefold()]) for name in absent if name.casefold() in by_case]
    # one chance hit, such as a gene AGE beside a column age, is no reason
    if found and 2 * len(found) >= min(len(absent), len(by_case)):
        return _but_for(found, "upper and lower case")
    by_letters = {_letters(name): name for name in there if _plain(name)}
    found = [(name, near) for name in absent if (near := by_letters.get(_letters(name)))]
    found = [(name, near) for name, near in found if name.casefold() != near.casefold()]
    return _but_for(found, "punctuation") if found else ""


def turned_hint(n_ends: int) -> str:
    """Return a sentence, a space before it, where so many features are what a graph ends in."""
    return (
        f" The graph ends in {n_ends:,} of the features: exchange the columns source and target, as "
        "edges lead from a feature to what it belongs to."
        if n_ends
        else ""
    )


def _but_for(found: list[tuple[str, str]], what: str) -> str:
    return f" {len(found):,} of them are there but for {what} ({listing(found)}): write them alike."


def _letters(name: str) -> str:
    """Return the letters and digits of a name; what parts two numbers stays, NKX2-1 is not NKX21."""
    return _PUNCTUATION.sub("", _BETWEEN_DIGITS.sub(".", name.casefold()))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
