"""Small files that would be large: memory follows the size of what is read."""

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge2torch import Edge2TorchError, priors

SIZE = 100 << 20  # bytes that come out of each
PIECE = bytes(1 << 20)


def gz() -> bytes:
    return gzip.compress(PIECE) * (SIZE // len(PIECE))


def bz() -> bytes:
    return bz2.compress(PIECE) * (SIZE // len(PIECE))


def xz() -> bytes:
    return lzma.compress(PIECE, preset=0) * (SIZE // len(PIECE))


def zipped() -> bytes:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x", "w", force_zip64=True) as member,
    ):
        for _ in range(SIZE // len(PIECE)):
            member.write(PIECE)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("suffix", "make"), [(".gz", gz), (".bz2", bz), (".xz", xz), (".zip", zipped)]
)
def test_packed_zeros(tmp_path, suffix, make):
    path = tmp_path / f"sets.gmt{suffix}"
    path.write_bytes(make())
    assert path.stat().st_size < SIZE / 100
    with pytest.raises(Edge2TorchError, match="out of proportion"):
        priors.read_gmt(path, quiet=True)


def test_a_packed_file_that_is_plausible_is_read(tmp_path):
    text = "".join(f"set{k}\tx\tgene{k}\tgene{k + 1}\n" for k in range(20_000))
    path = tmp_path / "sets.gmt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(priors.read_gmt(path, quiet=True)) == 40_000


def test_parquet_of_one_value_many_times(tmp_path):
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000_000, pa.int8()), ["a"])
    path = tmp_path / "edges.parquet"
    pq.write_table(pa.table({"source": names, "target": names}), path, compression="zstd")
    with pytest.raises(Edge2TorchError, match="out of proportion"):
        priors.read_edges(path, quiet=True)


ENTITIES = "".join(f'<!ENTITY l{k + 1} "{f"&l{k};" * 10}">' for k in range(9))
LAUGHS = f"""<?xml version="1.0"?><!DOCTYPE graphml [<!ENTITY l0 "ha">{ENTITIES}]>
<graphml><graph edgedefault="directed"><node id="&l9;"/></graph></graphml>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<graphml><graph edgedefault="directed"><node id="a"><data key="k">&x;</data></node></graph></graphml>"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE], ids=["that grow", "from elsewhere"])
def test_entities(tmp_path, text):
    path = tmp_path / "net.graphml"
    path.write_text(text)
    with pytest.raises(Edge2TorchError, match="line 1: the file declares an entity"):
        priors.read_graphml(path, quiet=True)


OF_XML = {
    "kgml": priors.read_kgml,
    "gpml": priors.read_gpml,
    "sbml": priors.read_sbml_qual,
}


@pytest.mark.parametrize("kind", OF_XML)
@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE], ids=["that grow", "from elsewhere"])
def test_entities_in_every_kind_of_xml(tmp_path, kind, text):
    path = tmp_path / f"net.{kind}"
    path.write_text(text)
    with pytest.raises(
        Edge2TorchError, match=r"line 1: the file (declares an entity|has a DOCTYPE)"
    ):
        OF_XML[kind](path, quiet=True)


@pytest.mark.parametrize("kind", OF_XML)
def test_deep_xml_of_every_kind(tmp_path, kind):
    path = tmp_path / f"net.{kind}"
    path.write_text("<pathway>" + "<entry>" * DEEP + "</entry>" * DEEP + "</pathway>")
    with pytest.raises(Edge2TorchError, match="elements are nested over"):
        OF_XML[kind](path, quiet=True)


def test_attributes_without_end(tmp_path):
    path = tmp_path / "map.xml"
    many = " ".join(f'a{k}=""' for k in range(200_000))
    path.write_text(f'<pathway><entry id="1" {many}/></pathway>')
    with pytest.raises(Edge2TorchError, match="holds no edges"):
        priors.read_kgml(path, quiet=True)


@pytest.mark.parametrize("read", [priors.read_cx2, priors.read_gocam])
@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "9" * 200_000])
def test_json_without_end(tmp_path, read, text):
    path = tmp_path / "net.json"
    path.write_text(text)
    with pytest.raises(Edge2TorchError, match="line 1: broken JSON"):
        read(path, quiet=True)


DEEP = 30_000


@pytest.mark.parametrize(
    "text",
    [
        "<graphml>" + "<graph edgedefault='directed'><node id='a'>" * DEEP,
        "<graphml>" + "<graph><node>" * DEEP + "</node></graph>" * DEEP + "</graphml>",
        "<graphml><graph edgedefault='directed'>" + "<node " * DEEP,
    ],
    ids=["open", "closed", "no end"],
)
def test_deep_xml(tmp_path, text):
    path = tmp_path / "net.graphml"
    path.write_text(text)
    with pytest.raises(Edge2TorchError):
        priors.read_graphml(path, quiet=True)
