"""How much memory is free, as far as the system tells."""

from __future__ import annotations

import math
import re
from pathlib import Path

_TOLD = Path("/proc/meminfo")  # Linux


def free_memory() -> float:
    """Return bytes that could be taken now; infinity where the system does not say."""
    found = re.search(r"MemAvailable:\s+(\d+)", _TOLD.read_text()) if _TOLD.exists() else None
    return math.inf if found is None else 1024.0 * int(found.group(1))
