"""Who takes part, and how the driver talks to them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE / ".envs"
_PINNED = (HERE.parent / "requirements/constraints.txt").read_text().splitlines()
TORCH = next(line.split(";")[0].strip() for line in _PINNED if line.startswith("torch=="))


@dataclass(frozen=True)
class Contender:
    """A script for the worker, and where it runs.

    ``requirement`` is what is installed from PyPI into an environment of its own; without one
    the script runs where the driver runs. ``against`` is the contender that ratios are to.
    """

    name: str
    title: str
    script: Path
    requirement: str = ""
    against: str = "ours"

    @property
    def python(self) -> Path:
        """The interpreter that runs the script."""
        if not self.requirement:
            return Path(sys.executable)
        folder = ENVIRONMENTS / self.name
        is_windows = os.name == "nt"
        return folder / ("Scripts/python.exe" if is_windows else "bin/python")

    @property
    def is_installed(self) -> bool:
        """Whether the environment was set up to the end."""
        return not self.requirement or self.stamp.is_file()

    @property
    def stamp(self) -> Path:
        """Written when the environment is complete; holds what it was made for."""
        return ENVIRONMENTS / self.name / ".ready"


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("limit", "limit of the machine", HERE / "own/limit.py"),
        Contender("ours", "edge2torch (ours)", HERE / "own/ours.py"),
        Contender(
            "edge2torch",
            "edge2torch 0.3.0",
            HERE / "peers/edge2torch.py",
            "edge2torch[interpret]==0.3.0",
        ),
        Contender("kpnn2", "kpnn2 0.3.0", HERE / "peers/kpnn2.py", "kpnn2==0.3.0"),
        Contender("dense", "torch, masked dense", HERE / "own/dense.py"),
        Contender("linear", "torch, nn.Linear", HERE / "own/linear.py"),
        Contender("ours_like_binn", "ours with BatchNorm, tanh", HERE / "own/ours_like_binn.py"),
        Contender(
            "binn",
            "binn 0.1.1",
            HERE / "peers/binn.py",
            "binn==0.1.1",
            against="ours_like_binn",
        ),
    )
}
PEERS = tuple(name for name, contender in CONTENDERS.items() if contender.requirement)


class GaveUpError(Exception):
    """A contender that takes no further part, and why."""


class Worker:
    """One contender's process. Leaving the ``with`` block ends it."""

    def __init__(self, contender: Contender, *, threads: int, gigabytes: float, limit: float):
        self.contender, self.limit = contender, limit
        if not contender.is_installed:
            raise GaveUpError("not installed: python benchmarks/setup_peers.py")
        environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(  # noqa: S603 - a script of ours
            [contender.python, "-I", HERE / "worker.py", contender.script, str(gigabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            env=environment,
        )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, do: str, *, limit: float | None = None, **request: object) -> dict[str, Any]:
        """Send one request and wait for its reply; a worker that does not give one is ended."""
        line = json.dumps({"do": do, **request}).encode() + b"\n"
        try:
            self.process.stdin.write(line)  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):  # a broken pipe, or one that end() has closed
            raise GaveUpError("its process has ended") from None
        limit = self.limit if limit is None else limit
        if not self.selector.select(limit):
            self.end()
            raise GaveUpError(f"{do}: not finished in {limit:g} s")
        reply = self.process.stdout.readline()  # type: ignore[union-attr]
        if not reply:
            self.end()
            raise GaveUpError(f"{do}: its process died (out of memory?)")
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise GaveUpError(f"{do}: {answer['error']}")
        return answer

    def end(self) -> None:
        """End the process, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
