"""Rows of a text file, each with its line, so that an error can say where."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.files import path_of
from edge2torch._core.messages import listing
from edge2torch._core.packed import not_utf8, opened
from edge2torch._core.tables import MISSING
from edge2torch.errors import Edge2TorchError

FilePath = str | os.PathLike[str]
Pairs = Mapping[str, str] | pd.Series | pd.DataFrame | FilePath

_SHOWN = 60
# Nothing may be lost: int64 holds 18 digits, and of 007, an id, a number would keep the 7.
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Rows:
    """The fields of a file's rows, and the line that each stands on."""

    path: Path
    fields: list[list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.fields)

    def error(self, row: int, problem: str) -> Edge2TorchError:
        """Return an error about one row."""
        return bad_line(self.path, self.lines[row], problem)

    def without(self, first: int) -> Rows:
        """Return the rows from ``first`` on."""
        return Rows(self.path, self.fields[first:], self.lines[first:])

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Return the rows as columns of text, stripped."""
        columns = zip(*self.fields, strict=True) if self.fields else [[] for _ in names]
        texts = {
            name: [text.strip() for text in column]
            for name, column in zip(names, columns, strict=True)
        }
        return pd.DataFrame(texts)

    def check(self, wrong: NDArray[np.bool_], problem: str | Callable[[int], str]) -> None:
        """Raise for the first row that is marked, and say how many more there are."""
        marked = np.flatnonzero(wrong)
        if len(marked):
            first = int(marked[0])
            words = problem if isinstance(problem, str) else problem(first)
            more = f" {len(marked) - 1:,} more line(s) are like it." if len(marked) > 1 else ""
            raise self.error(first, words + more)


def bad_line(path: Path, line: int, problem: str) -> Edge2TorchError:
    """Return an error that says file and line first."""
    return Edge2TorchError(f"{path}, line {line}: {problem}")


def shown(text: str) -> str:
    """Return a line as an error message shows it."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def read_text(path: FilePath) -> tuple[Path, str]:
    """Return a file's text; what is compressed has to be called so, and the other way round."""
    file = path_of(path)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise Edge2TorchError(f"{str(file)!r} {what}. Give the path of a file.")
    with opened(file) as stream:
        content = stream.read()
    if not content.strip():
        raise bad_line(file, 1, "the file is empty.")
    try:
        return file, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(file, io.BytesIO(content)) from error


def read_rows(
    path: FilePath, separator: str = "\t", *, quoted: bool = False, comment: str | None = None
) -> Rows:
    """Return the rows of a table in text; blank lines and comments hold nothing."""
    return rows_of(*read_text(path), separator, quoted=quoted, comment=comment)


def rows_of(
    file: Path,
    text: str,
    separator: str = "\t",
    *,
    quoted: bool = False,
    comment: str | None = None,
) -> Rows:
    """Return the rows of a text that has been read."""
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True
    )
    fields, lines = [], []
    try:
        for row in reader:
            if not row or (comment and row[0].startswith(comment)):
                continue
            fields.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise bad_line(file, reader.line_num, f"cannot be read: {error}.") from error
    if not fields:
        raise bad_line(file, 1, "the file holds no rows.")
    return Rows(file, fields, lines)


def check_width(rows: Rows, width: int, what: str) -> None:
    """Refuse rows with more or fewer fields than wanted."""
    found = np.fromiter(map(len, rows.fields), np.int64, len(rows))
    rows.check(
        found != width,
        lambda row: (
            f"{width} columns were expected ({what}), found {found[row]}: "
            f"{shown(' | '.join(rows.fields[row]))}."
        ),
    )


def check_header(rows: Rows, header: Sequence[str]) -> None:
    """Refuse a header that names a column twice."""
    if twice := sorted(name for name, times in Counter(header).items() if times > 1):
        raise rows.error(0, f"the column name {twice[0]!r} is there twice.")


def check_filled(rows: Rows, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse rows in which one of these columns is blank."""
    for column in columns:
        problem = f"{column!r} is blank. Name it, or leave the line out."
        rows.check((frame[column] == "").to_numpy(bool), problem)


def check_distinct(rows: Rows, frame: pd.DataFrame, columns: Sequence[str], hint: str) -> None:
    """Refuse a row that repeats these columns of an earlier one."""
    repeats = frame.duplicated(list(columns)).to_numpy()
    if not repeats.any():
        return

    def problem(row: int) -> str:
        repeated = frame.loc[row, list(columns)]
        first = int((frame[list(columns)] == repeated).all(axis=1).to_numpy().argmax())
        text = listing([tuple(repeated) if len(repeated) == 2 else repeated.iloc[0]])
        return f"{text} is there twice, first on line {rows.lines[first]}.{hint}"

    rows.check(repeats, problem)


def read_pairs(given: Any, argument: str, what: str, *, distinct: bool = False) -> pd.DataFrame:
    """Return columns ``old`` and ``new`` of text, none blank: of a dict, a Series, a table or a file."""
    if isinstance(given, str | os.PathLike):
        rows = read_rows(given)
        short = np.array([len(row) < 2 for row in rows.fields])
        rows.check(short, f"{what} were expected, separated by a tab.")
        table = pd.DataFrame([row[:2] for row in rows.fields], columns=["old", "new"])
        table["old"] = table["old"].str.strip()
        if distinct:
            check_distinct(rows, table, ["old"], "")
    elif isinstance(given, pd.DataFrame):
        if given.shape[1] < 2:
            raise Edge2TorchError(f"{argument} needs two columns: {what}.")
        table = given.iloc[:, :2].set_axis(["old", "new"], axis=1)
    elif isinstance(given, Mapping | pd.Series):
        series = pd.Series(given if isinstance(given, pd.Series) else dict(given), dtype=object)
        table = pd.DataFrame({"old": series.index, "new": series.to_numpy(object)})
    else:
        raise Edge2TorchError(
            f"{argument} must be a dict, Series, DataFrame or path, found {type(given).__name__}."
        )
    text = table.dropna().astype(str).apply(lambda column: column.str.strip())
    pairs: pd.DataFrame = text[(text != "").all(axis=1)].drop_duplicates()
    if distinct and (repeated := pairs["old"][pairs["old"].duplicated()]).size:
        raise Edge2TorchError(f"{argument} has {repeated.iloc[0]!r} twice. Keep one.")
    return pairs


def typed(column: pd.Series, *, always_missing: bool = False) -> pd.Series:
    """Turn text into numbers or truth values where every value is one; blank is missing.

    ``NA`` and the like are missing beside numbers; beside words they may be names.
    """
    is_mark = column.isin(MISSING)
    marks = column.where(~is_mark, "")
    present = marks[marks != ""]
    distinct = set(present)
    complete = len(present) == len(column)
    if distinct and distinct <= {"True", "False"} and complete:
        return column == "True"
    if distinct and all(map(_WHOLE.fullmatch, distinct)) and complete:
        return column.astype("int64")
    if distinct and all(map(_NUMBER.fullmatch, distinct)):
        return marks.where(marks != "", None).astype("float64")
    words = marks if always_missing else column
    return words.where(words != "", None)
