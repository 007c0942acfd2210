"""Tables whose rows are read in proportion to their file."""

import gzip

import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch._core.tables import read_table


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


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_text_of_another_encoding_is_named_with_its_line(tmp_path, name):
    text = "sample,site\n" + "s,Oslo\n" * 3 + "t,Orléans\n"
    content = text.encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    said = r"a\.csv.*, line 5: not UTF-8 .*'t,Orléans'.*'CSV UTF-8'"
    with pytest.raises(Edge2TorchError, match=said) as told:
        read_table(tmp_path / name, "data")
    assert "codec" not in str(told.value)
    (tmp_path / "head.csv").write_bytes("gène,b\n1,2\n".encode("latin-1"))
    with pytest.raises(Edge2TorchError, match="line 1: not UTF-8"):
        read_table(tmp_path / "head.csv", "data")


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


@pytest.mark.parametrize("header", [";" * 100_000, "sample" + "," * 30_001], ids=["none", "one"])
def test_far_too_many_columns_without_a_name(tmp_path, header):
    """pandas takes minutes for so many."""
    path = tmp_path / "x.csv"
    path.write_text(header + "\n", encoding="utf-8")
    with pytest.raises(Edge2TorchError, match="columns in its header have no name"):
        read_table(path)


def test_a_column_twice_in_the_header(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("cell,g0,g1, g0,g1,g2\na,1,2,3,4,5\n")
    for n_rows in (None, 0):
        with pytest.raises(
            Edge2TorchError, match=r"names 2 column\(s\) more than once: 'g0', 'g1'"
        ):
            read_table(path, n_rows=n_rows)
    path.write_text(",".join(["gene"] * 20_000) + "\n")
    with pytest.raises(Edge2TorchError, match=r"names 1 column\(s\) more than once: 'gene'"):
        read_table(path)


def test_columns_without_a_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",gene,,\na,1,3,\n")
    assert list(read_table(path)) == ["Unnamed: 0", "gene", "Unnamed: 2"]  # the last is empty
    path.write_text("," * 20_000 + "\n")
    assert read_table(path).empty


@pytest.mark.parametrize("line", ["s1,0.25,-1.5,a", "g1,5,0,0,7", "0.1,1e-3,x"])
def test_a_table_without_header(tmp_path, line):
    path = tmp_path / "t.csv"
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(Edge2TorchError, match=r"numbers where the names of columns belong.*header"):
        read_table(path)
    path.write_text("sample,7157,672\ns1,0.5,1\n")  # genes by number
    assert list(read_table(path)) == ["sample", "7157", "672"]


WORDS = ["null", "None", "NA", "nan", "N/A", "NULL", "NaN", "<NA>", "n/a"]


@pytest.mark.parametrize("word", WORDS)
def test_words_are_words_and_beside_numbers_missing(tmp_path, word):
    path = tmp_path / "t.tsv"
    path.write_text(
        f"gene\tx\tkind\tis\n{word}\t1.5\t{word}\tTrue\nTP53\t{word}\twt\t{word}\na\t\t\t\n"
    )
    table = read_table(path)
    assert table["gene"].tolist() == [word, "TP53", "a"]
    assert table["x"].dtype == float
    assert table["x"].isna().tolist() == [False, True, True]
    assert table["kind"].tolist()[:2] == [word, "wt"]
    assert table["kind"].isna().tolist() == [False, False, True]
    assert table["is"].tolist()[0] is True
    assert table["is"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("word", ["NA ", "none", "NONE", "na", "NaN   "])
def test_missing_numbers_in_other_letters_and_lined_up(tmp_path, word):
    path = tmp_path / "t.csv"
    path.write_text(f"cell,age,kind\na,1.5,{word}\nb,{word},wt\n")
    table = read_table(path)
    assert table["age"].tolist()[0] == 1.5
    assert table["age"].isna().tolist() == [False, True]
    assert table["kind"].tolist() == [word.strip(), "wt"]


def test_ids_keep_the_zeros_before_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("PatientID,plate_id,age,case_id\n00000,1,05,007\n00001,2,30,\n")
    table = read_table(path)
    assert table["PatientID"].tolist() == ["00000", "00001"]
    assert table["plate_id"].tolist() == [1, 2]
    assert table["age"].tolist() == [5, 30]
    assert table["case_id"].tolist()[0] == "007"
    assert table["case_id"].isna().tolist() == [False, True]
    path.write_text("IDS,g\n0.5,1\n00.25,2\n")
    assert read_table(path)["IDS"].tolist() == [0.5, 0.25]
    path.write_text("x,y\n01,1,2\n02,3,4\n")  # names of rows
    assert read_table(path).index.tolist() == ["01", "02"]


def test_rows_that_end_with_a_separator(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("cell,age\na,3,\nb,4,\n")
    with pytest.raises(Edge2TorchError, match="Do the rows end with a separator"):
        read_table(path)
    path.write_text("cell,age,\na,3,\nb,4,\n")
    assert list(read_table(path)) == ["cell", "age"]


def test_blanks_around_a_value_are_none_of_it(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('cell, age , kind\na, NA, "x, y" \nb , 2,  wt\nc, 3, \n')
    table = read_table(path)
    assert table["age"].tolist()[1:] == [2, 3]
    assert table["cell"].tolist() == ["a", "b", "c"]
    assert table["kind"].tolist()[:2] == ["x, y", "wt"]
    assert table["kind"].isna().tolist() == [False, False, True]


def test_names_of_rows_are_words_too(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\nNA,1,2\nnull,3,4\n007,5,6\n")
    assert read_table(path, text=(0,)).index.tolist() == ["NA", "null", "007"]
    path.write_text("id,x\nNA,1\n")
    assert read_table(path, text=(0,))["id"].tolist() == ["NA"]
    path.write_text("id,x\n,1\n")
    assert read_table(path, text=(0,))["id"].isna().all()
    path.write_text("id,sample_id,x\n7157,001,1\n,002,2\n")
    table = read_table(path, text=(0, "absent"))
    assert table["id"].tolist()[0] == "7157"
    assert table["id"].isna().tolist() == [False, True]
    table = read_table(path, text=(0, "sample_id", "absent"))
    assert table["sample_id"].tolist() == ["001", "002"]
    assert table["id"].dtype == float  # the id has a name, so the first column is none


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "cell;age;kind\na;1,5;x\nb;2;null\n"),
        ("t.csv", "cell\tage\tkind\na\t1.5\tx\nb\t2\tnull\n"),
        ("t.txt", "cell,age,kind\na,1.5,x\nb,2,null\n"),
        ("t.tab", "cell\tage\tkind\na\t1.5\tx\nb\t2\tnull\n"),
        ("t.tsv", "# Program:counts; v1, of two\n# more\ncell\tage\tkind\na\t1.5\tx\nb\t2\tnull\n"),
    ],
)
def test_separators_and_comments_by_the_look_of_the_header(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    expected = pd.DataFrame({"cell": ["a", "b"], "age": [1.5, 2.0], "kind": ["x", "null"]})
    pd.testing.assert_frame_equal(read_table(path), expected)


def test_a_header_may_begin_with_a_hash(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("# made by a program\n#OTU ID\ts1\ts2\na\t1\t2\n")
    assert list(read_table(path)) == ["#OTU ID", "s1", "s2"]


def test_what_cannot_be_told_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("cell;age;kind\na;1\nb;2;x\n")
    with pytest.raises(Edge2TorchError, match="semicolons seem to separate its columns"):
        read_table(path)
    path.write_text("cell;x;y\na;1,5;2.5\n")
    with pytest.raises(Edge2TorchError, match="decimal commas in some columns and points in 'y'"):
        read_table(path)


def test_gct(tmp_path):
    path = tmp_path / "t.gct"
    body = "Name\tDescription\ts1\ts2\nNA\tfirst\t1\t2.5\nTP53\tna\t3\t4\n"
    path.write_text("#1.2\n2\t2\n" + body)
    table = read_table(path)
    assert table.columns.tolist() == ["Name", "Description", "s1", "s2"]
    assert table.to_numpy().tolist() == [["NA", "first", 1, 2.5], ["TP53", "na", 3, 4]]
    for head, told in (
        ("#1.2\n3\t2\n", "claims 3 rows and 2 samples.*has 2 and 2"),
        ("#1.3\n2\t2\t1\t1\n", "found '#1.3'"),
        ("", "begins with '#1.2'"),
    ):
        path.write_text(head + body)
        with pytest.raises(Edge2TorchError, match=told):
            read_table(path)


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


@pytest.mark.parametrize("text", ["id s1 s2\na 5 6.5\nb 7 8\n", "s1   s2\na   5   6\n"])
def test_columns_between_blanks_are_named(tmp_path, text):
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(Edge2TorchError, match="blanks seem to separate its columns"):
        read_table(path)
    path.write_text("my genes\nTP53 alpha\n")
    assert read_table(path)["my genes"].tolist() == ["TP53 alpha"]
    path.write_text("gene\nTP53\n")
    assert read_table(path)["gene"].tolist() == ["TP53"]
