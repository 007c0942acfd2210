"""Files that are whole or absent, and folders that one process at a time writes to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from edge2torch.errors import Edge2TorchError

__all__ = ["claim", "write_file"]

_DRAFT = ".draft-"
_LOCK = ".lock"


def write_file(path: str | os.PathLike[str], fill: Callable[[Path], object]) -> Path:
    """Fill a draft beside a path, flush it to disk, then put it in place at once.

    Whenever the process is killed, the path holds what it held before or all of the new content.

    Parameters
    ----------
    path : path
        What to write; its folder has to be there.
    fill : callable
        Writes to the path it is given, which has the same name.

    Returns
    -------
    Path

    Examples
    --------
    >>> from pathlib import Path
    >>> write_file("note.txt", lambda draft: draft.write_text("whole")).read_text()
    'whole'
    """
    final = Path(path)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=_DRAFT) as folder:
        draft = Path(folder) / final.name
        fill(draft)
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(final)
    return final


@contextmanager
def claim(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Keep every other process out of a folder while this one writes to it.

    The claim ends with the process, however that ends. Drafts that a killed process left behind
    are removed.

    Parameters
    ----------
    folder : path
        Made if it is not there.

    Yields
    ------
    Path

    Raises
    ------
    Edge2TorchError
        While another process has the folder, and where it cannot be made.

    Examples
    --------
    >>> with claim("results") as folder:
    ...     folder.name
    'results'
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise Edge2TorchError(
            f"{str(place)!r} is being written to by another process. Wait until that has ended, or "
            "give another folder."
        ) from None
    except OSError as error:
        raise Edge2TorchError(f"cannot write to {str(place)!r}: {error.strerror}.") from error
    try:
        for left in place.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield place
    finally:
        lock.release()
