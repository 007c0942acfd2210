"""Attributes of GTF files as they are met; one parser for all who read them."""

import bz2
import gzip
import lzma
import zipfile

import pyarrow as pa
import pytest

from edge2torch import Edge2TorchError
from edge2torch._core.gtf import attribute
from edge2torch.explain._gtf import read_gtf
from edge2torch.netmodules import read_transcript_data
from edge2torch.netmodules._read import genes_of_gtf

ROWS = {
    # attributes: gene_id, transcript_id
    'gene_id "G"; transcript_id "T";': ("G", "T"),
    'gene_id "G"; gene_version "2"; transcript_id "T"; transcript_version "1";': ("G", "T"),
    ' gene_id "G"; transcript_id "T"': ("G", "T"),  # Ensembl up to release 67
    '; gene_id  "G" ;transcript_id "T" ;': ("G", "T"),
    "transcript_id T1; gene_id G1": ("G1", "T1"),
    "gene_id 'G1'; transcript_id 'T 1'": ("G1", "T 1"),
    "gene_id 5'G; transcript_id T's;": ("5'G", "T's"),
    "gene_id G1 ; transcript_id T#1; level 2": ("G1", "T#1"),
    'gene_id "G;1"; transcript_id "T;2";': ("G;1", "T;2"),
    'gene_id "G#1"; note "a # b"; transcript_id "T";': ("G#1", "T"),
    'gene_id "G"; transcript_id "T"; # transcript_id "not this"': ("G", "T"),
    "gene_id G; transcript_id T # a comment": ("G", "T"),
    'gene_name "x; transcript_id y"; gene_id "G"; transcript_id "T";': ("G", "T"),
    'gene_name "; transcript_id "; gene_id "G"; transcript_id "T";': ("G", "T"),
    'parent_transcript_id "P"; my_gene_id "H"; gene_id "G"; transcript_id "T";': ("G", "T"),
    'note ""; note "b"; gene_id "A B"; transcript_id "T\'s"; transcript_id "U";': ("A B", "T's"),
    'note two words; gene_id "G"; transcript_id "T";': ("G", "T"),
}


def exon(attributes, start=1):
    return f"1\tx\texon\t{start}\t{start + 99}\t.\t+\t.\t{attributes}\n"


@pytest.mark.parametrize(("text", "expected"), ROWS.items())
def test_attributes(text, expected):
    found = [attribute(pa.array([text]), name)[0].as_py() for name in ("gene_id", "transcript_id")]
    assert tuple(found) == expected


def test_what_is_absent_or_empty_or_within_quotes_is_missing():
    rows = ['gene_name "transcript_id T"; gene_id "G";', 'transcript_id ""; gene_id "G";', ""]
    assert attribute(pa.array(rows), "transcript_id").to_pylist() == [None] * 3


def test_both_readers_say_the_same(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(
        "#comment\n#a\tb\tc\td\te\tf\tg\th\ti\n"
        + "".join(
            exon(text, 1000 * k + 1).replace("1\tx", f"{k}\tx") for k, text in enumerate(ROWS)
        )
        + exon('gene_name "transcript_id T"; gene_id "G";')
    )
    known = read_gtf(path).transcripts
    assert list(zip(known["gene_id"], known["transcript_id"], strict=True)) == list(ROWS.values())
    pairs = genes_of_gtf(path)[["gene_id", "transcript_id"]].itertuples(index=False, name=None)
    assert list(pairs) == list(dict.fromkeys(ROWS.values()))


@pytest.mark.parametrize("read", [read_gtf, genes_of_gtf], ids=["explain", "netmodules"])
def test_what_cannot_be_read_is_told(tmp_path, read):
    path = tmp_path / "genes.gtf"
    for text, words in {
        "ID=exon:T:1;Parent=T;gene_id=G;transcript_id=T": "is a GFF3 file",
        'gene_id "G" transcript_id "T";': "attributes cannot be read, such as 'gene_id",
        'note "a "b" c"; gene_id "G"; transcript_id "T";': "no quotation mark within",
        "gene_id G; transcript_id T 1;": "attributes cannot be read",
        'gene_id "G"; transcript_id "T;': "attributes cannot be read",
    }.items():
        path.write_text(exon(text))
        with pytest.raises(Edge2TorchError, match=words):
            read(path)
    path.write_text("##gff-version 3\n" + exon("ID=exon1"))
    with pytest.raises(Edge2TorchError, match="is a GFF3 file"):
        read(path)
    path.write_text("# nothing but a comment\n")
    with pytest.raises(Edge2TorchError, match=r"genes\.gtf"):
        read(path)


@pytest.mark.parametrize("packed", ["plain", "gz", "bz2", "xz", "zip"])
def test_packed_files_are_told_by_their_first_bytes(tmp_path, packed):
    path, text = tmp_path / "genes.gtf.packed", exon('gene_id "G"; transcript_id "T";').encode()
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("genes.gtf", text)
    else:
        how = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        path.write_bytes(how[packed](text))
    assert genes_of_gtf(path).to_numpy().tolist() == [["T", "G"]]


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "genes.gtf"
    for whole in (pack(exon("a").encode() * 99) for pack in (gzip.compress, bz2.compress)):
        path.write_bytes(whole[:40])
        with pytest.raises(Edge2TorchError, match=r"ends early or is damaged|cannot be read"):
            genes_of_gtf(path)


def test_a_gff3_file_of_transcripts_is_told_by_its_text(tmp_path):
    (tmp_path / "counts.csv").write_text("id,s1,s2\nT,1,2\nU,3,4\n")
    path = tmp_path / "genes.gff3"
    path.write_text("##gff-version 3\n" + exon("ID=exon1;Parent=T"))
    with pytest.raises(Edge2TorchError, match="is a GFF3 file"):
        read_transcript_data(tmp_path / "counts.csv", transcripts=path, min_samples=2)
