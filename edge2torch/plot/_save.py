"""Write a picture so that a reader never finds half of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge2torch._core.files import write_file
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.plot._style import missing_glyphs_allowed

_SUFFIXES = (".svg", ".png", ".pdf")


def check_path(path: str | Path) -> Path:
    """Return a path whose suffix and folder can be written to."""
    checked = Path(path)
    if checked.suffix.lower() not in _SUFFIXES:
        raise Edge2TorchError(
            f"path={str(path)!r}: pictures are written as {listing(_SUFFIXES)}, by the suffix."
        )
    if not checked.parent.is_dir():
        raise Edge2TorchError(f"path={str(path)!r}: the folder {str(checked.parent)!r} is missing.")
    return checked


def save_axes(axes: Any, path: Path) -> None:
    """Write the figure of some axes, the same bytes for the same picture."""
    matplotlib = require("matplotlib", extra="plot")
    kind = path.suffix.lower()[1:]
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    how = {"format": kind, "dpi": 150, "metadata": date, "facecolor": "white"}
    with matplotlib.rc_context({"svg.hashsalt": "edge2torch"}), missing_glyphs_allowed():
        write_file(path, lambda draft: axes.figure.savefig(draft, **how))


def save_digraph(dot: Any, path: Path) -> None:
    """Write a graphviz graph, laid out by ``dot``."""
    content = dot.pipe(format=path.suffix.lower()[1:])
    write_file(path, lambda draft: draft.write_bytes(content))
