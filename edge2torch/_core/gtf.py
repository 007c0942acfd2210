"""Rows of a GTF file, in blocks, and the one parser of its attributes."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from edge2torch._core.messages import require
from edge2torch._core.packed import BROKEN, PACKED, packing_of
from edge2torch.errors import Edge2TorchError

ENDINGS = (".gtf", ".gff2", ".gff", ".gff3")  # what a file is, its text says
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
_BLOCK = 16 << 20  # bytes parsed at once
_SHOWN = 80  # letters of a line in an error
# Attributes are key, blanks, value, semicolon; blanks and semicolons may stand before the first, and
# what is quoted may hold anything but a quotation mark. RE2 walks each line once.
_KEY = r'[^\s";]+'
_BEFORE = rf'^[\s;]*(?:{_KEY}\s+(?:"[^"]*"\s*|[^";]*);[\s;]*)*?'
_VALUE = (
    r'\s+(?:"(?P<quoted>[^"]*)"\s*(?:;|#|$)'
    r"|'(?P<single>[^']*)'\s*(?:;|#|$)"
    r'|(?P<bare>[^\s";]+)(?:\s*;|\s+#|\s*$))'
)
# As Ensembl, GENCODE and RefSeq begin every line: both ids in one go, in a third of the time.
_IDS = ("gene_id", "transcript_id")
_USUAL = (
    r'^[\s;]*gene_id\s+"(?P<gene_id>[^"]+)"\s*;\s*(?:gene_version\s+"[^"]*"\s*;\s*)?'
    r'transcript_id\s+"(?P<transcript_id>[^"]+)"\s*(?:;|#|$)'
)
_WELL_FORMED = rf'^[\s;]*(?:{_KEY}\s+(?:"[^"]*"|[^\s";]+)\s*(?:;[\s;]*|$))*(?:#.*)?$'
_GFF3 = r'^\s*[^\s";=]+='


def gtf_blocks(
    file: Path,
    argument: str,
    *,
    features: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """Rows with a ``transcript_id``, as pyarrow tables of some megabytes each.

    Columns are ``seqname``, ``feature``, ``start``, ``end``, ``strand``, ``attributes``, ``gene_id``
    (null where there is none) and ``transcript_id``. ``features`` keeps rows of these types; ``argument`` is what errors call the file.
    """
    pa = require("pyarrow", extra="modules")
    odd: list[str] = []
    here = f"{argument}: {str(file)!r}"
    try:
        with _opened(file) as (raw, stream):
            for block in _reader(stream, odd):
                yield _rows(pa.table(block), features, here)
                if progress is not None:
                    progress(raw.tell(), file.stat().st_size)
    except UnicodeDecodeError as error:
        raise Edge2TorchError(f"{here} is not UTF-8 ({error.reason}). Is it a GTF file?") from error
    except BROKEN as error:
        raise Edge2TorchError(
            f"{here} ends early or is damaged ({error}). Download it again."
        ) from error
    except OSError as error:
        raise Edge2TorchError(f"{here} cannot be read: {error}.") from error
    except pa.ArrowInvalid as error:
        raise Edge2TorchError(f"{here} {_what_is_wrong(odd, str(error))}") from error


def attribute(attributes: Any, *names: str) -> Any:
    """Value of the first attribute of one of these names; null where it is absent or empty."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    found = pc.extract_regex(attributes, f"{_BEFORE}(?:{'|'.join(names)}){_VALUE}")
    quoted, single, bare = (pc.struct_field(found, part) for part in ("quoted", "single", "bare"))
    value = pc.if_else(pc.equal(quoted, ""), single, quoted)
    value = pc.if_else(pc.equal(value, ""), bare, value)
    return pc.if_else(pc.equal(value, ""), pa.scalar(None, pa.string()), value)


def _both_ids(attributes: Any) -> list[Any]:
    """``gene_id`` and ``transcript_id``; lines that do not begin in the usual way, one by one."""
    pc = require("pyarrow.compute")
    usual = pc.extract_regex(attributes, _USUAL)
    other = pc.is_null(usual)
    rest = attributes.filter(other)
    return [
        pc.replace_with_mask(pc.struct_field(usual, name), other, attribute(rest, name))
        for name in _IDS
    ]


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file, whose position is the progress, and its text; packing is told by the first bytes."""
    with file.open("rb") as raw:
        packing = packing_of(raw)
        if packing is None:
            yield raw, raw
            return
        with PACKED[packing].unpack(raw) as stream:
            yield raw, stream


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


def _reader(stream: BinaryIO, odd: list[str]) -> Any:
    pa, csv = require("pyarrow"), require("pyarrow.csv")

    def unusual(row: Any) -> str:
        if row.text.startswith("#"):
            return "skip"
        odd.append(row.text)
        return "error"

    return csv.open_csv(
        pa.PythonFile(_Text(stream), mode="r"),
        csv.ReadOptions(column_names=list(_COLUMNS), block_size=_BLOCK),
        csv.ParseOptions(delimiter="\t", quote_char=False, invalid_row_handler=unusual),
        csv.ConvertOptions(
            include_columns=list(_USED), column_types=dict.fromkeys(_USED, pa.string())
        ),
    )


def _rows(rows: Any, features: Sequence[str] | None, here: str) -> Any:
    """The rows that count, with numbers as numbers; a comment may have nine columns, too."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    if features is not None:
        rows = rows.filter(pc.is_in(rows["feature"], value_set=pa.array(list(features))))
    rows = rows.filter(pc.invert(pc.starts_with(rows["seqname"], "#")))
    genes, ids = _both_ids(rows["attributes"].combine_chunks())
    _check_attributes(rows["attributes"].filter(pc.is_null(ids)), here)
    for place in ("start", "end"):
        rows = rows.set_column(rows.column_names.index(place), place, rows[place].cast(pa.int64()))
    for name, column in zip(_IDS, (genes, ids), strict=True):
        rows = rows.append_column(name, column)
    return rows.filter(pc.is_valid(ids)).combine_chunks()


def _check_attributes(without: Any, here: str) -> None:
    """An error where a row seems to have no transcript_id because it cannot be read."""
    pc = require("pyarrow.compute")
    if not len(without):
        return
    if pc.any(pc.match_substring_regex(without, _GFF3)).as_py():
        raise Edge2TorchError(
            f"{here} is a GFF3 file (attributes are written key=value), and a GTF file is needed. "
            "Databases offer both; `gffread in.gff3 -T -o out.gtf` converts one."
        )
    named = without.filter(pc.match_substring(without, "transcript_id"))
    wrong = named.filter(pc.invert(pc.match_substring_regex(named, _WELL_FORMED)))
    if len(wrong):
        raise Edge2TorchError(
            f"{here} has {len(wrong):,} row(s) or more whose attributes cannot be read, such as "
            f'{_short(wrong[0].as_py())!r}. Attributes are written key "value"; with a semicolon '
            "after each and no quotation mark within a value."
        )


def _short(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def _what_is_wrong(odd: list[str], reason: str) -> str:
    if not odd:
        return f"cannot be read: {reason}."
    hint = (
        " It has spaces where tabs belong; write the file with tabs."
        if "\t" not in odd[0] and len(odd[0].split()) >= len(_COLUMNS)
        else " Is it a GTF file?"
    )
    return (
        f"has a line of {odd[0].count(chr(9)) + 1} column(s), where {len(_COLUMNS)} are expected: "
        f"{_short(odd[0])!r}.{hint}"
    )
