"""Spoiled files, one after another: ``python -m tests.reliability.fuzz TARGET COUNT [SEED]``."""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.reliability.guard import outcome
from tests.reliability.mutations import spoil
from tests.reliability.rows import Row
from tests.reliability.targets import TARGETS, Files, Target, lay_out

ROOM = 400 << 20  # bytes beyond what the process has when it starts; no input is over 1 MB
HUNG = 300  # seconds after which a process is given up: C code hears no signal, a pause is shorter
FINE = ("read", "refused")


def spoiled(target: Target, seed: int) -> Files:
    """Return the target's files, one or two of them spoiled."""
    rng = random.Random(f"{target.name} {seed}")
    files = dict(target.files())
    for _ in range(rng.choice([1, 1, 1, 2])):
        victim = rng.choice(sorted(files))
        files[victim] = spoil(files[victim], rng)
        if target.respoil is not None:
            target.respoil(files, victim, rng)
    return files


def attempt(target: Target, seed: int, home: Path) -> str:
    """Return what one spoiled input ended in."""
    folder = home / "input"
    lay_out(spoiled(target, seed), folder)
    return outcome(lambda: target.read(folder), home)


def run(
    target: Target, count: int, seed: int = 0, *, watchdog: bool = False
) -> collections.Counter[str]:
    """Count what spoiled inputs end in, in this process."""
    import matplotlib.pyplot  # noqa: F401, ICN001 - it makes a folder of its own when first loaded

    found: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        before, tempfile.tempdir = tempfile.tempdir, place
        try:
            lay_out(target.files(), Path(place) / "input")
            with contextlib.suppress(SystemExit):  # of a command; it imports what takes time
                target.read(Path(place) / "input")
            valid = outcome(lambda: target.read(Path(place) / "input"), Path(place))
            if valid != "read":  # else all would be refused for that
                raise AssertionError(f"{target.name}: what is valid is {valid}")
            for k in range(seed, seed + count):
                if watchdog:
                    faulthandler.dump_traceback_later(HUNG, exit=True)
                found[attempt(target, k, Path(place))] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
            tempfile.tempdir = before
    return found


def main(name: str, count: int, seed: int) -> None:
    """Run in a process of its own, with little memory; print one line of JSON."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    target = next(one for one in TARGETS if one.name == name)
    run(target, 3, seed)
    have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (have + ROOM, have + ROOM))
    found = run(target, count, seed, watchdog=True)
    print(json.dumps(found))


def rows(count: int = 10_000) -> Iterator[Row]:
    """Run every target in a process of its own; a process that dies is a row too."""
    for target in TARGETS:
        command = [
            sys.executable,
            "-m",
            "tests.reliability.fuzz",
            target.name,
            str(round(count * target.share)),
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["killed"]
            hung = [line for line in said if line.startswith("  File")]
            last = f"hung in{hung[0][6:]}" if "Timeout (" in done.stderr and hung else said[-1]
            yield Row("hostile files", target.name, f"died: {last}", held=False)
            continue
        yield _row(target, json.loads(done.stdout.splitlines()[-1]))


def _row(target: Target, found: dict[str, Any]) -> Row:
    bad = {what: n for what, n in found.items() if what not in FINE}
    figure = f"{sum(found.values()):,} inputs: {found.get('read', 0):,} read, {found.get('refused', 0):,} refused"
    if bad:
        worst = max(bad, key=lambda what: bad[what])
        figure += f", {sum(bad.values()):,} otherwise, such as {worst}"
    return Row("hostile files", target.name, figure, held=not bad)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
