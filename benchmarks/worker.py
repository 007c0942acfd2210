"""Build, time and weigh the models of one contender, in that contender's own environment.

Started by the driver as ``python -I benchmarks/worker.py SCRIPT MEMORY_LIMIT``. Requests come as
JSON lines on stdin, replies leave as JSON lines. SCRIPT defines ``build(edges, case)``, which
returns ``(model, input names, output names, note)``; everything that is timed is here, so that
all contenders are timed by the same lines. Needs torch, numpy and pandas, nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

WARM_UP_SECONDS = 0.2  # a step slower than this is its own warm-up
COMPILE_SECONDS = 30.0  # of a first step at most, of which some may have gone into compiling
MEGABYTE = 2**20
PHASES = ("forward", "forward_backward", "step")


class Session:
    """One contender on one case."""

    def __init__(self, contender: ModuleType) -> None:
        self.contender, self.clock = contender, time.perf_counter

    def load(self, table: str, case: dict[str, Any]) -> dict[str, Any]:
        """Read the edge table; nothing is timed yet."""
        with np.load(table) as arrays:
            names = [str(name) for name in arrays["names"]]
            self.edges = pd.DataFrame(
                {side: [names[k] for k in arrays[side].tolist()] for side in ("source", "target")}
            )
        self.case = case
        self.features = sorted(set(self.edges["source"]) - set(self.edges["target"]))
        return {"version": getattr(self.contender, "VERSION", "")}

    def compile(self) -> dict[str, Any]:
        """Edge table to model, once."""
        self.model = self.optimizer = None
        gc.collect()
        torch.manual_seed(0)
        wall, cpu = time.perf_counter(), time.process_time()
        self.model, self.inputs, self.outputs, note = self.contender.build(self.edges, self.case)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        parameters = sum(p.numel() for p in self.model.parameters())
        return {"seconds": wall, "cpu_seconds": cpu, "parameters": parameters, "note": note}

    def probe(self) -> dict[str, Any]:
        """Outputs by name when all weights are equal and all biases 0: same graph, same values."""
        x = torch.linspace(0.5, 1.5, 2 * len(self.features)).reshape(2, -1)
        before = {key: value.clone() for key, value in self.model.state_dict().items()}
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.fill_(0.0 if name.endswith("bias") else 0.05)
            y = self.model(x[:, self._columns()])
        self.model.load_state_dict(before)
        order = np.argsort(np.array(self.outputs))
        return {"values": y[:, torch.from_numpy(order)].double().flatten().tolist()}

    def prepare(self, batch: int, threads: int) -> dict[str, Any]:
        """Draw the data, take one or two steps, and say how long the last one took."""
        torch.set_num_threads(threads)
        # one thread's own time says the same beside other work; that of several does not
        self.clock = time.process_time if threads == 1 else time.perf_counter
        self._data(batch)
        self.optimizer = _adam(self.model)
        seconds = 0.0
        for k in range(3):
            seconds = sum(self._step())
            # the first may have compiled what later ones run: once more, unless that takes too long
            if seconds > (WARM_UP_SECONDS if k else COMPILE_SECONDS):
                break
        way = self.contender.way(self.model, self.x) if hasattr(self.contender, "way") else ""
        return {"seconds": seconds} | ({"way": way} if way else {})

    def turn(self, inner: int) -> dict[str, Any]:
        """Mean seconds until the end of forward, of backward and of the optimizer's step."""
        gc.collect()
        gc.disable()
        if inner > 1:
            self._step()  # what ran between two turns has emptied the caches
        times = np.cumsum(np.mean([self._step() for _ in range(inner)], axis=0))
        gc.enable()
        return dict(zip(PHASES, times.tolist(), strict=True))

    def memory(self, batch: int, threads: int) -> dict[str, Any]:
        """Peak memory over the state before compile; the first thing a fresh process is asked."""
        torch.set_num_threads(threads)
        self._rehearse()
        self._data(batch, columns=False)
        before = _resident()
        _reset_peak()
        self.compile()
        self.x = self.x[:, self._columns()] if self.inputs != self.features else self.x
        compiled = _peak() - before
        _settle()
        _reset_peak()
        self.optimizer = _adam(self.model)
        self._step()
        self._step()
        return {"compile_mb": compiled / MEGABYTE, "step_mb": (_peak() - before) / MEGABYTE}

    def keep(self) -> dict[str, Any]:
        """Save the model and load it again, where the contender can."""
        with tempfile.TemporaryDirectory() as folder:
            return dict(self.contender.keep(Path(folder), self.model))

    def _data(self, batch: int, *, columns: bool = True) -> None:
        """The same numbers for every contender, in the order of the features' names."""
        rng = np.random.default_rng(batch)
        x = torch.from_numpy(rng.standard_normal((batch, len(self.features)), dtype=np.float32))
        self.x = x[:, self._columns()] if columns and self.inputs != self.features else x
        self.target: float | torch.Tensor = 1.0

    def _columns(self) -> torch.Tensor:
        position = {name: k for k, name in enumerate(self.features)}
        return torch.tensor([position[str(name)] for name in self.inputs])

    def _step(self) -> tuple[float, float, float]:
        """Seconds of forward, backward and optimizer."""
        self.optimizer.zero_grad(set_to_none=True)
        start = self.clock()
        y = self.model(self.x)
        forward = self.clock()
        (y - self.target).square().mean().backward()
        backward = self.clock()
        self.optimizer.step()
        return forward - start, backward - forward, self.clock() - backward

    def _rehearse(self) -> None:
        """Do everything once on three edges, so that lazy imports are not counted as memory."""
        edges, case, features = self.edges, self.case, self.features
        self.edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"]})
        self.features, self.case = ["a", "b"], {**case, "rehearsal": True}
        self.compile()
        self._data(8)
        self.optimizer = _adam(self.model)
        self._step()
        self.edges, self.case, self.features = edges, case, features
        self.model = self.optimizer = None
        _settle()


def _adam(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)


def _settle() -> None:
    """Hand freed memory back to the system, so that it is not counted again."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(field)


def _resident() -> int:
    return _status("VmRSS:") if Path("/proc/self/status").exists() else _peak()


def _reset_peak() -> None:
    """Let the kernel's own high-water mark start from here; elsewhere it starts at birth."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """High-water mark of resident memory. Not ru_maxrss on Linux: a child inherits that."""
    if Path("/proc/self/status").exists():
        return _status("VmHWM:")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _limit_memory(gigabytes: float) -> None:
    """Allocations beyond the limit fail, so that a row says so instead of the machine swapping."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30),) * 2)


def _script(path: str) -> ModuleType:
    """Load a contender under a name of its own: the script is called like the library it uses."""
    spec = importlib.util.spec_from_file_location(f"contender_{Path(path).stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    script, gigabytes = sys.argv[1], float(sys.argv[2])
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to stderr; replies keep the channel to themselves
    warnings.simplefilter("ignore")
    _limit_memory(gigabytes)
    contender = _script(script)
    session = getattr(contender, "Session", Session)(contender)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(session, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001 - whatever a contender raises becomes its row
            reply = {"error": _say(error, gigabytes)}
        channel.write(json.dumps(reply) + "\n")
        channel.flush()


def _say(error: Exception, gigabytes: float) -> str:
    """One line; memory that ran out in the words of none of the many who can say so."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "allocate memory" in text or "bad_alloc" in text:
        return f"more than {gigabytes:g} GB of memory"
    return f"{type(error).__name__}: {text[:160]}"


if __name__ == "__main__":
    main()
