"""What a run has finished, kept in its folder so that a killed one can go on."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.files import write_file
from edge2torch._core.resume import check_identity, write_identity
from edge2torch.study._settings import StudySettings

_FOLDER = ".progress"
_IDENTITY, _TIME = "run.json", "time.json"


@dataclass(frozen=True)
class Progress:
    """Checkpoints of the trainings of one run; none are kept without a folder."""

    folder: Path | None = None
    before: float = 0.0  # seconds that were spent until it was stopped, when it goes on
    _begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time spent on the run, before it was stopped and since it goes on."""
        return self.before + time.monotonic() - self._begun

    def note_time(self) -> None:
        """Write down the time spent, for when the run is stopped."""
        if self.folder is not None:
            text = json.dumps({"seconds": self.seconds})
            write_file(self.folder / _TIME, lambda draft: draft.write_text(text, encoding="utf-8"))

    def file(self, name: str) -> Path | None:
        """Return where the training of a name keeps its checkpoint."""
        file = re.sub(r"[^\w]+", "-", name) + ".safetensors"
        return None if self.folder is None else self.folder / file

    def end(self) -> None:
        """Forget the checkpoints: the run is complete."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def identity_of(settings: StudySettings, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return all that has to be the same for a run to go on: options, data, versions."""
    content = {}
    for name, table in tables.items():
        digest = hashlib.sha256(json.dumps(list(map(str, table.columns))).encode())
        digest.update(pd.util.hash_pandas_object(table).to_numpy().tobytes())
        content[name] = digest.hexdigest()
    versions = {f"version of {name}": version(name) for name in ("edge2torch", "torch")}
    # a default that is written out is the same option
    settled = {
        "learning_rate": settings.learning_rate_of(),
        "node_dropout": settings.node_dropout_of(),
    }
    return {**asdict(settings), **settled, **content, **versions}


def open_progress(out: Path, identity: Mapping[str, Any], *, resume: bool) -> Progress:
    """Begin anew in a folder, or go on where the same run stopped."""
    folder = out / _FOLDER
    if resume and (folder / _IDENTITY).is_file():
        check_identity(
            folder / _IDENTITY, identity, argument="resume",
            advice="Give the same options and data, or do not resume, to begin anew.",
        )  # fmt: skip
        return Progress(folder, _seconds(folder))
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    write_identity(folder / _IDENTITY, identity)
    return Progress(folder)


def _seconds(folder: Path) -> float:
    """Time noted in a folder; 0 where the run was stopped before there was any to note."""
    path = folder / _TIME
    return float(json.loads(path.read_bytes())["seconds"]) if path.is_file() else 0.0
