"""The long forms of all tests of this folder, as one table: ``make reliability``.

Each part has a function ``rows``; a part may be named: ``python -m tests.reliability values``.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import warnings
from collections.abc import Iterator

import torch

from tests.reliability.rows import Row, table

PARTS = ("kills", "fuzz", "values", "gradients", "determinism", "processes", "scale")


def rows(parts: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows of all parts; a part that breaks is a row."""
    for part in parts:
        yield from _rows_of(part)


def _rows_of(part: str) -> Iterator[Row]:
    try:
        yield from importlib.import_module(f"tests.reliability.{part}").rows()
    except Exception as error:  # noqa: BLE001 - what breaks is told, and the rest goes on
        words = " ".join(str(error).split())[:200]
        yield Row(part, "the whole part", f"{type(error).__name__}: {words}", held=False)


def main(parts: tuple[str, ...]) -> None:
    """Print the table, row by row; fail if a promise was not kept."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    began, missed = time.monotonic(), 0

    def counted() -> Iterator[Row]:
        nonlocal missed
        for row in rows(parts):
            missed += not row.held
            yield row

    for line in table(counted()):
        print(line, flush=True)
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes; {missed} row(s) not held.")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
