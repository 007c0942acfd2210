"""Tables of samples or of annotations, in text or Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
from pandas.api.types import infer_dtype, is_numeric_dtype

from edge2torch._core.columns import like_an_id
from edge2torch._core.files import path_of, write_file
from edge2torch._core.messages import listing
from edge2torch._core.packed import largest, not_utf8, opened, plain_suffix
from edge2torch._core.parquet import read_parquet
from edge2torch._core.table_layout import SEPARATORS, Layout, layout_of
from edge2torch.errors import Edge2TorchError

# Numbers come back as they were written, as by default from pandas 3.1 on; the other way loses the
# last bit, and in pandas 2.3 a number of 3,000 digits ends the process.
_NEW = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
_FLOATS: dict[str, Any] = {} if _NEW else {"float_precision": "round_trip"}
# A number with a decimal comma, or a whole one
WITH_COMMA = r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?|[+-]?\d+"
TABLES = (*SEPARATORS, ".parquet")
"""Endings of the files that :func:`read_table` takes; those of text may be packed."""
MISSING = (
    "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "Null", "null",
    "None", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip
"""What programs write where a number is missing."""
# Beside numbers also in other letters, and with the blanks of tables that were lined up
_NO_NUMBER = ["", *(
    form + blanks
    for form in {form for word in MISSING for form in (word, word.lower(), word.upper())}
    for blanks in ("", " ", "  ", "   ")
)]  # fmt: skip
_NO_GENE = re.compile(
    r"(?:__)?(?:no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)"
    r"|Assigned|Unassigned_\w+"
    r"|N_(?:unmapped|multimapping|noFeature|ambiguous)"
)
_Read = Callable[..., pd.DataFrame]


def existing_file(path: Path, argument: str) -> Path:
    """Return the path of a file that is there."""
    path = path_of(path, argument)
    if not path.exists():
        raise Edge2TorchError(f"{argument}: there is no file {str(path)!r}.")
    if path.is_dir():
        raise Edge2TorchError(f"{argument}: {str(path)!r} is a folder; give a file.")
    return path


def read_table(
    path: Path, argument: str = "", *, n_rows: int | None = None, text: Sequence[str | int] = ()
) -> pd.DataFrame:
    """Read a table of text or Parquet, whose memory follows the size of its file.

    Of text only so many rows, if asked; columns named in ``text``, or of these numbers, stay text. An
    error says by which ``argument`` the path came, where it came by one.

    An empty cell is missing. ``NA``, ``nan``, ``null``, ``None`` and the like are missing in a
    column whose other cells are numbers or truth values; in every other column they are words: a
    gene may be called ``NA``, and a genotype ``null``. A column of ids in which a number begins with
    0 stays text.
    """
    if not argument:
        return _read(path, plain_suffix(path), n_rows, text)
    path = existing_file(path, argument)
    kind = plain_suffix(path)
    if kind not in TABLES:
        raise Edge2TorchError(
            f"{argument}: unknown file type {path.name!r}. Use one of {listing(TABLES, 8)}; text "
            "files may be compressed (.gz)."
        )
    try:
        return _read(path, kind, n_rows, text)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{argument}: {error}") from error


def read_indexed(path: Path, argument: str) -> pd.DataFrame:
    """A table whose first column holds ids, unless its index does."""
    table = read_table(path, argument, text=(0,))
    if isinstance(table.index, pd.RangeIndex) and len(table.columns):
        table = table.set_index(table.columns[0])
    return table.set_axis(table.index.astype(str), axis=0)


def _read(path: Path, kind: str, n_rows: int | None, text: Sequence[str | int]) -> pd.DataFrame:
    try:
        if kind == ".parquet":
            return read_parquet(path)
        with opened(path) as file:
            layout = layout_of(path, file, SEPARATORS[kind], gct=kind == ".gct")
            try:
                return _read_text(path, file, layout, n_rows, text)
            except UnicodeDecodeError as error:
                raise not_utf8(path, file) from error
    except Edge2TorchError:
        raise
    except pd.errors.EmptyDataError as error:
        raise Edge2TorchError(f"{path}, line 1: the file is empty.") from error
    except (OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"{path} cannot be read: {reason}") from error


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a table without its index, by the ending: Parquet, tabs or commas."""
    if path.suffix == ".parquet":
        return write_file(path, partial(table.to_parquet, index=False))
    separator = "\t" if path.suffix == ".tsv" else ","
    return write_file(path, partial(table.to_csv, index=False, sep=separator))


def missing_words(column: pd.Series, what: str) -> list[str]:
    """Say which words of a column other programs write where a value is missing."""
    column = column.astype(object)  # a category would answer with a category
    found = column[column.map(lambda cell: isinstance(cell, str) and cell in MISSING)]
    if found.empty:
        return []
    own = sorted(set(found))
    taken = f"is taken as a {what}" if len(own) == 1 else f"are taken as {what}s"
    words = f"{listing(own)} {taken} ({len(found):,} sample(s))"
    return [f"{words}; where it is unknown, leave the cell empty."]


def not_genes(names: Iterable[object]) -> list[str]:
    """Return the rows that counting programs add for reads of no gene."""
    return [str(name) for name in names if _NO_GENE.fullmatch(str(name))]


def _read_text(
    path: Path, file: BinaryIO, layout: Layout, n_rows: int | None, text: Sequence[str | int]
) -> pd.DataFrame:
    names = layout.names
    ids = [name for name in names if name in text] or [
        name for k, name in enumerate(names) if k in text
    ]

    def read(**options: Any) -> pd.DataFrame:
        watched = _Watched(file, layout.width)
        file.seek(layout.start)
        try:
            table: pd.DataFrame = pd.read_csv(
                io.BufferedReader(watched),
                sep=layout.separator,
                header=0,
                names=names,
                index_col=False,
                low_memory=False,
                nrows=n_rows,
                skipinitialspace=True,
                keep_default_na=False,
                **{"na_values": _NO_NUMBER, "dtype": dict.fromkeys(ids, str), **_FLOATS, **options},
            )
        except ValueError as error:
            if watched.is_full:
                raise Edge2TorchError(
                    f"{path} has {layout.width:,} columns and most of its lines are far shorter than "
                    "that. Was it written with another separator?"
                ) from error
            raise
        return table

    read_again, table = _with_decimals(path, read, read(), layout, ids)
    table, padded = _with_zeros(read_again, table, ids)
    table = _with_words(read_again, table, [*ids, *padded])
    layout.check_size(path, table, n_rows)
    blank = [name for name in layout.unnamed if table[name].isna().all()] if len(table) else []
    table = table.drop(columns=blank)
    if layout.has_index:
        table = table.set_index(names[0]).rename_axis(None)
    return table.rename(columns=str.strip)


def _with_zeros(read: _Read, table: pd.DataFrame, ids: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Put back the ids that have lost the zeros before them, such as 007; say which columns."""
    able = [
        name
        for k, name in enumerate(table.columns)
        if (k == 0 or like_an_id(name)) and name not in ids and is_numeric_dtype(table[name])
    ]
    if not able:
        return table, []
    at = [table.columns.get_loc(name) for name in able]
    written = read(usecols=at, dtype=str)
    padded = []
    for name in able:
        cells = written[name].dropna().str.strip()
        if cells.str.fullmatch(r"\d+").all() and cells.str.match(r"0\d").any():
            padded.append(name)
    table[padded] = written[padded]
    return table, padded


def _with_words(read: _Read, table: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """Put back what was taken for missing where a column holds words: read once more if so."""
    other = table.columns[[not is_numeric_dtype(kind) for kind in table.dtypes]]
    # beside True and False a gap is one
    text = [c for c in other if c in ids or infer_dtype(table[c], skipna=True) == "string"]
    gaps = [c for c in text if table[c].isna().any()]
    if gaps:
        at = [table.columns.get_loc(name) for name in gaps]
        table[gaps] = read(usecols=at, dtype=str, na_values=[""])[gaps]
    for name in text:
        table[name] = table[name].str.rstrip()
    return table


def _with_decimals(
    path: Path, read: _Read, table: pd.DataFrame, layout: Layout, ids: list[str]
) -> tuple[_Read, pd.DataFrame]:
    """Read anew with decimal commas where there are some between semicolons."""
    if layout.separator != ";":
        return read, table
    is_number = table.dtypes.map(is_numeric_dtype)
    words = [name for name in table.columns[~is_number & table.notna().any()] if name not in ids]
    if not any(table[name].dropna().astype(str).str.fullmatch(WITH_COMMA).all() for name in words):
        return read, table

    def with_comma(**options: Any) -> pd.DataFrame:
        return read(decimal=",", **options)

    again = with_comma()
    lost = is_number & ~again.dtypes.map(is_numeric_dtype)
    if lost.any():
        raise Edge2TorchError(
            f"{path} has decimal commas in some columns and points in {listing(table.columns[lost])}. "
            "Write all numbers the same way."
        )
    return with_comma, again


class _Watched(io.RawIOBase):
    """A file that ends where its lines, each filled up to the width of the table, are too many."""

    def __init__(self, file: BinaryIO, width: int) -> None:
        self._file, self._width = file, width
        self._size = file.seek(0, io.SEEK_END)
        self._lines, self.is_full = 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self._lines += piece.count(b"\n") + piece.count(b"\r")
        self.is_full = 8 * self._width * self._lines > largest(self._size)
        if self.is_full:
            raise ValueError("more lines than there is room for")
        return len(piece)
