"""What all pictures share: colours that a colour-blind reader can tell apart, axes, and files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.files import path_of, write_file
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError

POSITIVE, NEGATIVE, NEUTRAL = "#b2182b", "#2166ac", "#9a9a9a"  # the ends of ColorBrewer's RdBu
_DIVERGING = "RdBu_r"
ROW = 0.2  # inches, of a row of text


def plain(label: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics."""
    return label.replace("$", r"\$")


def points_across(axes: Any) -> float:
    """Width of axes, in the unit of font sizes."""
    return float(axes.get_position().width * axes.figure.get_figwidth() * 72)


def limit_of(values: NDArray[np.float64]) -> float:
    """Largest magnitude, the symmetric end of a colour scale; 1 where all is zero."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def colours(values: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Red for positive, blue for negative, white for zero; RGBA, one row per value."""
    scale = require("matplotlib", extra="plot").colormaps[_DIVERGING]
    # The ends of the map are too dark for black text on them.
    rgba: NDArray[np.float64] = scale(0.5 + 0.42 * np.clip(values / limit, -1, 1))
    return rgba


def diverging_map() -> str:
    """Name of the diverging colour map."""
    return _DIVERGING


def text_colour(rgba: Iterable[float]) -> str:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = list(rgba)[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def new_axes(width: float, height: float, ax: Any | None) -> Any:
    """Return the caller's axes, or new ones on a figure of this size in inches."""
    if ax is not None:
        return ax
    _, made = require("matplotlib.pyplot", extra="plot").subplots(
        figsize=(width, height), layout="constrained"
    )
    return made


@contextmanager
def missing_glyphs_allowed() -> Iterator[None]:
    """Draw names with emoji and the like; the font shows a box for what it does not have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        yield


def tidy(axes: Any, font: float = 9.0) -> None:
    """Take away the frame's upper and right side, and put what is drawn before the grid."""
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=font)
    axes.spines[["top", "right"]].set_visible(False)


def legend_below(axes: Any, columns: int, **options: Any) -> None:
    """Put a legend below the axes, where it covers nothing."""
    below = -0.5 / (axes.get_window_extent().height / axes.figure.dpi)  # half an inch
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, below), "ncols": columns}
    axes.legend(**place, fontsize=8, frameon=False, **options)


_SUFFIXES = (".svg", ".png", ".pdf")


def check_path(path: str | Path, *more: str) -> Path:
    """Return a path whose suffix and folder can be written to."""
    checked = path_of(path)
    if checked.suffix.lower() not in (*_SUFFIXES, *more):
        raise Edge2TorchError(
            f"path={str(path)!r}: pictures are written as {listing((*_SUFFIXES, *more))}, by the suffix."
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
