"""Read the edges of a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch._core.tables import existing_file
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_edges


def read_edge_file(path: Path, option: str) -> pd.DataFrame:
    """Read an edge table; an error says which option it is about."""
    existing_file(path, option)
    try:
        return read_edges(path, quiet=True)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from None
