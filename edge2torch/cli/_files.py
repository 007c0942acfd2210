"""Make the folder that results go to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge2torch._core.files import output_folder


@contextlib.contextmanager
def folder_of_results(path: Path) -> Iterator[Path]:
    """Make the folder that results go to; where nothing comes of the work, none is left behind."""
    new = not path.exists()
    folder = output_folder(path, "--out")
    try:
        yield folder
    except Exception:
        if new:
            with contextlib.suppress(OSError):  # something has been written, and stays
                folder.rmdir()
        raise
