"""Files of an explanation, and the manifest that lists them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge2torch._core.files import path_of, read_manifest, write_file
from edge2torch._core.messages import require
from edge2torch._core.tables import write_table
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._config import ExplainConfig
from edge2torch.explain._result import ExplainResult

MANIFEST = "module_explanation_manifest.json"
_FORMAT, _VERSION = "edge2torch-module-explanation", 1
# What no q-value of an explanation can say; see docs/explain.md.
CAVEAT = (
    "q-values take a module as given. The fit put its genes together because they correlate in its "
    "samples, so in these each follows the others, chance or not: whether a module holds, samples "
    "tell that were kept aside."
)
OF_NEW = (
    "Samples that the fit has not seen: q-values say whether a module's genes follow each other there, "
    "where nothing put them together."
)
_OPTIONAL = ("vae_drivers", "ig_attributions", "structure")


def write_explanation(
    results: Mapping[str, ExplainResult],
    output_dir: str | os.PathLike[str],
    config: ExplainConfig,
    caveat: str = CAVEAT,
) -> Path:
    """Write the tables of every module into a folder of its own, then the manifest."""
    folder = _folder(output_dir)
    if config.table_format == "parquet":
        require("pyarrow", extra="modules")
    files = []
    for name, found in results.items():
        (folder / name).mkdir(exist_ok=True)
        for kind, table in found.tables().items():
            path = folder / name / f"{kind}.{config.table_format}"
            plain = table.copy()
            plain.attrs = {}  # pandas would write them into Parquet; they stand in the manifest
            write_table(path, plain)
            files.append(path)
    return _write_manifest(
        folder,
        {
            "format": _FORMAT,
            "format_version": _VERSION,
            "caveat": caveat,
            "config": dataclasses.asdict(config),
            "module_ids": list(results),
            "files": [path.relative_to(folder).as_posix() for path in files],
            "available": {
                part: bool(results)
                and all(getattr(found, part) is not None for found in results.values())
                for part in _OPTIONAL
            },
            "ig_completeness_gap": {
                name: found.ig_attributions.attrs["completeness_gap"]
                for name, found in results.items()
                if found.ig_attributions is not None
            },
        },
    )


def record_files(output_dir: str | os.PathLike[str], files: Iterable[Path]) -> Path:
    """Add files within it, such as figures, to the manifest of a folder that ``explain_module`` wrote; return that."""
    folder = path_of(output_dir, "output_dir")
    if not (folder / MANIFEST).is_file():
        raise Edge2TorchError(
            f"output_dir={str(output_dir)!r} does not hold {MANIFEST}. Write tables first, with "
            "explain_module(..., output_dir=)."
        )
    index = read_manifest(
        folder / MANIFEST, _FORMAT, _VERSION, writer="explain_module", needed=("files",)
    )
    added = [Path(path).resolve().relative_to(folder.resolve()).as_posix() for path in files]
    index["files"] = sorted({*index["files"], *added})
    return _write_manifest(folder, index)


def _write_manifest(folder: Path, index: dict[str, Any]) -> Path:
    text = json.dumps(index, indent=1, ensure_ascii=False)
    path = folder / MANIFEST
    write_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))
    return path


def _folder(output_dir: str | os.PathLike[str]) -> Path:
    folder = path_of(output_dir, "output_dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Edge2TorchError(
            f"output_dir={str(output_dir)!r} cannot be made: {error.strerror}."
        ) from error
    return folder
