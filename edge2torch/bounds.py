"""How much a file may hold: memory follows the size of a file, however it is packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge2torch.errors import Edge2TorchError, require

__all__ = ["check_parquet", "largest", "too_large"]

_ALWAYS = 64 << 20  # bytes: small files may be as large as this
_TIMES = 100  # text packs to a tenth, repetitive tables to a fiftieth


def largest(size: int) -> int:
    """Return how many bytes a packed file may hold.

    Parameters
    ----------
    size : int
        Bytes of the file.

    Returns
    -------
    int

    Examples
    --------
    >>> largest(0)
    67108864
    """
    return _ALWAYS + _TIMES * size


def too_large(path: Path, most: int) -> Edge2TorchError:
    """Return the error about a file that holds more than it should.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Bytes that it may hold.

    Returns
    -------
    Edge2TorchError

    Examples
    --------
    >>> from pathlib import Path
    >>> print(too_large(Path("x.gz"), 1 << 20))
    x.gz holds over 1 MB when it is unpacked, which is out of proportion to its size. Unpack it first if that is right.
    """
    return Edge2TorchError(
        f"{path} holds over {most >> 20:,} MB when it is unpacked, which is out of proportion to "
        "its size. Unpack it first if that is right."
    )


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file that claims far more values than its size has room for.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    Edge2TorchError
        For such a file, and for one without the end that Parquet files have.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> pd.DataFrame({"a": [1]}).to_parquet("one.parquet")
    >>> check_parquet(Path("one.parquet"))
    """
    parquet: Any = require("pyarrow.parquet", extra="priors")
    try:
        with parquet.ParquetFile(path) as file:
            values = file.metadata.num_rows * max(file.metadata.num_columns, 1)
    except (OSError, ValueError) as error:
        raise Edge2TorchError(f"{path} cannot be read as Parquet: {error}") from error
    most = largest(path.stat().st_size)
    if 8 * values > most:
        raise Edge2TorchError(
            f"{path} claims {values:,} values, which is out of proportion to its size. Write it "
            "anew without run-length encoding if that is right."
        )
