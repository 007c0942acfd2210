"""Which optional packages are here."""

from __future__ import annotations

import importlib.metadata
import re


def extras() -> dict[str, str]:
    """For every extra, ``ready`` or what to install."""
    provided = importlib.metadata.metadata("edge2torch").get_all("Provides-Extra", [])
    needed: dict[str, list[str]] = {str(extra): [] for extra in provided}
    for line in importlib.metadata.requires("edge2torch") or []:
        requirement, _, marker = line.partition(";")
        extra = marker.partition("extra ==")[2].strip().strip("'\"")
        name = re.split(r"[<>=!~[ ]", requirement.strip(), maxsplit=1)[0]
        if extra in needed and name != "edge2torch" and not _is_here(name):
            needed[extra].append(name)
    return {
        extra: f"lacks {', '.join(absent)}; pip install 'edge2torch[{extra}]'"
        if absent
        else "ready"
        for extra, absent in needed.items()
        if extra not in ("all", "dev")
    }


def _is_here(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
