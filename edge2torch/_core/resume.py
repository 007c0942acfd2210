"""Whether what a folder holds is the same thing that is asked for now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge2torch._core.files import read_json, write_file
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError


def write_identity(path: Path, identity: Mapping[str, Any]) -> None:
    """Note beside what is kept all that has to be the same to go on with it."""
    text = json.dumps(dict(identity), indent=1)
    write_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def check_identity(path: Path, identity: Mapping[str, Any], *, argument: str, advice: str) -> None:
    """Refuse to go on with what was kept under another identity; say in what it differs."""
    found = read_json(path)
    wanted = json.loads(
        json.dumps(dict(identity))
    )  # as a file would give it back: lists, no tuples
    if odd := [key for key, value in wanted.items() if found.get(key) != value]:
        raise Edge2TorchError(
            f"{argument}: {str(path.parent)!r} was written with another {listing(odd)}. {advice}"
        )
