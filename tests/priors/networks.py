"""What the tests of readers of networks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch import priors

FILES = Path(__file__).parent / "files"


def expected(name: str) -> pd.DataFrame:
    """Return a table that stands beside a file, its blanks missing."""
    return priors.read_edges(FILES / name, quiet=True).infer_objects()


def rows(edges: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(edges[["source", "target", *columns]].itertuples(index=False, name=None))
