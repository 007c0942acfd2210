"""Rows of the table that ``make reliability`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One promise, what it was tried on, the figure that came out, and whether it was kept."""

    promise: str
    subject: str
    figure: str
    held: bool


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table, each as soon as its row is there."""
    yield "| promise | on | found | held |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {row.promise} | {row.subject} | {row.figure} | {'yes' if row.held else 'NO'} |"
