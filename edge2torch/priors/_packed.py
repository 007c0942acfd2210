"""Compressed files: known by their first bytes, and called what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from edge2torch._core.messages import listing
from edge2torch._core.sizes import largest, too_large
from edge2torch.errors import Edge2TorchError

PackedName = Literal["gzip", "bz2", "xz", "zip"]


class _Packing(NamedTuple):
    """How a kind of compressed file is called, known and read."""

    name: PackedName
    start: bytes
    opened: Callable[[BinaryIO], Any]
    stream: Callable[[], Any] | None  # unpacks piece by piece


def _unzip(content: BinaryIO) -> Any:
    archive = zipfile.ZipFile(content)
    members = [name for name in archive.namelist() if not name.endswith("/")]
    if len(members) != 1:
        raise zipfile.BadZipFile(f"one file was expected in it, found {listing(members)}")
    return archive.open(members[0])


PACKED = {
    ".gz": _Packing(
        "gzip",
        b"\x1f\x8b",
        lambda f: gzip.GzipFile(fileobj=f),
        lambda: zlib.decompressobj(wbits=31),
    ),
    ".bz2": _Packing("bz2", b"BZh", bz2.BZ2File, bz2.BZ2Decompressor),
    ".xz": _Packing("xz", b"\xfd7zXZ\x00", lzma.LZMAFile, lzma.LZMADecompressor),
    ".zip": _Packing("zip", b"PK\x03\x04", _unzip, None),
}
_BZ2_BLOCK = b"1AY&SY"  # follows the three letters and one digit; a text may begin with the letters
_DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,  # zip has kinds of packing that Python does not
    RuntimeError,  # encrypted zip
)
_PIECE = 512  # bytes of a damaged file that are unpacked at once; xz makes 3 MB of so many at most


def plain_suffix(path: Path) -> str:
    """Return the suffix that says what a file holds, without that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def unpacked(file: Path, content: bytes) -> bytes:
    """Return what a file holds; what is compressed has to be called so, and the other way round."""
    called = file.suffix.lower() if file.suffix.lower() in PACKED else None
    found = next((suffix for suffix in PACKED if _starts(content, suffix)), None)
    if found and found != called:
        raise Edge2TorchError(
            f"{file}, line 1: this is {PACKED[found].name}-compressed, but the file's name does "
            f"not end in {found}. Rename it."
        )
    if called and not found:
        raise Edge2TorchError(
            f"{file}, line 1: the file's name ends in {called}, but it is not "
            f"{PACKED[called].name}-compressed. Rename it."
        )
    if found is None:
        return content
    packing, most = PACKED[found], largest(len(content))
    try:
        with packing.opened(io.BytesIO(content)) as stream:
            plain: bytes = stream.read(most + 1)
    except _DAMAGE as error:
        at = _lines_before_damage(content, packing, most) + 1
        raise Edge2TorchError(
            f"{file}, line {at}: the {packing.name} file breaks off or is damaged here: {error}"
        ) from error
    if len(plain) > most:
        raise too_large(file, most)
    return plain


def _starts(content: bytes, suffix: str) -> bool:
    is_called = content.startswith(PACKED[suffix].start)
    return is_called and (suffix != ".bz2" or content[4:10] == _BZ2_BLOCK)


def _lines_before_damage(content: bytes, packing: _Packing, most: int) -> int:
    """Count the lines of what can be unpacked of a damaged file."""
    if packing.stream is None:
        return 0
    stream, lines, size = packing.stream(), 0, 0
    try:
        for k in range(0, len(content), _PIECE):
            found = stream.decompress(content[k : k + _PIECE])
            lines, size = lines + found.count(b"\n"), size + len(found)
            if size > most:
                break
    except _DAMAGE:
        return lines
    return lines
