"""This library, as a user calls it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from torch import Tensor, nn

import edge2torch as e2t

VERSION = e2t.__version__


def build(edges: pd.DataFrame, case: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    options: dict[str, Any] = {"quiet": True}
    if case.get("rehearsal"):  # numba and its code are no part of a model's memory
        options["engine"] = "graph"
    if case["steps"]:
        options |= {"backend": "recurrent", "steps": case["steps"]}
    model, artifact = e2t.compile_graph(edges, **options)
    model.artifact = artifact  # a user holds on to it, so its memory counts
    return model, artifact.feature_names, artifact.output_names, _kernels(artifact.kernels)


def way(model: nn.Module, x: Tensor) -> str:
    """Say what computes a batch x (b, i): "" where it goes by the layers' own kernels."""
    whole = getattr(model, "_whole", None)
    return "one pass" if whole is not None and whole.ready(model, x, like=x) else ""


def _kernels(table: pd.DataFrame) -> str:
    counts = Counter(table["kernel"]) if "kernel" in table else {}
    return ", ".join(f"{count} {kernel}" for kernel, count in counts.items())


def keep(folder: Path, model: nn.Module) -> dict[str, float]:
    """Seconds to save and to load, and the size on disk."""
    path = folder / "model"
    start = perf_counter()
    e2t.save_compiled(path, model, model.artifact)
    saved = perf_counter()
    e2t.load_compiled(path)
    loaded = perf_counter()
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {"save_s": saved - start, "load_s": loaded - saved, "disk_mb": size / 2**20}
