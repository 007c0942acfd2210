"""Read tables that somebody names by a path; an error says which argument it came by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import TABLES
from edge2torch._core.tables import read_table as read_any
from edge2torch.errors import Edge2TorchError


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
    if plain_suffix(existing_file(path, option)) not in TABLES:
        raise Edge2TorchError(
            f"{option}: unknown file type {path.name!r}. Use one of {listing(TABLES, 8)}; text "
            "files may be compressed (.gz)."
        )
    try:
        return read_any(path, n_rows=n_rows, text=text)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from error
