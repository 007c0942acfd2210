"""How much a file may hold: memory follows the size of a file, however it is packed."""

from edge2torch.bounds._h5ad import read_h5ad
from edge2torch.bounds._size import check_npz, check_parquet, largest, opened, too_large
from edge2torch.bounds._table import read_table, table_kind

__all__ = [
    "check_npz",
    "check_parquet",
    "largest",
    "opened",
    "read_h5ad",
    "read_table",
    "table_kind",
    "too_large",
]
