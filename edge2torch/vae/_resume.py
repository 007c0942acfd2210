"""Whose fit a folder holds, and who may write to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge2torch._core.resume import check_identity, write_identity

_IDENTITY = "fit.json"


def is_rank_zero() -> bool:
    """Whether this is the first of several processes that train together, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def check_resume(home: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
    """Note what a folder's fit is of; refuse to go on with another one."""
    if not resume:
        if is_rank_zero():
            for name in ("best.ckpt", "last.ckpt"):  # of an older fit
                (home / name).unlink(missing_ok=True)
            write_identity(home / _IDENTITY, identity)
        return
    check_identity(
        home / _IDENTITY, identity, argument="folder",
        advice="Resume with the same model, data and settings (max_epochs and patience may change), or "
        "choose a new folder.",
    )  # fmt: skip
