"""What a run has finished, kept in its folder so that a killed one can go on."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._core.files import read_json, write_file
from edge2torch._core.messages import listing
from edge2torch._core.tensor_file import read_tensors, write_tensors
from edge2torch.errors import Edge2TorchError
from edge2torch.study._settings import StudySettings

_FOLDER = ".progress"
_IDENTITY, _TIME = "run.json", "time.json"
_PAUSE = 1.0  # seconds between two checkpoints, so that short epochs stay short


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

    def training(
        self,
        name: str,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> Training:
        """Return a training as far as it got; the global generator is set back, too."""
        file = re.sub(r"[^\w]+", "-", name) + ".safetensors"
        path = None if self.folder is None else self.folder / file
        training = Training(path, model, optimizer, generator, self.note_time)
        if path is not None and path.exists():
            training.restore()
        return training

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
    return {**asdict(settings), **content, **versions}


def open_progress(out: Path, identity: Mapping[str, Any], *, resume: bool) -> Progress:
    """Begin anew in a folder, or go on where the same run stopped."""
    folder = out / _FOLDER
    wanted = json.loads(json.dumps(dict(identity)))
    if resume and (folder / _IDENTITY).is_file():
        found = read_json(folder / _IDENTITY)
        odd = [key for key in wanted if found.get(key) != wanted[key]]
        if odd:
            raise Edge2TorchError(
                f"--resume: {str(out)!r} holds a run that differs in {listing(odd)}. Give the same "
                "options and data, or leave --resume out to begin anew."
            )
        return Progress(folder, _seconds(folder))
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    text = json.dumps(wanted, indent=1)
    write_file(folder / _IDENTITY, lambda draft: draft.write_text(text, encoding="utf-8"))
    return Progress(folder)


def _seconds(folder: Path) -> float:
    """Time noted in a folder; 0 where the run was stopped before there was any to note."""
    path = folder / _TIME
    return float(json.loads(path.read_bytes())["seconds"]) if path.is_file() else 0.0


@dataclass
class Training:
    """One training loop: what it would need to go on, bit for bit."""

    path: Path | None
    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    kept: Callable[[], None]  # called when a checkpoint has been written
    epoch: int = 0
    history: list[float] = field(default_factory=list)
    done: bool = False
    _kept: float = field(default_factory=time.monotonic)

    def keep(self, *, done: bool) -> None:
        """Note that an epoch has ended; write it down, but not more often than once a second."""
        self.epoch += 1
        self.done = done
        if self.path is None or not (done or time.monotonic() - self._kept > _PAUSE):
            return
        state = {"epoch": self.epoch, "history": self.history, "done": done}
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["global"] = torch.get_rng_state()
        write_tensors(self.path, tensors, state)
        self.kept()
        self._kept = time.monotonic()

    def restore(self) -> None:
        """Go to where the checkpoint stands."""
        tensors, state = _read(cast(Path, self.path))
        own = {
            name.removeprefix("model."): value
            for name, value in tensors.items()
            if name.startswith("model.")
        }
        self.model.load_state_dict(own)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["global"])
        self.epoch, self.history, self.done = state["epoch"], state["history"], state["done"]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        return read_tensors(path)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"--resume: {error} Leave --resume out to begin anew.") from error
