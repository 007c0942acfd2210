"""Parquet files of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.damage import DAMAGE
from edge2torch._core.messages import require
from edge2torch._core.packed import largest
from edge2torch.errors import Edge2TorchError


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file that claims no more values than its size has room for."""
    parquet: Any = require("pyarrow.parquet", extra="priors")
    # pandas trusts the notes on types and index that it finds in the file, and fails as it may
    # where these are damaged; sizes that are claimed run out of memory
    damage = (*DAMAGE, MemoryError, require("pyarrow", extra="priors").ArrowException)
    try:
        with parquet.ParquetFile(path) as file:
            values = file.metadata.num_rows * max(file.metadata.num_columns, 1)
        if 8 * values <= largest(path.stat().st_size):
            return pd.read_parquet(path)
    except damage as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"{path} cannot be read as Parquet: {reason}") from error
    raise Edge2TorchError(
        f"{path} claims {values:,} values, which is out of proportion to its size. Write it "
        "anew without run-length encoding if that is right."
    )
