"""How many bytes a file may hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from edge2torch.errors import Edge2TorchError

_ALWAYS = 64 << 20  # bytes: small files may be as large as this
_TIMES = 100  # text packs to a tenth, repetitive tables to a fiftieth


_DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,  # kinds of zip that Python does not read
    RuntimeError,  # an encrypted zip
)


def _first_of_zip(path: Path) -> Any:
    archive = zipfile.ZipFile(path)
    return archive.open(archive.namelist()[0]) if archive.namelist() else io.BytesIO()


PACKED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": _first_of_zip,
}


def largest(size: int) -> int:
    """Return how many bytes a packed file may hold.

    Parameters
    ----------
    size : int
        Bytes of the file.

    Returns
    -------
    int

    Examples
    --------
    >>> largest(0)
    67108864
    """
    return _ALWAYS + _TIMES * size


def too_large(path: Path, most: int) -> Edge2TorchError:
    """Return the error about a file that holds more than it should.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Bytes that it may hold.

    Returns
    -------
    Edge2TorchError

    Examples
    --------
    >>> from pathlib import Path
    >>> print(too_large(Path("x.gz"), 1 << 20))
    x.gz holds over 1 MB when it is unpacked, which is out of proportion to its size. Unpack it first if that is right.
    """
    return Edge2TorchError(
        f"{path} holds over {most >> 20:,} MB when it is unpacked, which is out of proportion to "
        "its size. Unpack it first if that is right."
    )


def opened(path: Path) -> BinaryIO:
    """Return a file's bytes, unpacked where its name says that they are packed.

    Parameters
    ----------
    path : Path
        Ending in ``.gz``, ``.bz2``, ``.xz``, ``.zip`` (of which the first member is read), or not.

    Returns
    -------
    file object

    Raises
    ------
    Edge2TorchError
        For damaged files, and those that hold far more than their size.

    Examples
    --------
    >>> import gzip
    >>> from pathlib import Path
    >>> _ = Path("x.gz").write_bytes(gzip.compress(b"text"))
    >>> opened(Path("x.gz")).read()
    b'text'
    """
    if path.suffix.lower() not in PACKED:
        return path.open("rb")
    most = largest(path.stat().st_size)
    try:
        with PACKED[path.suffix.lower()](path) as stream:
            plain = stream.read(most + 1)
    except _DAMAGE as error:
        raise Edge2TorchError(
            f"{path} cannot be read, it breaks off or is damaged: {error}"
        ) from error
    if len(plain) > most:
        raise too_large(path, most)
    return io.BytesIO(plain)


def check_npz(path: Path) -> None:
    """Refuse a file of NumPy arrays that is damaged, or claims far more than its size.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    Edge2TorchError
        For such a file.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> np.savez("arrays.npz", a=np.zeros(3))
    >>> check_npz(Path("arrays.npz"))
    """
    most = largest(path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except _DAMAGE as error:
        raise Edge2TorchError(f"{path} is damaged: {error}") from error
    if size > most:
        raise too_large(path, most)
