"""How much memory is free, as far as the system and the group of the process tell."""

from __future__ import annotations

import math
import re
from pathlib import Path

_TOLD = Path("/proc/meminfo")  # Linux
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_BY_VERSION = (  # limit, what is taken, and what of it is files that can be dropped
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> float:
    """Return bytes that could be taken now; infinity where the system does not say.

    A container or a job of a cluster may have less than the machine.
    """
    found = re.search(r"MemAvailable:\s+(\d+)", _text(_TOLD))
    return min(math.inf if found is None else 1024.0 * int(found.group(1)), _left_to_group())


def _left_to_group() -> float:
    own = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in _text(_OWN_GROUP).splitlines()}
    left = math.inf
    for controller, limit, taken, droppable in _BY_VERSION:
        root = _GROUPS / controller
        path = own.get(controller, "").lstrip("/")
        for folder in {root, root / path}:  # inside a container its own group may be the root
            most, used = _text(folder / limit).strip(), _text(folder / taken).strip()
            if most.isdigit() and used.isdigit():
                files = re.search(
                    rf"^{droppable} (\d+)", _text(folder / "memory.stat"), re.MULTILINE
                )
                spare = 0 if files is None else int(files.group(1))
                left = min(left, max(float(int(most) - int(used) + spare), 0.0))
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # another system, or not to be read: nothing is told
        return ""
