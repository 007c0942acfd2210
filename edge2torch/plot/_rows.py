"""Axes with a name before each row: wide enough for the names, or names short enough for the axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edge2torch.errors import Edge2TorchError
from edge2torch.plot._layout import text_width
from edge2torch.plot._names import short_labels
from edge2torch.plot._style import new_axes, plain, tidy

_FONT, _SMALL_FONT = 9.0, 7.0  # points
_NARROW = 300.0  # points: below, as in one column of a journal, the text is small
_SHARE = 0.5  # of the width, at most for names
_FEWEST = 8  # characters; narrower axes have to do with these
_LEAST, _MOST = 1.5, 40.0  # inches


def row_axes(
    names: Iterable[object],
    label_width: int,
    *,
    beside: float,
    height: float,
    width: float | None,
    ax: Any | None,
) -> tuple[Any, list[str], float]:
    """Return axes, labels for their rows and a font size in points.

    A new figure gets room for the names and ``beside``, in inches, for what stands beside them. On
    axes of the caller, or where a ``width`` is asked for, names are cut until they leave half of it.
    """
    names = list(names)
    if width is not None and not _LEAST <= width <= _MOST:
        raise Edge2TorchError(
            f"width is that of the figure in inches, from {_LEAST:g} to {_MOST:g}; found {width!r}."
        )
    if ax is None and width is None:
        labels = short_labels(names, label_width)
        return new_axes(beside + _widest(labels, _FONT) / 72, height, None), _plain(labels), _FONT
    room = 72 * (cell_width(ax) if width is None or ax is not None else width)
    font = _FONT if room >= _NARROW else _SMALL_FONT
    labels = fitting_labels(names, label_width, lambda found: _widest(found, font) <= room * _SHARE)
    return new_axes(width or 0.0, height, ax), _plain(labels), font


def finish_rows(axes: Any, labels: list[str], font: float) -> None:
    """Name the rows, the first on top, and put a light grid behind what they hold."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # from high to low: the first row is the top one
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    tidy(axes, font)
    axes.spines["left"].set_visible(False)


def row_title(axes: Any, title: str, font: float) -> None:
    """Above the rows; where these are narrow, from the right edge to the left, above the names."""
    side = "left" if font == _FONT else "right"
    axes.set_title(plain(title), loc=side, fontsize=font + 2)


def fitting_labels(
    names: Iterable[object], label_width: int, fits: Callable[[list[str]], bool]
) -> list[str]:
    """Cut names until they fit, but not below what can be read."""
    names = list(names)
    low, high = min(_FEWEST, label_width), label_width
    while low < high:  # the largest width that fits
        middle = (low + high + 1) // 2
        if fits(short_labels(names, middle)):
            low = middle
        else:
            high = middle - 1
    return short_labels(names, low)


def cell_width(ax: Any) -> float:
    """Inches that axes of the caller have in their figure, their labels included."""
    spec, across = ax.get_subplotspec(), float(ax.figure.get_figwidth())
    if spec is None:
        return across * float(ax.get_position().width)
    return across * len(spec.colspan) / int(spec.get_gridspec().ncols)


def _widest(labels: list[str], font: float) -> float:
    return max((text_width(label, font) for label in labels), default=0.0)


def _plain(labels: list[str]) -> list[str]:
    return [plain(label) for label in labels]
