"""Where the header of a text table stands, and what separates its columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t", ".gct": "\t"}
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons"}
_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
# names: a sheet has 16,384 columns, and the time that pandas takes grows as their square
_MOST_BLANK = 30_000


@dataclass(frozen=True)
class Layout:
    """How a table lies in its file.

    ``start`` is where the header begins, in bytes; ``names`` are as in the header, blank ones made
    up (``unnamed``); ``has_index``: rows are one longer than the header, and begin with a name;
    ``size``: rows and columns of values that a GCT claims.
    """

    start: int
    separator: str
    names: list[str]
    unnamed: list[str]
    has_index: bool
    size: tuple[int, int] | None

    @property
    def width(self) -> int:
        """Columns, that of the row names included."""
        return len(self.names)

    def check_size(self, path: Path, table: pd.DataFrame, n_rows: int | None) -> None:
        """Refuse a GCT that holds more or less than it says, and rows that end with a separator."""
        if self.has_index and len(table) and table.iloc[:, -1].isna().all():
            raise Edge2TorchError(
                f"{path}: every row has one value more than the header, and the last is empty. Do the "
                "rows end with a separator? Take it off, or put one at the end of the header too."
            )
        found = len(table), table.shape[1] - 2
        if self.size is not None and n_rows is None and found != self.size:
            raise Edge2TorchError(
                f"{path} claims {self.size[0]:,} rows and {self.size[1]:,} samples on its second line, "
                f"and has {found[0]:,} and {found[1]:,}. Was it cut off?"
            )


def layout_of(path: Path, file: BinaryIO, separator: str, *, gct: bool) -> Layout:
    """Return the layout of a table; refuse a header that names a column twice, or is none."""
    start, size = _gct_start(path, file) if gct else (_header_start(file), None)
    separator, names, first = _separated(path, file, start, separator)
    if len(first) > len(names) + 1:
        raise Edge2TorchError(
            f"{path}: its first row has {len(first):,} values and its header {len(names):,} names. Was "
            "a line break lost?"
        )
    has_index = len(first) == len(names) + 1
    if has_index:
        names = ["", *names]
    _check_names(path, names)
    unnamed = [f"Unnamed: {k}" for k, name in enumerate(names) if not name.strip()]
    full = [name if name.strip() else f"Unnamed: {k}" for k, name in enumerate(names)]
    return Layout(start, separator, full, unnamed[has_index:], has_index, size)


def _gct_start(path: Path, file: BinaryIO) -> tuple[int, tuple[int, int]]:
    """Where the header of a GCT begins, and its size by the second line."""
    file.seek(0)
    version = file.readline().removeprefix(_BOM).strip()
    size = file.readline().split()
    if version != b"#1.2" or len(size) != 2 or not all(number.isdigit() for number in size):
        raise Edge2TorchError(
            f"{path}: a GCT is read that begins with '#1.2' and a line of two numbers, found "
            f"{version[:20].decode(errors='replace')!r}. Write it as version 1.2, or as .tsv."
        )
    return file.tell(), (int(size[0]), int(size[1]))


def _header_start(file: BinaryIO) -> int:
    """Where the header begins: below lines of comment, the last of which may be the header."""
    file.seek(0)
    last = start = 0
    comment = b""
    for line in iter(file.readline, b""):
        if line.strip() and not line.removeprefix(_BOM).startswith(b"#"):
            is_header = any(
                comment.count(mark) == line.count(mark) > 0 for mark in (b",", b"\t", b";")
            )
            return last if is_header or not comment else start
        if line.strip():
            last, comment = start, line
        start += len(line)
    return last


def _separated(
    path: Path, file: BinaryIO, start: int, usual: str
) -> tuple[str, list[str], list[str]]:
    """Return what separates columns, the header and the first row.

    The usual separator has the word; another one where it alone makes columns of both lines.
    """
    names, first = _two_rows(path, file, start, usual)
    if len(names) > 1 and len(first) in (0, len(names), len(names) + 1):
        return usual, names, first
    other = {mark: _two_rows(path, file, start, mark) for mark in _NAMES if mark != usual}
    fitting = [
        mark
        for mark, (head, row) in other.items()
        if len(head) > 1 and len(row) in (0, len(head), len(head) + 1)
    ]
    if len(fitting) == 1:
        return fitting[0], *other[fitting[0]]
    if len(names) == 1 and (split := [mark for mark, (head, _) in other.items() if len(head) > 1]):
        raise Edge2TorchError(
            f"{path} has one column by {_NAMES[usual]}; {_NAMES[split[0]]} seem to separate its "
            "columns, but its header and first row have different numbers of them."
        )
    _check_blanks(path, names, first)
    return usual, names, first


def _check_blanks(path: Path, names: list[str], first: list[str]) -> None:
    """Refuse columns between blanks: one column is left, whose rows end with numbers."""
    if len(names) != 1 or len(first) != 1:
        return
    head, (_, *numbers) = names[0].split(), first[0].split() or [""]
    if len(numbers) + 1 in (len(head), len(head) + 1) and all(map(_NUMBER.fullmatch, numbers)):
        if not numbers:
            return
        raise Edge2TorchError(
            f"{path}: blanks seem to separate its columns, where commas, tabs or semicolons are "
            "read. Write it with tabs; in pandas: pd.read_csv(path, sep=r'\\s+').to_csv(new, sep='\\t', index=False)."
        )


def _two_rows(
    path: Path, file: BinaryIO, start: int, separator: str
) -> tuple[list[str], list[str]]:
    """The header and the first row under it, empty where it is not there."""
    file.seek(start)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.reader(text, delimiter=separator, skipinitialspace=True)
    names: list[str] = []
    first: list[str] = []
    try:
        names = next((row for row in rows if row), [])
        first = next((row for row in rows if row), [])
    except csv.Error as error:  # a field beyond the limit of csv, which pandas does not have
        if not names:
            raise Edge2TorchError(f"{path}: its header cannot be read: {error}.") from error
    finally:
        text.detach()
    return names, first


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse repeated names, and numbers where names belong."""
    stripped = [name.strip() for name in names if name.strip()]
    blank = len(names) - len(stripped)
    if blank > _MOST_BLANK:
        raise Edge2TorchError(
            f"{path}: {blank:,} of the {len(names):,} columns in its header have no name. Was it written "
            "with another separator, or do blank columns follow the table?"
        )
    numbers = [name for name in stripped if _NUMBER.fullmatch(name)]
    fractions = [name for name in numbers if not _WHOLE.fullmatch(name)]
    twice = [name for name, times in Counter(stripped).items() if times > 1]
    if (len(fractions) > 1 and 2 * len(fractions) >= len(stripped)) or (
        twice and 2 * len(numbers) > len(stripped)
    ):
        raise Edge2TorchError(
            f"{path}: its first line holds numbers where the names of columns belong: "
            f"{listing(numbers)}. Does the file lack its header? Write one above it."
        )
    if twice:
        raise Edge2TorchError(
            f"{path}: its header names {len(twice):,} column(s) more than once: {listing(twice)}. "
            "Keep one of each, or give them names of their own."
        )
