"""How much a file may hold: memory follows the size of a file, however it is packed."""

from edge2torch.bounds._h5ad import read_h5ad
from edge2torch.bounds._parquet import read_parquet
from edge2torch.bounds._size import check_npz, largest, opened, too_large
from edge2torch.bounds._table import (
    MISSING,
    TABLES,
    missing_words,
    not_genes,
    read_table,
    table_kind,
)

__all__ = [
    "MISSING",
    "TABLES",
    "check_npz",
    "largest",
    "missing_words",
    "not_genes",
    "opened",
    "read_h5ad",
    "read_parquet",
    "read_table",
    "table_kind",
    "too_large",
]
