"""Files that are whole or absent, and folders that one process at a time writes to."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

__all__ = [
    "folder_of_results",
    "lock_folder",
    "output_folder",
    "path_of",
    "read_json",
    "read_manifest",
    "replace_folder",
    "restore_folder",
    "staging_dir",
    "write_file",
]

_ADDRESS = re.compile(
    r"[A-Za-z][\w+.-]+:/"
)  # of pathlib, too, which makes one slash of two; C:/ is a drive
_DRAFT = ".draft-"
_LOCK = ".lock"


def path_of(given: Any, argument: str = "path", wanted: str = "a path") -> Path:
    """Return the path that was given, ``~`` as the user's home, and refuse by name what is none.

    That is a table, a number, nothing; and the address of another machine, of which a folder would be made here.
    """
    if not isinstance(given, str | os.PathLike):
        raise Edge2TorchError(f"{argument} must be {wanted}, found {type(given).__name__}.")
    if not os.fspath(given):  # Path("") is the current folder, which nobody means by it
        raise Edge2TorchError(f"{argument} must be {wanted}, found an empty text.")
    if _ADDRESS.match(str(given)):
        raise Edge2TorchError(
            f"{argument} must be {wanted}, found the address {str(given)!r}: files are read and written on "
            "this machine alone. Give a path of its own, and copy from there or to there."
        )
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise Edge2TorchError(
            f"{argument}: whose home {str(given)!r} means is not known on this machine. Write the path out."
        ) from error


def write_file(path: str | os.PathLike[str], fill: Callable[[Path], object]) -> Path:
    """Fill a draft beside a path, flush it to disk, then put it in place at once.

    Whenever the process is killed, the path holds what it held before or all of the new content.
    """
    final = Path(path)
    with staging_dir(final.parent) as folder:
        draft = folder / final.name
        fill(draft)
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(final)
    return final


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON file that holds an object."""
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise Edge2TorchError(f"{os.fspath(path)} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise Edge2TorchError(f"{os.fspath(path)} is damaged: {error}.") from error
    if not isinstance(found, dict):
        raise Edge2TorchError(f"{os.fspath(path)} is damaged: it holds no object.")
    return found


def read_manifest(
    path: Path, form: str, version: int, *, writer: str, needed: Collection[str], oldest: int = 1
) -> dict[str, Any]:
    """Read the JSON that says what a folder holds, of the formats ``oldest`` to ``version``."""
    if not path.is_file():
        raise Edge2TorchError(
            f"path={str(path.parent)!r} is not a folder that {writer} wrote: it has no {path.name}."
        )
    index = read_json(path)
    if index.get("format") != form:
        raise Edge2TorchError(f"{path} was not written by {writer}.")
    found = index.get("format_version")
    if not isinstance(found, int) or not oldest <= found <= version:
        is_old = isinstance(found, int) and found < oldest
        advice = "Make it anew" if is_old else "Upgrade with pip install --upgrade edge2torch"
        reads = f"up to {version}" if oldest == 1 else f"{oldest} to {version}"
        raise Edge2TorchError(
            f"{path} has format version {found!r}; this edge2torch reads {reads}. {advice}."
        )
    if missing := sorted(set(needed) - set(index)):
        raise Edge2TorchError(f"{path} is damaged: it lacks {listing(missing)}.")
    return index


@contextmanager
def staging_dir(place: Path) -> Iterator[Path]:
    """Make a folder in which something is written before it is put in its place.

    It goes at the end. One that a killed process left is removed by the next draft in the same
    place; those of processes at work are known by a lock, and stay.
    """
    for left in place.glob(f"{_DRAFT}*"):
        _remove_if_left(left)
    folder, held = _own_draft(place)
    try:
        yield folder
    finally:
        if held is not None:
            held.release()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(draft: Path) -> None:
    """Remove a draft whose lock nobody holds; one without a lock is just being made."""
    if not (draft / _LOCK).is_file():
        return
    with suppress(Timeout, OSError, NotImplementedError):
        FileLock(draft / _LOCK).acquire(timeout=0).lock.release()
        shutil.rmtree(draft, ignore_errors=True)


def _own_draft(place: Path) -> tuple[Path, FileLock | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=place))
        held = FileLock(folder / _LOCK)
        try:
            held.acquire(timeout=0)
        except (Timeout, FileNotFoundError):
            continue  # another process took it for one that was left
        except (OSError, NotImplementedError):
            return folder, None  # a file system without locks: if it is left, it stays
        if (folder / _LOCK).is_file():
            return folder, held
        held.release()


@contextmanager
def lock_folder(folder: str | os.PathLike[str], *, beside: bool = False) -> Iterator[Path]:
    """Keep every other process out of a folder while this one writes to it.

    The claim ends with the process, however that ends. Drafts that a killed process left behind
    are removed.
    """
    place = path_of(folder, "folder")
    name = Path(os.path.abspath(place))  # noqa: PTH100 - "." has none
    lock = name.with_name(f".{name.name}{_LOCK}") if beside else place / _LOCK
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock)
        held.acquire(timeout=0)
    except Timeout:
        raise Edge2TorchError(
            f"{str(place)!r} is being written to by another process. Wait until that has ended, or "
            "give another folder."
        ) from None
    except OSError as error:
        raise Edge2TorchError(f"cannot write to {str(place)!r}: {error.strerror}.") from error
    try:
        for left in () if beside else place.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield place
    finally:
        held.release()


def replace_folder(draft: Path, folder: Path) -> None:
    """Put a filled folder where another is, or where none is yet.

    A process that is killed between the two renames leaves the old one aside, where
    :func:`restore_folder` finds it.
    """
    aside = _aside(folder)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.replace(aside)
    draft.replace(folder)
    shutil.rmtree(aside, ignore_errors=True)


def restore_folder(folder: Path) -> None:
    """Put back what a killed process had taken aside, if there is nothing in its place."""
    aside = _aside(folder)
    if aside.is_dir() and not folder.exists():
        aside.replace(folder)


def _aside(folder: Path) -> Path:
    place = Path(os.path.abspath(folder))  # noqa: PTH100 - "." has no name, a link is not followed
    return place.with_name(f".{place.name}.old")


def output_folder(path: Path, argument: str) -> Path:
    """Make the folder that results go to, before any work is done."""
    path = path_of(path, argument)
    if path.exists() and not path.is_dir():
        raise Edge2TorchError(f"{argument}: {str(path)!r} is a file; give a folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise Edge2TorchError(
            f"{argument}: cannot write to {str(path)!r}: {error.strerror}."
        ) from error


@contextmanager
def folder_of_results(path: Path, argument: str) -> Iterator[Path]:
    """Make the folder that results go to; where nothing comes of the work, none is left behind."""
    path = path_of(path, argument)
    new = not path.exists()
    folder = output_folder(path, argument)
    try:
        yield folder
    except Exception:
        if new:
            with suppress(OSError):  # something has been written, and stays
                if [file.name for file in folder.iterdir()] == [_LOCK]:
                    (folder / _LOCK).unlink()
                folder.rmdir()
        raise
