"""The command line: ``edge2torch demo``, ``edge2torch run`` and ``edge2torch prior``.

Needs the extra ``cli`` (``pip install "edge2torch[cli]"``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge2torch.errors import Edge2TorchError, require

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 1.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``edge2torch``; the process's own arguments by default.

    Raises
    ------
    SystemExit
        With code 0, 1 for an error that we raise, 2 for a wrong option, 130 when interrupted.

    Examples
    --------
    >>> from edge2torch.cli import main
    >>> try:
    ...     main(["run", "--edges", "no.csv", "--data", "no.csv", "--label", "y", "--out", "o"])
    ... except SystemExit as end:
    ...     print(end.code)
    1
    """
    try:
        require("typer", extra="cli")
        from edge2torch.cli._app import app

        app(list(sys.argv[1:] if arguments is None else arguments))
    except Edge2TorchError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
