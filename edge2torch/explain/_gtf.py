"""Transcripts of a GTF file: their exons and coding parts, read in blocks."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from edge2torch.bounds import read_parquet
from edge2torch.errors import Edge2TorchError, listing, require
from edge2torch.files import drafting

Progress = Callable[[int, int], None]

_COLUMNS = (
    "seqname",
    "source",
    "feature",
    "start",
    "end",
    "score",
    "strand",
    "frame",
    "attributes",
)
_USED = ("seqname", "feature", "start", "end", "strand", "attributes")
_FEW_VALUES = ("seqname", "strand", "biotype")
_BLOCK = 16 << 20  # bytes parsed at once
_CHUNK = 1 << 20  # bytes hashed at once
_VERSION = 2  # of the cache
_MAGIC = b"\x1f\x8b"
_ATTRIBUTE = r'(?:^|;\s*)(?:{})\s+"?(?P<value>[^";]+)'


@dataclass(frozen=True, eq=False)
class Annotation:
    """Transcripts and their parts.

    ``transcripts``: ``transcript_id``, ``gene_id``, ``seqname``, ``strand``, ``biotype`` (missing
    where the file does not say); ``parts``: ``transcript`` (row of ``transcripts``), ``start``,
    ``end`` (1-based, both included), ``is_cds``.
    """

    transcripts: pd.DataFrame
    parts: pd.DataFrame


def read_gtf(
    path: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Annotation:
    """Read a GTF file, gzipped or not; with a cache, the same content is parsed only once."""
    require("pyarrow", extra="modules")
    file = Path(path)
    if not file.is_file():
        raise Edge2TorchError(f"gtf: there is no file {str(file)!r}.")
    if cache_dir is None:
        return _parse(file, progress)
    place = Path(cache_dir) / f"gtf-{_content_key(file)}-v{_VERSION}"
    if (kept := _load(place)) is not None:
        return kept
    found = _parse(file, progress)
    _keep(found, place)
    return found


def _content_key(file: Path) -> str:
    seen = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            seen.update(block)
    return seen.hexdigest()


def _load(place: Path) -> Annotation | None:
    """What the cache holds; None where it holds nothing that can be read."""
    with suppress(Edge2TorchError):
        names = ("transcripts", "parts")
        return Annotation(*(read_parquet(place / f"{name}.parquet") for name in names))
    return None


def _keep(found: Annotation, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    tables = {f"{name}.parquet": getattr(found, name) for name in ("transcripts", "parts")}
    with drafting(place.parent) as folder:
        for name, table in tables.items():
            table.to_parquet(folder / name, index=False)
        place.mkdir(exist_ok=True)
        for name in tables:
            (folder / name).replace(place / name)


def _parse(file: Path, progress: Progress | None) -> Annotation:
    pa = require("pyarrow", extra="modules")
    odd: list[str] = []
    try:
        with _opened(file) as (raw, stream):
            parts = list(_blocks(raw, stream, file.stat().st_size, odd, progress))
    except UnicodeDecodeError as error:
        raise Edge2TorchError(
            f"gtf: {str(file)!r} is not UTF-8 ({error.reason}). Is it a GTF file?"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Edge2TorchError(
            f"gtf: {str(file)!r} ends early or is damaged ({error}). Download it again."
        ) from error
    except pa.ArrowInvalid as error:
        raise Edge2TorchError(f"gtf: {_what_is_wrong(file, odd, str(error))}") from error
    if not parts or not sum(len(part) for part, _ in parts):
        raise Edge2TorchError(
            f"gtf: {str(file)!r} has no rows of type exon or CDS with a "
            "transcript_id. A GTF file of transcripts is needed; a GFF3 file or one of genes alone "
            "will not do."
        )
    return _collect(file, [part for part, _ in parts], [first for _, first in parts])


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file, whose position is the progress, and its text; gzip is told by its first bytes."""
    with file.open("rb") as raw:
        packed = raw.read(2) == _MAGIC
        raw.seek(0)
        if not packed:
            yield raw, raw
            return
        with gzip.open(raw) as stream:
            yield raw, stream  # type: ignore[misc]  # a GzipFile reads as any binary file


class _Text:
    """A stream of bytes that are UTF-8: what is not would be told by pyarrow on stderr."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._decoder.decode(block, final=not block)
        return block

    def close(self) -> None:
        """Nothing: who has opened the stream closes it."""


def _blocks(
    raw: BinaryIO, stream: BinaryIO, size: int, odd: list[str], progress: Progress | None
) -> Iterator[tuple[Any, Any]]:
    """Exons and coding parts of each block, and a row for each transcript that is in it."""
    pa, csv = require("pyarrow"), require("pyarrow.csv")

    def unusual(row: Any) -> str:
        if row.text.startswith("#"):
            return "skip"
        odd.append(row.text)
        return "error"

    reader = csv.open_csv(
        pa.PythonFile(_Text(stream), mode="r"),
        csv.ReadOptions(column_names=list(_COLUMNS), block_size=_BLOCK),
        csv.ParseOptions(delimiter="\t", quote_char=False, invalid_row_handler=unusual),
        csv.ConvertOptions(
            include_columns=list(_USED),
            column_types={name: pa.string() for name in _USED}
            | dict.fromkeys(("start", "end"), pa.int64()),
        ),
    )
    for block in reader:
        yield _parts_of(pa.table(block))
        if progress is not None:
            progress(raw.tell(), size)


def _parts_of(rows: Any) -> tuple[Any, Any]:
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    rows = rows.filter(pc.is_in(rows["feature"], value_set=pa.array(["exon", "CDS"])))
    rows = rows.append_column("transcript_id", _attribute(rows["attributes"], "transcript_id"))
    rows = rows.filter(pc.is_valid(rows["transcript_id"])).combine_chunks()
    is_cds = pc.equal(rows["feature"], "CDS")
    ids = rows["transcript_id"].combine_chunks().dictionary_encode()
    codes = pd.Series(ids.indices.to_numpy(zero_copy_only=False))
    first = rows.take(pa.array((~codes.duplicated()).to_numpy().nonzero()[0]))
    biotypes = _attribute(first["attributes"], "transcript_type|transcript_biotype")
    heads = pa.table(
        {
            "transcript_id": first["transcript_id"],
            "gene_id": _attribute(first["attributes"], "gene_id"),
            "seqname": first["seqname"],
            "strand": first["strand"],
            "biotype": biotypes,
        }
    )
    columns = {"transcript": ids, "start": rows["start"], "end": rows["end"], "is_cds": is_cds}
    return pa.table(columns), heads


def _attribute(attributes: Any, names: str) -> Any:
    """Value of an attribute, quoted or not; null where it is absent."""
    pc = require("pyarrow.compute")
    return pc.struct_field(pc.extract_regex(attributes, _ATTRIBUTE.format(names)), "value")


def _collect(file: Path, parts: list[Any], heads: list[Any]) -> Annotation:
    pa = require("pyarrow")
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    ids = table["transcript"].combine_chunks()
    transcripts = pa.concat_tables(heads).to_pandas().drop_duplicates("transcript_id")
    transcripts = transcripts.astype(dict.fromkeys(_FEW_VALUES, "category"))
    transcripts = transcripts.set_index("transcript_id").loc[ids.dictionary.to_pandas()]
    if homeless := transcripts.index[transcripts["gene_id"].isna()].to_list():
        raise Edge2TorchError(
            f"gtf: {str(file)!r} has no gene_id for transcript(s) {listing(homeless)}."
        )
    frame = table.drop_columns("transcript").to_pandas()
    frame.insert(0, "transcript", ids.indices.to_numpy(zero_copy_only=False))
    frame = frame.astype({"start": "int32", "end": "int32"}).drop_duplicates()
    order = ["transcript", "is_cds", "start"]
    return Annotation(
        transcripts.rename_axis("transcript_id").reset_index(),
        frame.sort_values(order, kind="stable").reset_index(drop=True),
    )


def _what_is_wrong(file: Path, odd: list[str], reason: str) -> str:
    if not odd:
        return f"{str(file)!r} cannot be read: {reason}."
    line = odd[0] if len(odd[0]) <= 80 else f"{odd[0][:77]}..."
    columns = odd[0].count("\t") + 1
    hint = (
        " It has spaces where tabs belong; write the file with tabs."
        if columns == 1 and len(odd[0].split()) >= 9
        else " Is it a GTF file?"
    )
    return f"{str(file)!r} has a line of {columns} column(s), where 9 are expected: {line!r}.{hint}"
