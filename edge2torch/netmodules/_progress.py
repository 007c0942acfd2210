"""A bar for what takes more than a few seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from edge2torch._core.messages import require


def track(steps: range, name: str, *, quiet: bool) -> Iterator[int]:
    """Count steps on a bar, on a terminal only: in a log file it would be noise."""
    tqdm = require("tqdm", extra="modules").tqdm
    disable = True if quiet else None
    yield from tqdm(steps, desc=f"  {name}", leave=False, disable=disable, file=sys.stderr)
