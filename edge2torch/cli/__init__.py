"""The command line; ``edge2torch --help`` lists the commands.

Needs the extra ``cli`` (``pip install "edge2torch[cli]"``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge2torch.errors import Edge2TorchError, require

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
        With code 0, 1 for an error, 2 for a wrong option, 130 when interrupted.

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
    try:
        require("typer", extra="cli")
        from edge2torch.cli._app import app

        app([part for part in given if part != "--debug"], prog_name="edge2torch")
    except Exception as error:
        if debug:
            raise
        print(f"error: {_words(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _words(error: Exception) -> str:
    """One line. What is not ours is a fault of a file, of the machine, or of this library."""
    said = " ".join(str(error).split())
    if isinstance(error, Edge2TorchError):
        return said
    if isinstance(error, OSError):
        return f"{said}. --debug shows where."
    return f"{type(error).__name__}: {said}. This should not happen; --debug shows where it did."
