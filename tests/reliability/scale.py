"""Memory and time of a large graph, step by step, in a process of its own.

``python -m tests.reliability.scale EDGES [BACKEND]`` prints one line of JSON. Peaks are the
process's resident memory, which also counts what torch allocates.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import edge2torch as e2t
from tests.reliability.rows import Row

LAYERS = 6
PER_NODE = 20  # edges into each node
BATCH = 64
SAMPLES = 16  # that are attributed
BACKENDS = {"feedforward": {}, "recurrent": {"steps": 3}, "gnn": {"steps": 3, "channels": 3}}
KIND = {"compile": "edge", "save": "edge", "load": "edge", "train step": "activation",
        "attribution": "activation"}  # fmt: skip


def layered(n_edges: int) -> pd.DataFrame:
    """Return edges from layer to layer; the last layer is a tenth as wide."""
    rng = np.random.default_rng(0)
    width = round(n_edges / PER_NODE / (LAYERS - 0.9))
    sizes = [width] * LAYERS + [max(width // 10, 1)]
    source, target = [], []
    for k in range(LAYERS):
        into = np.repeat(np.arange(sizes[k + 1]), PER_NODE)
        first = rng.integers(0, width, sizes[k + 1])[:, None]
        from_ = (
            first + np.arange(PER_NODE) * 7
        ) % width  # distinct, 7 and width mostly share no factor
        source.append(np.char.add(f"n{k}_", from_.ravel().astype(str)))
        target.append(np.char.add(f"n{k + 1}_", into.astype(str)))
    return pd.DataFrame({"source": np.concatenate(source), "target": np.concatenate(target)})


_LIBC = ctypes.CDLL(None)


class Meter:
    """Measure time, and how far resident memory rises above what it was."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        gc.collect()
        _LIBC.malloc_trim(0)  # what is free goes back to the system, so that use anew is seen
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before, began = _status("VmRSS"), time.perf_counter()
        result = call()
        seconds, peak = time.perf_counter() - began, _status("VmHWM")
        self.found[name] = {"seconds": round(seconds, 2), "bytes": max(peak - before, 0)}
        return result


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def main(n_edges: int, backend: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    small = layered(2_000)
    _all_steps(small, backend, Meter())  # imports and caches are not the graph's
    meter = Meter()
    edges = layered(n_edges)
    n_activations = _all_steps(edges, backend, meter)
    return {"edges": len(edges), "activations": n_activations, **meter.found}


def _all_steps(edges: pd.DataFrame, backend: str, meter: Meter) -> int:
    options: dict[str, Any] = dict(BACKENDS[backend])
    torch.manual_seed(0)
    base, artifact = meter(
        "compile", lambda: e2t.compile_graph(edges, backend=backend, quiet=True, **options)
    )
    model = e2t.customize_model(base, node_activation="tanh", artifact=artifact)
    x = torch.randn(BATCH, len(artifact.feature_names))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    _step(model, optimizer, x[:1])  # what a step keeps is there
    meter("train step", lambda: _step(model, optimizer, x))
    method = "LayerConductance" if backend != "gnn" else "LayerActivation"
    frame = pd.DataFrame(x[:SAMPLES].numpy(), columns=artifact.feature_names)
    meter(
        "attribution",
        lambda: e2t.interpret_model(
            model,
            artifact,
            frame,
            target="nodes",
            method=method,
            output=artifact.output_names[0],
            quiet=True,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        meter("save", lambda: e2t.save_compiled(folder, base, artifact))
        meter("load", lambda: e2t.load_compiled(folder))
    return len(artifact.graph.node_names) * BATCH


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


def measure(n_edges: int, backend: str) -> dict[str, Any]:
    """Measure in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.reliability.scale"]
    done = subprocess.run(
        [*command, str(n_edges), backend], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["killed"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def per_unit(found: dict[str, Any], step: str) -> float:
    """Return bytes per edge, or per activation (nodes × samples) in the step."""
    if KIND[step] == "edge":
        return found[step]["bytes"] / found["edges"]
    samples = BATCH if step == "train step" else SAMPLES
    return found[step]["bytes"] / (found["activations"] * samples / BATCH)


def rows(n_edges: int = 1_000_000) -> Iterator[Row]:
    for backend in BACKENDS:
        try:
            found = measure(n_edges, backend)
        except RuntimeError as error:
            yield Row("memory", f"{backend}, {n_edges:,} edges", str(error)[:200], held=False)
            continue
        parts = [
            f"{step} {found[step]['seconds']:.1f} s, {per_unit(found, step):,.0f} B/{KIND[step]}"
            for step in KIND
        ]
        subject = f"{backend}, {found['edges']:,} edges"
        yield Row("memory", subject, "; ".join(parts), held=True)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "feedforward")))
