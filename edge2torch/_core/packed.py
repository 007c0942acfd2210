"""Packed files: known by their first bytes, called what they are, and no larger than plausible."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from edge2torch._core.damage import DAMAGE, UNPACKING
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

_ALWAYS = 64 << 20  # bytes: small files may be as large as this
_TIMES = 100  # text packs to a tenth, repetitive tables to a fiftieth

BROKEN = (*UNPACKING, gzip.BadGzipFile)


class Packing(NamedTuple):
    """How a kind of packed file is called, known by its first bytes, and unpacked."""

    name: Literal["gzip", "bz2", "xz", "zip"]
    start: bytes
    unpack: Callable[[BinaryIO], Any]


def _unzip(file: BinaryIO) -> Any:
    archive = zipfile.ZipFile(file)
    # macOS packs its own notes about a file beside it
    members = [n for n in archive.namelist() if not n.endswith("/") and n[:9] != "__MACOSX/"]
    if len(members) != 1:
        raise zipfile.BadZipFile(f"one file was expected in it, found {listing(members)}")
    return archive.open(members[0])


PACKED = {
    ".gz": Packing("gzip", b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": Packing("bz2", b"BZh", bz2.BZ2File),
    ".xz": Packing("xz", b"\xfd7zXZ\x00", lzma.LZMAFile),
    ".zip": Packing("zip", b"PK\x03\x04", _unzip),
}
_HEAD = 10  # bytes that tell what a file is
_BZ2_BLOCK = b"1AY&SY"  # follows the three letters and one digit; a text may begin with the letters


def packing_of(file: BinaryIO) -> str | None:
    """Return the ending that belongs to a file by its first bytes; it is read from the start."""
    head = file.read(_HEAD)
    file.seek(0)
    found = next((end for end, packing in PACKED.items() if head.startswith(packing.start)), None)
    return None if found == ".bz2" and head[4:] != _BZ2_BLOCK else found


def plain_suffix(path: Path) -> str:
    """Return the ending that says what a file is, without that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def largest(size: int) -> int:
    """Return how many bytes may come out of a file of so many."""
    return _ALWAYS + _TIMES * size


def opened(path: Path) -> BinaryIO:
    """Return a file's bytes, unpacked; what is packed has to be called so, and the other way round."""
    with path.open("rb") as file:
        found = packing_of(file)
        called = path.suffix.lower() if path.suffix.lower() in PACKED else None
        if found and found != called:
            workbook = " A workbook of Excel has to be saved as text." if found == ".zip" else ""
            raise Edge2TorchError(
                f"{path}, line 1: this is {PACKED[found].name}-compressed, but the file's name does "
                f"not end in {found}. Rename it.{workbook}"
            )
        if called and not found:
            raise Edge2TorchError(
                f"{path}, line 1: the file's name ends in {called}, but it is not "
                f"{PACKED[called].name}-compressed. Rename it."
            )
        if found is None:
            return path.open("rb")
        most = largest(path.stat().st_size)
        try:
            with PACKED[found].unpack(file) as stream:
                plain = stream.read(most + 1)  # one more than there may be, and never all of a bomb
        except DAMAGE as error:
            raise Edge2TorchError(
                f"{path} cannot be read: the {PACKED[found].name} file breaks off or is damaged: "
                f"{error}"
            ) from error
    if len(plain) > most:
        raise _too_large(path, most)
    return io.BytesIO(plain)


def not_utf8(path: Path, file: BinaryIO) -> Edge2TorchError:
    """Return the error for text in another encoding, with the first line that tells."""
    file.seek(0)
    content, where = file.read(), ": not UTF-8"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        start = content.rfind(b"\n", 0, error.start) + 1
        shown = content[max(start, error.start - 12) : error.start + 12].decode("latin-1")
        number = content.count(b"\n", 0, start) + 1
        where = f", line {number}: not UTF-8 ({error.reason}, in {shown.splitlines()[0]!r})"
    return Edge2TorchError(
        f"{path}{where}. Save it as UTF-8; in Excel that is the file type 'CSV UTF-8'."
    )


def check_npz(path: Path) -> None:
    """Refuse a file of NumPy arrays that is damaged, or claims far more than its size."""
    most = largest(path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except DAMAGE as error:
        raise Edge2TorchError(f"{path} is damaged: {error}") from error
    if size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> Edge2TorchError:
    return Edge2TorchError(
        f"{path} holds over {most >> 20:,} MB when it is unpacked, which is out of proportion to "
        "its size. Unpack it first if that is right."
    )
