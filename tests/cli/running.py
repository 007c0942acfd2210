"""``edge2torch run`` called as a user would, in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from edge2torch.cli._app import app

QUICK = ["--seeds", "1", "--epochs", "30", "--input-dropout", "0.1", "--learning-rate", "0.01"]
QUICK += ["--replicates", "1", "--controls", "2"]


def run(folder: Path, *options: str, data: str = "cells.csv", label: str = "kind"):
    """Call the command as a user would."""
    paths = ["--edges", str(folder / "edges.csv"), "--data", str(folder / data)]
    out = ["--label", label, "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["run", *paths, *out, *QUICK, *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout
