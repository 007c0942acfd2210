"""Tensors and the JSON that describes them, as a folder that is saved at one moment."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from edge2torch._core.files import path_of, read_manifest, write_file
from edge2torch._core.tensor_file import unshare_memory
from edge2torch.errors import Edge2TorchError

_WEIGHTS = "weights-*.safetensors"
_WEIGHTS_NAME = re.compile(r"weights-[0-9a-f]{32}\.safetensors")


@dataclass(frozen=True)
class StateFolder:
    """One kind of folder: an index in JSON, which names the weights it belongs to and their hash.

    The weights are written first under a new name; renaming the index into place is the one
    moment at which a save happens, so a killed process leaves the old save or the new one.
    """

    index: str
    format: str
    version: int
    writer: str
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def write(
        self, path: str | os.PathLike[str], tensors: Mapping[str, Tensor], content: dict[str, Any]
    ) -> Path:
        """Write tensors and the rest of the index; an earlier save is replaced as a whole."""
        folder = path_of(path)
        if folder.exists() and not folder.is_dir():
            raise Edge2TorchError(f"path={str(folder)!r} is a file. Give a folder.")
        folder.mkdir(parents=True, exist_ok=True)
        weights = dump_tensors(
            {name: value.cpu() for name, value in unshare_memory(tensors).items()}
        )
        name = f"weights-{uuid4().hex}.safetensors"
        index = {
            "format": self.format,
            "format_version": self.version,
            "weights": name,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            **content,
        }
        text = json.dumps(index, allow_nan=False)
        write_file(folder / name, lambda draft: draft.write_bytes(weights))
        write_file(folder / self.index, lambda draft: draft.write_text(text, encoding="utf-8"))
        for stale in set(folder.glob(_WEIGHTS)) - {folder / name}:
            stale.unlink(missing_ok=True)
        return folder

    def read(self, path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the content of the index and the tensors, on the CPU. No code is run."""
        folder = path_of(path)
        index = read_manifest(
            folder / self.index,
            self.format,
            self.version,
            writer=self.writer,
            needed=("weights", "weights_sha256", *self.needed),
        )
        tensors = _read_weights(folder, str(index["weights"]), index["weights_sha256"])
        return {name: index.get(name) for name in (*self.needed, *self.optional)}, tensors


def _read_weights(folder: Path, name: str, expected: Any) -> dict[str, Tensor]:
    path = folder / name
    if not _WEIGHTS_NAME.fullmatch(name) or not path.is_file():
        raise Edge2TorchError(f"{folder} is damaged: the weights file {name!r} is missing.")
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise Edge2TorchError(f"{path} is damaged or truncated: its hash does not match.")
        return dict(load_tensors(content))
    except OSError as error:
        raise Edge2TorchError(f"{path} cannot be read ({error.strerror}).") from error
    except SafetensorError as error:
        raise Edge2TorchError(f"{path} is damaged: {error}") from error
