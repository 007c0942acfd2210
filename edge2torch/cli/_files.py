"""Read tables by their suffix; make the folder that results go to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.tables import TABLES, table_kind
from edge2torch._core.tables import read_table as read_any
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_edges


def existing_file(path: Path, option: str) -> Path:
    """Return the path of a file that is there."""
    if not path.exists():
        raise Edge2TorchError(f"{option}: there is no file {str(path)!r}.")
    if path.is_dir():
        raise Edge2TorchError(f"{option}: {str(path)!r} is a folder; give a file.")
    return path


def read_table(
    path: Path, option: str, *, n_rows: int | None = None, text: Sequence[str | int] = ()
) -> pd.DataFrame:
    """Read a table of text or Parquet; of text only so many rows, if asked."""
    if table_kind(existing_file(path, option)) not in TABLES:
        raise Edge2TorchError(
            f"{option}: unknown file type {path.name!r}. Use one of {listing(TABLES, 8)}; text "
            "files may be compressed (.gz)."
        )
    try:
        return read_any(path, n_rows=n_rows, text=text)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from error


def read_edge_file(path: Path, option: str) -> pd.DataFrame:
    """Read an edge table; an error says which option it is about."""
    existing_file(path, option)
    try:
        return read_edges(path, quiet=True)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from None


def output_folder(path: Path) -> Path:
    """Make the folder that results go to, before any work is done."""
    if path.exists() and not path.is_dir():
        raise Edge2TorchError(f"--out: {str(path)!r} is a file; give a folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise Edge2TorchError(f"--out: cannot write to {str(path)!r}: {error.strerror}.") from error


@contextlib.contextmanager
def folder_of_results(path: Path) -> Iterator[Path]:
    """Make the folder that results go to; where nothing comes of the work, none is left behind."""
    new = not path.exists()
    folder = output_folder(path)
    try:
        yield folder
    except Exception:
        if new:
            with contextlib.suppress(OSError):  # something has been written, and stays
                folder.rmdir()
        raise
