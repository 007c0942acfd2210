"""The folder of a result: Parquet and JSON with a format version, put in place at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pandas as pd

from edge2torch.errors import Edge2TorchError, listing, require
from edge2torch.netmodules._checkpoint import load_checkpoint, save_checkpoint
from edge2torch.netmodules._result import TABLES, NetworkModules

_FORMAT, _VERSION = "edge2torch-modules", 1
_MANIFEST = "modules.json"
_INDEXED = {"eigengenes": "module_id", "feature_scores": "sample_id", "samples": "sample_id"}
_FREE = ("transform",)
_JSON = ("calibration", "config", "design")
_CHECKPOINT = "vae_checkpoint"


def save_modules(result: NetworkModules, path: str | os.PathLike[str]) -> Path:
    """Write under a temporary name beside the folder, then rename."""
    require("pyarrow", extra="modules")
    folder = Path(path)
    if folder.exists() and not (folder / _MANIFEST).is_file() and _holds_something(folder):
        raise Edge2TorchError(
            f"path={str(folder)!r} holds something else than modules. Give a new folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _fill(draft, result)
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _holds_something(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _fill(draft: Path, result: NetworkModules) -> None:
    draft.chmod(0o755)  # mkdtemp's is closed to others
    for name in (*TABLES, *_INDEXED, *_FREE):
        table = getattr(result, name)
        if name in _INDEXED:
            table = table.rename_axis(index=_INDEXED[name], columns=None).reset_index()
        table.to_parquet(draft / f"{name}.parquet", index=False)
    if result.checkpoint is not None:
        save_checkpoint(draft / _CHECKPOINT, result.checkpoint)
    index = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "backend": result.backend,
        "tables": sorted((*TABLES, *_INDEXED, *_FREE)),
        "vae_checkpoint": result.checkpoint is not None,
        **{name: dict(getattr(result, name)) for name in _JSON},
    }
    text = json.dumps(index, indent=1, ensure_ascii=False)
    (draft / _MANIFEST).write_text(text, encoding="utf-8")


def _swap(draft: Path, folder: Path) -> None:
    """Put the draft where the folder is; what was there goes when its place is taken."""
    if folder.exists():
        old = Path(mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        folder.replace(old / "old")
        draft.replace(folder)
        shutil.rmtree(old)
    else:
        draft.replace(folder)


def load_modules(path: str | os.PathLike[str]) -> NetworkModules:
    """Read a result that :meth:`NetworkModules.save` wrote.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    NetworkModules

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, or written by a newer version.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="baseline", quiet=True)
    >>> load_modules(found.save("modules")).modules.equals(found.modules)
    True
    """
    require("pyarrow", extra="modules")
    folder = Path(path)
    index = _read_manifest(folder)
    tables = {name: _read_table(folder, name) for name in (*TABLES, *_INDEXED, *_FREE)}
    checkpoint = load_checkpoint(folder / _CHECKPOINT) if index["vae_checkpoint"] else None
    return NetworkModules(**tables, **{name: index[name] for name in _JSON}, checkpoint=checkpoint)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise Edge2TorchError(
            f"path={str(folder)!r} is no folder of modules: {_MANIFEST} cannot be read "
            f"({error.strerror}). Give the folder that NetworkModules.save wrote."
        ) from error
    except ValueError as error:
        raise Edge2TorchError(f"{folder / _MANIFEST} is damaged: {error}") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise Edge2TorchError(f"{folder / _MANIFEST} is not one of {_FORMAT}.")
    if index.get("format_version") != _VERSION:
        raise Edge2TorchError(
            f"{folder / _MANIFEST} has format version {index.get('format_version')!r}; this "
            f"edge2torch reads {_VERSION}. Update edge2torch, or fit again."
        )
    if missing := [name for name in (*_JSON, "vae_checkpoint") if name not in index]:
        raise Edge2TorchError(f"{folder / _MANIFEST} is damaged: it lacks {listing(missing)}.")
    return index


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(folder / f"{name}.parquet")
    except (OSError, ValueError) as error:
        raise Edge2TorchError(f"{folder / name}.parquet cannot be read: {error}") from error
    wanted = (_INDEXED[name],) if name in _INDEXED else TABLES.get(name, ())
    if missing := [column for column in wanted if column not in table]:
        raise Edge2TorchError(f"{folder / name}.parquet lacks column(s) {listing(missing)}.")
    return table.set_index(_INDEXED[name]) if name in _INDEXED else table
