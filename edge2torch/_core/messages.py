"""What a user is told: culprits in a line, notes, warnings, and what is not installed."""

from __future__ import annotations

import importlib
import re
import sys
import time
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, cast

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning, MissingDependencyError

# How notes are worded: the command line writes options where the library speaks of arguments.
wording: ContextVar[Callable[[str], str]] = ContextVar("wording", default=str)

_SHOWN_WIDTH = 60
_SLOW = 1.0  # seconds of compilation that are worth a line
_TO_PANDAS = {  # of polars, Arrow and others; of polars' lazy frames; of Spark; of Dask
    "to_pandas": ".to_pandas()",
    "collect": ".collect().to_pandas()",
    "toPandas": ".toPandas()",
    "compute": ".compute()",
}
_INNER = ("edge2torch", "torch")  # no line of these is the one that a user wrote


def listing(names: Iterable[object], limit: int = 5) -> str:
    """Format culprits for an error message: the first few, and how many more."""
    items = list(names)
    shown = [_show(name) for name in items[:limit]]
    more = len(items) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _show(name: object) -> str:
    if isinstance(name, tuple) and len(name) == 2:
        return f"{_show(name[0])} -> {_show(name[1])}"
    if getattr(getattr(name, "dtype", None), "kind", "?") in "Ubif" and not getattr(
        name, "ndim", 1
    ):
        name = cast(Any, name).item()  # 'a', not np.str_('a')
    text = repr(name)
    return text if len(text) <= _SHOWN_WIDTH else f"{text[: _SHOWN_WIDTH - 4]}...{text[-1]}"


def kind_of(given: object) -> str:
    """Name the kind of what was given, and how to get at what we take, where its class has a way."""
    kind = type(given)
    if isinstance(parts := getattr(given, "mod", None), Mapping) and parts:  # MuData
        return f"{kind.__name__} (an AnnData is its .mod[{next(iter(parts))!r}])"
    way = next((way for name, way in _TO_PANDAS.items() if callable(getattr(kind, name, None))), "")
    if not way:
        return kind.__name__
    return f"{kind.__module__.partition('.')[0]} {kind.__name__} (call its {way} first)"


def note(message: str, *, quiet: bool) -> None:
    """Print a one-line note to the user, unless they asked for quiet."""
    if not quiet:
        print(f"[edge2torch] Note: {wording.get()(message)}")


def aside(message: str) -> None:
    """Print a one-line note beside the output, for what happens once in a process."""
    print(f"[edge2torch] Note: {message}", file=sys.stderr)


CALLED: set[Hashable] = set()  # what was compiled in this process, by whatever tells it apart


def say_if_slow(kind: Hashable, call: Callable[[], None], name: str) -> None:
    """Call something for the first time, and say so if that took long: it was compiled."""
    start = time.process_time()
    call()
    CALLED.add(kind)
    if (taken := time.process_time() - start) > _SLOW:
        aside(
            f"{name} was compiled in {taken:.1f} s. Later processes read it from a cache, where one "
            "can be written."
        )


@contextmanager
def called(argument: str, other: str) -> Iterator[None]:
    """Let errors that begin with an argument name what stands for it: another, or a WORD.

    Several may be named, as ``"path|counts"``.
    """
    try:
        yield
    except Edge2TorchError as error:
        start = f"{other}: " if other.isupper() else rf"{other}\1"
        text = re.sub(rf"^(?:{argument})([=: ])", start, str(error))
        raise Edge2TorchError(text) from error


def warn(message: str) -> None:
    """Give an :class:`Edge2TorchWarning` that points at the user's own line."""
    frame, level = sys._getframe().f_back, 2
    while frame is not None and frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _INNER:
            break
        frame, level = frame.f_back, level + 1
    warnings.warn(message, Edge2TorchWarning, stacklevel=level)


def require(module: str, *, extra: str | None = None) -> ModuleType:
    """Import an optional or slow-to-load package at the moment it is needed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there; something that it needs is not
        wanted = f"edge2torch[{extra}]" if extra else package
        raise MissingDependencyError(
            f'{package} is not installed. Install it with: pip install "{wanted}"'
        ) from error


def plural(word: str, count: int | None = None) -> str:
    """Return ``"1,234 cells"``, or ``"cells"`` without a count."""
    form = word if count == 1 else word + ("es" if word.endswith(("s", "x")) else "s")
    return form if count is None else f"{count:,} {form}"
