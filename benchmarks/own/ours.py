"""This library, as a user calls it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import edge2torch as e2t
from edge2torch.compile import backend_names
from edge2torch.nn import MaskedLinear, choose_kernel, draw_weights

VERSION = e2t.__version__


class StateUpdate(nn.Module):
    """Stands in for the recurrent backend until it is there: one MaskedLinear, applied again."""

    def __init__(self, edges: pd.DataFrame, steps: int) -> None:
        super().__init__()
        names, codes = np.unique(edges[["source", "target"]].to_numpy(), return_inverse=True)
        columns, rows = codes.reshape(-1, 2).T
        order = np.lexsort((columns, rows))
        columns, rows, n = columns[order], rows[order], len(names)
        self.steps, self.width = steps, n
        is_input, is_output = np.ones((2, n), bool)
        is_input[rows], is_output[columns] = False, False
        self.inputs, self.outputs = names[is_input].tolist(), names[is_output].tolist()
        self.register_buffer("input_index", torch.from_numpy(np.flatnonzero(is_input)))
        self.register_buffer("output_index", torch.from_numpy(np.flatnonzero(is_output)))
        choice = choose_kernel(len(rows), n, n)
        self.core = MaskedLinear(rows, columns, (n, n), choice=choice)
        scale = 1 / np.sqrt(np.bincount(rows, minlength=n)[rows])
        free = np.zeros(len(rows), np.int8)
        given = np.full(len(rows), np.nan)
        self.core.set_weights(draw_weights(scale, free, given, clear_of_zero=True))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.t().contiguous()
        state = rows.new_zeros(self.width, len(x)).index_copy(0, self.input_index, rows)
        for _ in range(self.steps):
            state = self.core(state.t()).t().index_copy(0, self.input_index, rows)
        return state.index_select(0, self.output_index).t()


def build(edges: pd.DataFrame, case: dict[str, Any]) -> tuple[nn.Module, list[str], list[str], str]:
    options: dict[str, Any] = {"quiet": True}
    if case["steps"]:
        if "recurrent" not in backend_names():
            update = StateUpdate(edges, case["steps"])
            return update, update.inputs, update.outputs, "MaskedLinear applied again each step"
        options |= {"backend": "recurrent", "steps": case["steps"]}
    model, artifact = e2t.compile_graph(edges, **options)
    model.artifact = artifact  # a user holds on to it, so its memory counts
    return model, artifact.feature_names, artifact.output_names, _kernels(artifact.kernels)


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
