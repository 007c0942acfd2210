"""Tables whose rows are read in proportion to their file."""

import gzip

import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.bounds import read_table


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.tsv.xz", "t.parquet"])
def test_every_ending(tmp_path, name):
    table = pd.DataFrame({"cell": ["a", "b"], "age": [1.5, 2.0]})
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="," if ".csv" in name else "\t", index=False)
    pd.testing.assert_frame_equal(read_table(path), table)
    assert len(read_table(path, n_rows=0)) == (2 if name.endswith("parquet") else 0)


def test_rows_far_shorter_than_the_header(tmp_path):
    path = tmp_path / "ragged.csv"
    path.write_text("a" + "," * 1000 + "\n" + "1\n" * 20_000)
    with pytest.raises(Edge2TorchError, match=r"1,00[12] columns.*another separator"):
        read_table(path)


def test_blank_values_are_fine(tmp_path):
    path = tmp_path / "blank.csv"
    path.write_text(",".join(f"g{k}" for k in range(200)) + "\n" + ("," * 199 + "\n") * 500)
    assert read_table(path).isna().all(axis=None)


def test_packed_far_beyond_its_size(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + bytes(1 << 20)) * 100)
    with pytest.raises(Edge2TorchError, match="out of proportion"):
        read_table(path)


def test_countless_equal_names(tmp_path):
    path = tmp_path / "t.csv"
    for name in ("gene", ""):
        path.write_text(",".join([name] * 20_000) + "\n")
        with pytest.raises(Edge2TorchError, match=r"19,999 of 20,000 columns.*lack its header"):
            read_table(path)
    path.write_text("cell,gene,gene,\na,1,2,3\n")
    assert list(read_table(path)) == ["cell", "gene", "gene.1", "Unnamed: 3"]


def test_numbers_come_back_as_they_were_written(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308]
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": values}).to_csv(path, index=False)
    assert read_table(path)["x"].tolist() == values


@pytest.mark.parametrize("digits", [400, 3_000, 100_000])
def test_a_number_of_countless_digits(tmp_path, digits):
    path = tmp_path / "t.csv"
    path.write_text(f"x,y\n1.5,a\n{'9' * digits},b\n")
    assert read_table(path)["y"].tolist() == ["a", "b"]


def test_a_first_row_longer_than_the_header(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1," * 5_000 + "1\n")
    with pytest.raises(Edge2TorchError, match="first row has 5,001 values and its header 2 names"):
        read_table(path)


def test_names_of_rows_without_a_header_of_their_own(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\nx,1,2\n")
    assert read_table(path).loc["x"].tolist() == [1, 2]
