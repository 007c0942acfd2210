"""The script for a GPU, as far as a CPU can tell."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import gpu
from benchmarks.gpu_checks import (
    _BACKENDS,
    Check,
    attribution,
    backend_model,
    relative,
    run_check,
)

CPU = torch.device("cpu")
# what a GPU machine need not have; networkx comes with torch
OPTIONAL = [
    *("captum", "anndata", "sklearn", "matplotlib", "pyarrow", "igraph", "leidenalg"),
    *("graphviz", "typer", "lightning", "numba", "h5py", "yaml", "tqdm", "rich", "pytest"),
]
WITHOUT = f"""
import sys
sys.modules |= dict.fromkeys({OPTIONAL})  # None: cannot be imported
from benchmarks.gpu import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_runs_on_a_cpu_with_no_package_but_the_named_ones(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    given = ["--device", "cpu", "--quick", "--seconds", "600", "--cases", "d1", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, given)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    states = {(one["group"] == "attribution", one["state"]) for one in found["outcomes"]}
    assert states == {(False, "passed"), (True, "skipped")}
    rows = {row["contender"]: row for row in found["rows"]}
    assert set(rows) == {*gpu.OURS, *gpu.KINDS}
    assert all(row["ms"] > 0 and "note" not in row for row in rows.values())
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "skipped: attribution, IntegratedGradients: captum is not here" in page


class Event:
    def __init__(self, **_):
        self.at = 0.0

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, last):
        return 1e3 * (last.at - self.at) + 1e-6


@pytest.fixture
def a_card(monkeypatch):
    """torch.cuda as it would answer, computing on the CPU."""
    stream = SimpleNamespace(wait_stream=lambda _: None)
    card = SimpleNamespace(name="Pretended card", multi_processor_count=8, total_memory=2**35)
    for name, value in {
        "is_available": lambda: True,
        "synchronize": lambda: None,
        "Event": Event,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda _: nullcontext(),
        "graph": lambda _: nullcontext(),
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
        "make_graphed_callables": lambda model, _: model,
        "reset_peak_memory_stats": lambda: None,
        "memory_allocated": lambda: 0,
        "max_memory_allocated": lambda: 3 * 2**20,
        "mem_get_info": lambda: (2**35, 2**36),
        "empty_cache": lambda: None,
        "get_device_properties": lambda _: card,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(gpu.Device, "is_cuda", True, raising=False)
    monkeypatch.setattr(
        gpu.Device, "__init__", lambda self, _: setattr(self, "device", torch.device("cpu"))
    )
    monkeypatch.setattr(gpu.Device, "_rates", lambda _: {"copy_gb_s": 2.0})


def run(tmp_path, *options):
    status = gpu.main(
        ["--only", "times", "--cases", "d1", "--seconds", "60", "--out", str(tmp_path), *options]
    )
    return status, json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))


def test_everything_that_only_a_card_does(a_card, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "launches", lambda *_: None)
    status, found = run(tmp_path, "--batches", "8", "16")
    assert status == 0
    rows = {(row["batch"], row["contender"]): row for row in found["rows"]}
    assert set(rows) == {(b, n) for b in (8, 16) for n in (*gpu.OURS, gpu.CALLABLE, *gpu.KINDS)}
    row = rows[16, "ours"]
    assert row["peak_mb"] == 3.0
    assert row["graph_ms"] > 0
    # 1,000 edges and 200 inputs, both ways, 16 samples of 4 bytes, 2 GB in a second
    assert row["floor_ms"] == pytest.approx(4 * 16 * 2400 / 2e9 * 1e3)
    assert rows[16, gpu.CALLABLE]["ms"] > 0
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "| d1 | 16 |" in page


def test_what_fails_is_a_line_and_ends_nothing(a_card, tmp_path, monkeypatch) -> None:
    def refuse(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    def too_large(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    monkeypatch.setattr(gpu.KINDS["gathered"], "forward", too_large)
    status, found = run(tmp_path, "--batches", "8")
    assert status == 0
    rows = {row["contender"]: row for row in found["rows"]}
    assert rows["gathered"]["note"] == "out of memory"
    assert "not permitted" in rows[gpu.CALLABLE]["note"]
    assert rows["masked"]["ms"] > 0


def test_a_contender_that_would_take_all_the_time_is_skipped() -> None:
    bench = SimpleNamespace(took={"slow": (64, 500.0)})
    assert gpu.Bench._too_slow(bench, "slow", 1024, 10.0) == "skipped: a step takes about 8.0 s"
    assert gpu.Bench._too_slow(bench, "slow", 64, 10.0) is None
    assert gpu.Bench._too_slow(bench, "new", 1024, 10.0) is None


def test_a_check_says_what_is_wrong() -> None:
    right = torch.tensor([3.0, 4.0])

    def checked(found):
        return run_check(Check("g", "n", lambda _: [("y", found, right, 1e-3)]), CPU)

    assert checked(right + 1e-4).state == "passed"
    assert checked(right * 1.01).state == "failed"
    assert checked(right * torch.nan).state == "failed"
    assert checked(right[:1]).state == "failed"
    broken = run_check(Check("g", "n", lambda _: [1 / 0]), CPU)
    assert (broken.state, broken.note[:17]) == ("failed", "ZeroDivisionError")
    assert run_check(Check("g", "n", lambda _: [], "no_such_package"), CPU).state == "skipped"
    assert relative(right, 2 * right) == pytest.approx(0.5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["LayerConductance", "EdgeConductance", "Occlusion"])
def test_attribution_is_checked_where_captum_is(name: str) -> None:
    check = next(one for one in attribution() if one.name == name)
    outcome = run_check(check, CPU)
    assert (outcome.state, outcome.error) == ("passed", 0.0)


def test_a_slow_step_is_taken_once(monkeypatch) -> None:
    bench = gpu.Bench(gpu.CASES["d1"], gpu.Device("cpu"), None)
    slow = []

    def step_of(model, _):
        step = lambda: None  # noqa: E731
        slow.extend([step] * (model is bench.models["masked"]))
        return step

    monkeypatch.setattr(gpu, "step_of", step_of)
    monkeypatch.setattr(
        bench.device, "milliseconds", lambda step, _=1: 1e5 if step in slow else 9.0
    )
    rows = {row["contender"]: row for row in bench.rows(8, 60.0)}
    assert (rows["masked"]["rounds"], rows["masked"]["note"]) == (1, "one step after a first")
    assert (rows["masked"]["ms"], rows["ours"]["ms"]) == (1e5, 9.0)
    assert rows["ours"]["rounds"] >= 3


def test_the_process_ends_itself_with_what_it_has(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from benchmarks.gpu import Report, stop_later
stop_later(Report(pathlib.Path({str(tmp_path)!r}), {{"device": "slow"}}), 0.2)
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 3
    assert json.loads((tmp_path / "gpu.json").read_text())["notes"] == ["stopped after 0 s"]


class Asked(TorchDispatchMode):
    """Which operators a step calls that have to look at values: no CUDA graph can hold these."""

    SEES = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.found |= {name} if any(name.startswith(one) for one in self.SEES) else set()
        return func(*args, **(kwargs or {}))


BACKENDS = [
    pytest.param(name, {"kernel": kernel, **options}, id=f"{name}, {kernel}, {options}")
    for name, options in _BACKENDS
    for kernel in ("sparse", "dense")
]


@pytest.mark.filterwarnings("ignore:Within steps")
@pytest.mark.parametrize(("backend", "options"), BACKENDS)
def test_nothing_stays_behind_and_no_step_looks_at_values(backend, options) -> None:
    """A tensor that is left on the CPU would meet one of the meta device, and torch refuses that."""
    model = backend_model(backend, options)
    x = torch.randn(8, len(model.artifact.feature_names), dtype=torch.float64)
    with Asked() as asked:
        gpu.step_of(model, [x])()
    # a search for a steady state has to know when it is over
    assert bool(asked.found) == (options.get("steps") == "converge")
    there, x = model.to("meta"), x.to("meta").requires_grad_()
    there(x).sum().backward()
    assert {t.grad.device.type for t in (x, *there.parameters())} == {"meta"}
