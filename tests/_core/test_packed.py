"""Packed files are called what they are, wherever a table is read."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from edge2torch import Edge2TorchError
from edge2torch._core.packed import opened, packing_of
from edge2torch._core.tables import read_table

TEXT = b"cell,age\na,3\n"


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


PACKED = {
    ".gz": gzip.compress(TEXT),
    ".bz2": bz2.compress(TEXT),
    ".xz": lzma.compress(TEXT),
    ".zip": zipped(**{"x.csv": TEXT}),
}


@pytest.mark.parametrize("ending", PACKED)
def test_a_table_has_to_be_called_as_it_is_packed(tmp_path, ending):
    path = tmp_path / f"cells.csv{ending}"
    path.write_bytes(PACKED[ending])
    assert read_table(path)["age"].tolist() == [3]
    for name in ("cells.csv", "cells.csv.gz" if ending == ".zip" else "cells.csv.zip"):
        path = path.rename(tmp_path / name)
        with pytest.raises(Edge2TorchError, match=rf"name does not end in {ending}. Rename it"):
            read_table(path)
    plain = tmp_path / f"plain.csv{ending}"
    plain.write_bytes(TEXT)
    with pytest.raises(Edge2TorchError, match=r"but it is not \w+-compressed"):
        read_table(plain)
    broken = tmp_path / f"broken.csv{ending}"
    broken.write_bytes(PACKED[ending][:-8])
    with pytest.raises(Edge2TorchError, match="breaks off or is damaged"):
        read_table(broken)


def test_a_zip_holds_one_table(tmp_path):
    path = tmp_path / "cells.csv.zip"
    path.write_bytes(zipped(**{"x.csv": TEXT, "__MACOSX/._x.csv": b"notes"}))
    assert opened(path).read() == TEXT
    path.write_bytes(zipped(**{"x.csv": TEXT, "y.csv": TEXT}))
    with pytest.raises(
        Edge2TorchError, match=r"one file was expected in it, found 'x.csv', 'y.csv'"
    ):
        read_table(path)


def test_a_workbook_that_is_called_a_table(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_bytes(zipped(**{"[Content_Types].xml": "x", "xl/workbook.xml": "x"}))
    with pytest.raises(Edge2TorchError, match="workbook of Excel has to be saved as text"):
        read_table(path)


def test_text_that_begins_like_bz2():
    assert packing_of(io.BytesIO(b"BZh1\tx\tg1\n")) is None
    assert packing_of(io.BytesIO(PACKED[".bz2"])) == ".bz2"
