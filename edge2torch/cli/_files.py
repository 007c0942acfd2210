"""Make the folder that results go to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge2torch.errors import Edge2TorchError


def output_folder(path: Path) -> Path:
    """Make the folder that results go to, before any work is done."""
    if path.exists() and not path.is_dir():
        raise Edge2TorchError(f"--out: {str(path)!r} is a file; give a folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise Edge2TorchError(f"--out: cannot write to {str(path)!r}: {error.strerror}.") from error


@contextlib.contextmanager
def folder_of_results(path: Path) -> Iterator[Path]:
    """Make the folder that results go to; where nothing comes of the work, none is left behind."""
    new = not path.exists()
    folder = output_folder(path)
    try:
        yield folder
    except Exception:
        if new:
            with contextlib.suppress(OSError):  # something has been written, and stays
                folder.rmdir()
        raise
