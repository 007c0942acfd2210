"""Tensors and a few plain values in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from edge2torch._core.files import write_file
from edge2torch.errors import Edge2TorchError

_HEADER = "json"


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> Path:
    """Write tensors by name and a header into one safetensors file, whole or not at all."""
    metadata = {_HEADER: json.dumps(dict(header))}
    own = unshare_memory(tensors)
    return write_file(path, lambda draft: save_file(own, draft, metadata=metadata))


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read back what :func:`write_tensors` wrote. No code of the file is run."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        raise Edge2TorchError(
            f"{os.fspath(path)!r} is damaged or missing ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(header, dict):
        raise Edge2TorchError(f"{os.fspath(path)!r} is damaged: its header is no object.")
    return tensors, header


def unshare_memory(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that share no memory, which safetensors refuses; modules may be shared."""
    seen: set[int] = set()
    found = {}
    for name, value in state.items():
        own = value.detach().contiguous()
        place = own.untyped_storage().data_ptr()
        found[name] = own.clone() if place in seen else own
        seen.add(place)
    return found
