"""Parquet files of others are read, or refused in one of our errors."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge2torch._core.parquet import read_parquet
from edge2torch.errors import Edge2TorchError

TABLE = pd.DataFrame({"gene": ["a", "b"], "n": [1.0, 2.0]}, index=pd.Index([3, 4], name="row"))


def test_what_pandas_wrote_comes_back(tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.parquet"), TABLE)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        Edge2TorchError, match=r"no\.parquet cannot be read as Parquet: .*No such file"
    ):
        read_parquet(tmp_path / "no.parquet")


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    TABLE.to_parquet(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(Edge2TorchError, match="cannot be read as Parquet"):
        read_parquet(path)


@pytest.mark.parametrize("lost", ["numpy_type", "pandas_type", "field_name"])
def test_notes_of_pandas_that_lack_something(tmp_path: Path, lost: str) -> None:
    table = pa.Table.from_pandas(TABLE)
    notes = json.loads(table.schema.metadata[b"pandas"])
    for column in notes["columns"]:
        del column[lost]
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": json.dumps(notes)}), path)
    with suppress(Edge2TorchError):  # one of our errors will do, no other
        assert read_parquet(path)["n"].tolist() == [1.0, 2.0]


def test_a_file_that_claims_more_than_it_has_room_for(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"n": pa.array([0] * 10_000_000, pa.int8())})
    pq.write_table(table, path, compression="zstd")
    with pytest.raises(Edge2TorchError, match="claims 10,000,000 values"):
        read_parquet(path)
