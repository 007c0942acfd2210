"""Whose fit a folder holds, and who may write to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge2torch._core.files import read_json, write_file
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

_IDENTITY = "fit.json"


def leads() -> bool:
    """Whether this is the first of several processes that train together, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def know_again(home: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
    """Note what a folder's fit is of; refuse to go on with another one."""
    note = home / _IDENTITY
    text = json.dumps(identity, indent=1)
    if not resume:
        if leads():
            for name in ("best.ckpt", "last.ckpt"):  # of an older fit
                (home / name).unlink(missing_ok=True)
            write_file(note, lambda draft: draft.write_text(text, encoding="utf-8"))
        return
    found = read_json(note)
    if odd := [key for key, value in json.loads(text).items() if found.get(key) != value]:
        raise Edge2TorchError(
            f"folder={str(home)!r} holds a fit that differs in {listing(odd)}. Resume with the same "
            "model, data and settings (max_epochs and patience may change), or choose a new folder."
        )
