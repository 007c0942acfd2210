"""Tables of samples or of annotations, in text or Parquet."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from edge2torch.bounds._parquet import read_parquet
from edge2torch.bounds._size import PACKED, largest, opened
from edge2torch.errors import Edge2TorchError

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
# Numbers come back as they were written, as by default from pandas 3.1 on; the other way loses the
# last bit, and in pandas 2.3 a number of 3,000 digits ends the process.
_NEW = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
_FLOATS: dict[str, Any] = {} if _NEW else {"float_precision": "round_trip"}
_PIECE = 1 << 20  # bytes
_COMPARISONS = 50_000_000  # a second or so


def table_kind(path: Path) -> str:
    """Return the ending that says what a file is, without that of its compression.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str

    Examples
    --------
    >>> from pathlib import Path
    >>> table_kind(Path("cells.v2.CSV.gz"))
    '.csv'
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_table(path: Path, *, n_rows: int | None = None) -> pd.DataFrame:
    r"""Read a table whose memory follows the size of its file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.txt`` (separated by tabs), each also packed, or ``.parquet``.
    n_rows : int, optional
        Only so many rows; of Parquet all.

    Returns
    -------
    DataFrame

    Raises
    ------
    Edge2TorchError
        For a damaged file, and one that holds or claims far more than its size.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("ages.csv").write_text("cell,age\na,3\n")
    >>> read_table(Path("ages.csv"))
      cell  age
    0    a    3
    """
    kind = table_kind(path)
    try:
        if kind == ".parquet":
            return read_parquet(path)
        with opened(path) as file:
            _check_header(path, file, _SEPARATORS[kind])
            if n_rows is None:
                _check_width(path, file, _SEPARATORS[kind])
            table: pd.DataFrame = pd.read_csv(
                file, sep=_SEPARATORS[kind], low_memory=False, nrows=n_rows, **_FLOATS
            )
            return table
    except Edge2TorchError:
        raise
    except (OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"{path} cannot be read: {reason}") from error


def _check_header(path: Path, file: BinaryIO, separator: str) -> None:
    """Refuse a header of countless equal names or none, and one that is shorter than the first row.

    pandas names the former in quadratic time, and of the latter makes an index of many levels.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    rows = csv.reader(text, delimiter=separator)
    names: list[str] = []
    first: list[str] = []
    with suppress(csv.Error):  # a field beyond the limit of csv, which pandas does not have
        names = next((row for row in rows if row), [])
        first = next((row for row in rows if row), [])
    text.detach()
    file.seek(0)
    if len(first) > len(names) + 1:
        raise Edge2TorchError(
            f"{path}: its first row has {len(first):,} values and its header {len(names):,} names. Was "
            "a line break lost?"
        )
    n_repeated = len(names) - len(set(names))
    if n_repeated * len(names) > _COMPARISONS:
        raise Edge2TorchError(
            f"{path}: {n_repeated:,} of {len(names):,} columns have no name, or that of another. Does "
            "the file lack its header?"
        )


def _check_width(path: Path, file: BinaryIO, separator: str) -> None:
    """Refuse rows that stop far short of the header: each would be filled up to its width."""
    first = pd.read_csv(file, sep=separator, nrows=1, **_FLOATS)
    n_columns = first.index.nlevels + first.shape[1]
    file.seek(0)
    n_lines = size = 0
    while piece := file.read(_PIECE):
        n_lines += piece.count(b"\n") + piece.count(b"\r")
        size += len(piece)
    file.seek(0)
    if 8 * n_columns * n_lines > largest(size):
        raise Edge2TorchError(
            f"{path} has {n_columns:,} columns and {n_lines:,} lines, most of which are far "
            "shorter than that. Was it written with another separator?"
        )
