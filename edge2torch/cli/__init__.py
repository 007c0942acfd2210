"""The command line; ``edge2torch --help`` lists the commands.

Needs the extra ``cli`` (``pip install "edge2torch[cli]"``).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from edge2torch._core.collector import given_back
from edge2torch._core.messages import require, wording
from edge2torch.cli._wording import as_options, options_of
from edge2torch.errors import Edge2TorchError, MissingDependencyError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line on stderr and exit code 1.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``edge2torch``; the process's own arguments by default. With ``--debug``
        anywhere among them an error comes with its traceback.

    Raises
    ------
    SystemExit
        With code 0, 1 for an error, 2 for a line that cannot be read, 130 when interrupted, 143 and 129 when
        told to end by SIGTERM or SIGHUP, after what was begun has been tidied up.

    Examples
    --------
    >>> from edge2torch.cli import main
    >>> try:
    ...     main(["run", "--edges", "no.csv", "--data", "no.csv", "--label", "y", "--out", "o"])
    ... except SystemExit as end:
    ...     print(end.code)
    1
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    options: Callable[[], set[str]] = set
    try:
        typer = require("typer", extra="cli")
        from edge2torch.cli._app import app

        # once: it builds every command anew, and a report asks for each of its sentences
        options = cache(lambda: options_of(typer.main.get_command(app), given))
        usual = wording.set(lambda text: as_options(text, options()))
        try:
            with _orderly_end(), given_back(to_the_end=arguments is None):
                app([part for part in given if part != "--debug"], prog_name="edge2torch")
        finally:
            wording.reset(usual)
    except Exception as error:
        if debug:
            raise
        print(f"error: {as_options(_words(error), options(), first=True)}", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Leave by SystemExit when told to end, so that programs begun here are ended too."""
    told = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    ours = [one for one in told if one is not None and signal.getsignal(one) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # nobody else may say what a signal does

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once
        raise SystemExit(128 + number)

    for one in ours:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def _words(error: Exception) -> str:
    """One line. What is not ours is a fault of a file, of the machine, or of this library."""
    said = " ".join(str(error).split())
    if isinstance(error, Edge2TorchError | MissingDependencyError):
        return said
    if isinstance(error, MemoryError):
        return "there is not enough memory for this. Give smaller numbers or files; --debug shows where."
    if isinstance(error, OSError):
        return f"{said}. --debug shows where."
    return f"{type(error).__name__}: {said}. This should not happen; --debug shows where it did."
