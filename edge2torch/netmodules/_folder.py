"""The folder of a result: Parquet and JSON with a format version, put in place at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from edge2torch._core.files import read_manifest, replace_folder, restore_folder, staging_dir
from edge2torch._core.messages import listing, require
from edge2torch._core.parquet import read_parquet
from edge2torch.compile import CompileArtifact, load_compiled, save_compiled
from edge2torch.errors import Edge2TorchError

# Columns of each table
TABLES: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in (
        ("modules", "gene_id module_id"),
        (
            "edges",
            "source target weight source_feature target_feature source_type target_type",
        ),
        ("traits", "module_id trait kind effect statistic pvalue qvalue n"),
        ("features", "feature_id gene_id feature_type mean sd"),
        ("loadings", "transcript_id gene_id loading"),
        ("module_loadings", "module_id gene_id feature_id loading"),
        ("module_gene_roles", "module_id gene_id switch_r abundance_r channel_r role"),
        ("gene_fate", "gene_id fate module_id"),
        ("checks", "module_id genes reach depth_r leverage sample_id trait warning"),
        ("residualization", "feature_id variance_kept r2_before r2_after"),
    )
}

_FORMAT, _VERSION = "edge2torch-modules", 3
_MANIFEST = "modules.json"
# Tables whose index carries names, and what these are.
_INDEXED = {"eigengenes": "module_id", "feature_scores": "sample_id", "samples": "sample_id"}
_FREE = ("transform",)  # its columns are those of the design
_JSON = ("calibration", "config", "design")
_CHECKPOINT = "vae_checkpoint"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A fitted encoder and decoder; both are compiled graphs with node names.

    Parameters
    ----------
    encoder, decoder : Module
        The encoder takes standardised feature scores (b, features) and returns (b, 2k): means of
        the latents, then what the softplus makes their standard deviations
        of. The decoder takes latents (b, k) and returns standardised scores (b, features).
    encoder_artifact, decoder_artifact : CompileArtifact
        Names of their inputs and outputs. Latents are ``z0``, ``z1``, ...; the encoder's outputs
        are the latents' names followed by ``z0 (spread)``, ...
    """

    encoder: nn.Module
    decoder: nn.Module
    encoder_artifact: CompileArtifact
    decoder_artifact: CompileArtifact


def save_folder(parts: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write under a temporary name beside the folder, then rename."""
    require("pyarrow", extra="modules")
    folder = Path(path)
    # never replace a folder that is not ours
    if folder.exists() and not (folder / _MANIFEST).is_file() and _holds_something(folder):
        raise Edge2TorchError(
            f"path={str(folder)!r} holds something other than modules. Give a new folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with staging_dir(folder.parent) as aside:
        draft = aside / folder.name
        draft.mkdir()
        _fill(draft, parts)
        replace_folder(draft, folder)
    return folder


def _holds_something(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _fill(draft: Path, parts: Mapping[str, Any]) -> None:
    for name in (*TABLES, *_INDEXED, *_FREE):
        table = parts[name]
        if name in _INDEXED:
            table = table.rename_axis(index=_INDEXED[name], columns=None).reset_index()
        table.to_parquet(draft / f"{name}.parquet", index=False)
    if parts["checkpoint"] is not None:
        _save_checkpoint(draft / _CHECKPOINT, parts["checkpoint"])
    index = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "backend": parts["config"]["backend"],
        "tables": sorted((*TABLES, *_INDEXED, *_FREE)),
        "vae_checkpoint": parts["checkpoint"] is not None,
        **{name: dict(parts[name]) for name in _JSON},
    }
    text = json.dumps(index, indent=1, ensure_ascii=False)
    (draft / _MANIFEST).write_text(text, encoding="utf-8")


def load_folder(folder: Path) -> dict[str, Any]:
    """Read all parts back."""
    require("pyarrow", extra="modules")
    restore_folder(folder)
    index = read_manifest(
        folder / _MANIFEST,
        _FORMAT,
        _VERSION,
        writer="NetworkModules.save",
        needed=(*_JSON, "vae_checkpoint"),
        oldest=_VERSION,
    )
    tables = {name: _read_table(folder, name) for name in (*TABLES, *_INDEXED, *_FREE)}
    checkpoint = _load_checkpoint(folder / _CHECKPOINT) if index["vae_checkpoint"] else None
    return {**tables, **{name: index[name] for name in _JSON}, "checkpoint": checkpoint}


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    table = read_parquet(folder / f"{name}.parquet")
    wanted = (_INDEXED[name],) if name in _INDEXED else TABLES.get(name, ())
    if missing := [column for column in wanted if column not in table]:
        raise Edge2TorchError(f"{folder / name}.parquet lacks column(s) {listing(missing)}.")
    return table.set_index(_INDEXED[name]) if name in _INDEXED else table


def _save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    save_compiled(folder / "encoder", checkpoint.encoder, checkpoint.encoder_artifact)
    save_compiled(folder / "decoder", checkpoint.decoder, checkpoint.decoder_artifact)


def _load_checkpoint(folder: Path) -> Checkpoint:
    encoder, encoder_artifact = load_compiled(folder / "encoder")
    decoder, decoder_artifact = load_compiled(folder / "decoder")
    return Checkpoint(encoder.eval(), decoder.eval(), encoder_artifact, decoder_artifact)
