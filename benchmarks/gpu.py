"""On a GPU: is it right, how long does a step take, beside what plain PyTorch offers.

    PYTHONPATH=. python benchmarks/gpu.py [--out folder]      # at most eight minutes
    PYTHONPATH=. python benchmarks/gpu.py --device cpu --quick  # does the script itself work?

Needs torch >= 2.11, numpy, pandas, scipy, safetensors and this repository; with Captum and AnnData
attribution is checked too, and without them the report says that it was not. Writes ``gpu.json``
and ``gpu.md`` after every step, so that a run that is cut short leaves what it had measured.

First everything is held against float64 on the CPU (``gpu_checks.py``). Then the time of forward
and backward to all parameters, and the peak of memory that a step adds, of each contender:

ours              in one pass, ``engine="graph"`` (by steps, where the graph has cycles)
ours, by layer    ``engine="layers"``
ours, dense       ``engine="layers", kernel="dense"``
ours, callable    in one pass, in ``torch.cuda.make_graphed_callables``
masked            dense matrices and masks
csr               ``torch.sparse`` CSR
gathered          a row per edge, multiplied and added up (index_add)

The last three are written in ``plain.py``. Contenders take turns, another one first in each round;
a figure is the median of at least three rounds, by CUDA events. Inputs rotate, and every
contender has the same weights and has to give our output. After that each one's whole step is
captured as a CUDA graph and replayed: what its kernels take without their launches. ``floor`` is
the time of reading a row of the batch per edge, forward and backward, and of the input, at the
speed of a copy; rows that stay in the cache are read faster.

Cases f and g are random graphs with the levels of the real ones, unless ``--data`` has these.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import edge2torch as e2t
from benchmarks.cases import CASES, Case
from benchmarks.gpu_checks import Outcome, checks, relative, run_check
from benchmarks.measure import digits, rotated
from benchmarks.plain import KINDS, Graph, cells, graph_of, plain_network

CASE_NAMES = ("f", "e", "b", "a", "c", "g")
BATCHES = (64, 1024, 8192)
OURS: dict[str, dict[str, str]] = {
    "ours": {"engine": "graph"},
    "ours, by layer": {"engine": "layers"},
    "ours, dense": {"engine": "layers", "kernel": "dense"},
}
CALLABLE = "ours, callable"
BEST_OF = ("masked", "csr", "gathered")
_INPUTS = 3  # batches that take turns: a step finds its input out of the cache more often
_ROUNDS, _FEWEST = 21, 3
_TURN_MS = 5.0
_GRACE = 30.0  # seconds beyond what was given, after which the process ends itself
_CHECKS_SHARE = 0.3  # of the time, at most
_AGREES_TO = 1e-3

Row = dict[str, Any]
Step = Callable[[], object]


@dataclass
class Clock:
    """How much is left of the time that the whole may take."""

    seconds: float
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.begun)


class Device:
    """What differs between a GPU and a CPU here: waiting, timing, memory, capture."""

    def __init__(self, name: str) -> None:
        self.device = torch.device(name)
        self.is_cuda = self.device.type == "cuda"

    def wait(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()

    def milliseconds(self, step: Step, times: int = 1) -> float:
        """Mean time of a step."""
        if not self.is_cuda:
            begun = time.perf_counter()
            for _ in range(times):
                step()
            return 1e3 * (time.perf_counter() - begun) / times
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        for _ in range(times):
            step()
        last.record()
        last.synchronize()
        return float(first.elapsed_time(last)) / times

    def peak_mb(self, step: Step) -> float | None:
        """Memory that a step adds at its peak."""
        if not self.is_cuda:
            return None
        self.wait()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        self.wait()
        return float(torch.cuda.max_memory_allocated() - before) / 2**20

    def free_bytes(self) -> float:
        return float(torch.cuda.mem_get_info()[0]) if self.is_cuda else 4e9

    def facts(self) -> Row:
        """The card and the software."""
        found: Row = {
            "device": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "edge2torch": e2t.__version__,
        }
        here = {one.name: one.version for one in importlib.metadata.distributions()}
        found |= {name: here.get(name, "not here") for name in ("captum", "anndata")}
        if self.is_cuda:
            card = torch.cuda.get_device_properties(self.device)
            found |= {
                "device": card.name,
                "cuda": torch.version.cuda,
                "multiprocessors": card.multi_processor_count,
                "memory_gb": card.total_memory / 2**30,
                **self._rates(),
            }
        return found

    def _rates(self) -> Row:
        """What the card can do, in bytes moved and in multiply-adds of float32."""
        a = torch.randn(2**27, device=self.device)
        b, square = torch.empty_like(a), torch.randn(4096, 4096, device=self.device)
        out = torch.empty_like(square)
        copied = [self.milliseconds(lambda: b.copy_(a)) for _ in range(5)]
        multiplied = [
            self.milliseconds(lambda: torch.mm(square, square, out=out)) for _ in range(5)
        ]
        return {
            "copy_gb_s": 2 * 4 * a.numel() / statistics.median(copied[1:]) / 1e6,
            "multiply_adds_t_s": 4096**3 / statistics.median(multiplied[1:]) / 1e9,
        }


# ---------------------------------------------------------------------------- contenders


def step_of(model: nn.Module, inputs: Sequence[Tensor]) -> Step:
    """Forward and backward, eagerly."""
    turn = iter_forever(inputs)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        model(next(turn)).square().mean().backward()

    return step


def iter_forever(inputs: Sequence[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from inputs


def captured(model: nn.Module, inputs: Sequence[Tensor]) -> Step:
    """The same step as one CUDA graph."""
    x, turn = inputs[0].clone(), iter_forever(inputs)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # a capture needs a step that was done before, on such a stream
        for _ in range(3):
            model.zero_grad(set_to_none=True)
            model(x).square().mean().backward()
    torch.cuda.current_stream().wait_stream(aside)
    model.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(x).square().mean().backward()

    def step() -> None:
        x.copy_(next(turn))
        graph.replay()

    return step


def reason(error: BaseException) -> str:
    """One line of what went wrong."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


class Bench:
    """One case on a device: its contenders, and rows of what they take."""

    def __init__(self, case: Case, device: Device, data: Path | None) -> None:
        self.case, self.device = case, device
        edges = case.draw_any(data)
        fan_in = edges.groupby("target")["source"].transform("size").to_numpy(float)
        drawn = np.random.default_rng(0).normal(size=len(edges)) / np.sqrt(fan_in)
        self.edges = edges.assign(initial_weight=drawn)
        self.models: dict[str, nn.Module] = {}
        self.notes: dict[str, str] = {}
        self.took: dict[str, tuple[int, float]] = {}  # the last batch, and its milliseconds
        self.graph = self._compile()
        self._add_plain()

    def floor_ms(self, batch: int, copy_gb_s: float) -> float:
        """Least time of a step by the bytes that it has to read."""
        rows = 2 * len(self.edges) * max(1, self.case.steps) + 2 * len(self.graph.inputs)
        return 4 * batch * rows / copy_gb_s / 1e6

    def _compile(self) -> Graph:
        options: Row = {"quiet": True}
        if self.case.steps:
            options |= {"backend": "recurrent", "steps": self.case.steps}
        for name, told in OURS.items():
            own = {key: told[key] for key in told if key != "engine" or not self.case.steps}
            model, artifact = e2t.compile_graph(self.edges, **own, **options)
            graph = graph_of(
                self.edges, artifact.feature_names, artifact.output_names, self.case.steps
            )
            if own.get("kernel") != "dense" or self._fits(name, graph):
                self.models[name] = model.to(self.device.device)
        return graph

    def _fits(self, name: str, graph: Graph) -> bool:
        """Whether weights, masks, products and gradients of dense matrices find room."""
        needed = 4 * 4 * cells(graph)
        if needed < 0.5 * self.device.free_bytes():
            return True
        self.notes[name] = f"would need {needed / 2**30:.0f} GB"
        return False

    def _add_plain(self) -> None:
        for kind in KINDS:
            if kind != "masked" or self._fits(kind, self.graph):
                try:
                    self.models[kind] = plain_network(self.graph, kind, self.device.device)
                except RuntimeError as error:
                    self.notes[kind] = reason(error)

    def rows(self, batch: int, seconds: float) -> list[Row]:
        """A row per contender, in about so many seconds."""
        shape = (batch, len(self.graph.inputs))
        torch.manual_seed(0)
        inputs = [torch.randn(shape, device=self.device.device) for _ in range(_INPUTS)]
        rows = {name: self._row(name, batch) for name in (*self.models, *self.notes)}
        steps: dict[str, Step] = {}
        expected: Tensor | None = None
        end = time.monotonic() + seconds  # for what comes before turns
        for name, model in self.models.items():
            try:
                if (note := self._too_slow(name, batch, seconds)) is not None:
                    rows[name]["note"] = note
                    continue
                step = step_of(model, inputs)
                begun = time.monotonic()
                step()  # may compile, which does not count
                self.device.wait()
                end += time.monotonic() - begun
                first = self.device.milliseconds(step)
                if 1e-3 * first > seconds / 6 or time.monotonic() > end:
                    rows[name] |= {"ms": first, "rounds": 1, "note": "one step after a first"}
                    self.took[name] = batch, first
                    model.zero_grad(set_to_none=True)
                    continue
                with torch.no_grad():
                    y = model(inputs[0])
                expected = y if expected is None else expected
                if (off := relative(y, expected)) > _AGREES_TO:
                    rows[name]["note"] = f"its output differs from ours by {off:.2g}"
                rows[name]["peak_mb"] = self.device.peak_mb(step)
                steps[name] = step
            except RuntimeError as error:
                rows[name]["note"] = reason(error)
            model.zero_grad(set_to_none=True)
        for name, taken in self._take_turns(steps, seconds).items():
            rows[name] |= {"ms": statistics.median(taken), "rounds": len(taken)}
            self.took[name] = batch, rows[name]["ms"]
        if self.device.is_cuda:
            self._graphs(inputs, list(steps), rows)
        return list(rows.values())

    def _row(self, name: str, batch: int) -> Row:
        known: Row = {
            "case": self.case.name,
            "edges": len(self.edges),
            "batch": batch,
            "contender": name,
        }
        return known | ({"note": self.notes[name]} if name in self.notes else {})

    def _too_slow(self, name: str, batch: int, seconds: float) -> str | None:
        """What a contender is expected to take, where that is too much of the time."""
        if name not in self.took:
            return None
        before, ms = self.took[name]
        expected = 1e-3 * ms * batch / before
        return f"skipped: a step takes about {expected:.1f} s" if 8 * expected > seconds else None

    def _take_turns(self, steps: dict[str, Step], seconds: float) -> dict[str, list[float]]:
        """Milliseconds of every contender, by turns, until the time is over."""
        end = time.monotonic() + seconds
        inner = {name: self._repeats(step) for name, step in steps.items()}
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(_ROUNDS):
            if turn >= _FEWEST and time.monotonic() > end:
                break
            for name in rotated(list(steps), turn):
                taken[name].append(self.device.milliseconds(steps[name], inner[name]))
                self.models[name].zero_grad(set_to_none=True)
        return taken

    def _repeats(self, step: Step) -> int:
        """How many steps fill a turn, after two that warm up."""
        first = min(self.device.milliseconds(step) for _ in range(2))
        return min(max(1, round(_TURN_MS / max(first, 1e-3))), 100)

    def _graphs(self, inputs: Sequence[Tensor], names: list[str], rows: dict[str, Row]) -> None:
        """The whole step as one CUDA graph, one contender after the other: each holds memory."""
        for name in names:
            rows[name] |= self._replayed(lambda name=name: captured(self.models[name], inputs))
            self.models[name].zero_grad(set_to_none=True)
        if "ours" in names:
            found = self._replayed(lambda: step_of(self._callable(inputs[0]), inputs))
            words = {"graph_ms": "ms", "graph_note": "note"}
            own = {words[key]: value for key, value in found.items()}
            rows[CALLABLE] = self._row(CALLABLE, len(inputs[0])) | own

    def _callable(self, x: Tensor) -> nn.Module:
        ours = self.models["ours"]
        kept, ours.artifact = ours.artifact, None  # names need no copy
        model = copy.deepcopy(ours)
        ours.artifact = kept
        fast: nn.Module = torch.cuda.make_graphed_callables(model, (x.clone(),))
        return fast

    def _replayed(self, make: Callable[[], Step]) -> Row:
        """Milliseconds of a step that is captured first, or why it could not be."""
        try:
            step = make()
            times = self._repeats(step)
            taken = [self.device.milliseconds(step, times) for _ in range(7)]
        except Exception as error:  # noqa: BLE001 - a capture fails in many ways, and is one row
            self.device.wait()  # raises where the device is lost
            return {"graph_note": reason(error)}
        return {"graph_ms": statistics.median(taken)}


def launches(bench: Bench, batch: int) -> Row | None:
    """How many kernels a step of ours launches, and for which share of it one is running."""
    from torch.profiler import ProfilerActivity, profile

    x = [torch.randn(batch, len(bench.graph.inputs), device=bench.device.device)]
    step = step_of(bench.models["ours"], x)
    for _ in range(3):
        step()
    took = statistics.median(bench.device.milliseconds(step) for _ in range(5))
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        step()
        bench.device.wait()
    kernels = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    if not kernels:
        return None
    running = sum(event.time_range.elapsed_us() for event in kernels) / 1e3
    return {
        "case": bench.case.name,
        "batch": batch,
        "kernels": len(kernels),
        "ms": took,
        "running_ms": running,
    }


# ---------------------------------------------------------------------------- the report


@dataclass
class Report:
    """What has been measured so far, as two files."""

    folder: Path
    facts: Row
    stand_ins: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    launches: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {"folder": str(self.folder)}
        text = json.dumps(_finite(content), indent=1)
        (self.folder / "gpu.json").write_text(text, encoding="utf-8")
        (self.folder / "gpu.md").write_text(self.markdown(), encoding="utf-8")

    @property
    def failed(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.state == "failed"]

    def markdown(self) -> str:
        """Everything as a page."""
        facts = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.facts.items()
        )
        parts = [f"# {self.facts['device']}", facts]
        if self.stand_ins:
            names = " and ".join(self.stand_ins)
            parts.append(f"{names}: random graphs with the levels of the real ones.")
        parts += [f"- {note}" for note in self.notes]
        parts += ["## Correctness", self._correctness()]
        if self.rows:
            parts += ["## Forward and backward, milliseconds", self._times()]
            parts += [
                "## The same step as one CUDA graph, milliseconds",
                self._pivot("graph_ms", ("ours", *[k for k in OURS if k != "ours"], *BEST_OF)),
                "## Peak memory of a step, MB",
                self._pivot("peak_mb", (*OURS, *BEST_OF)),
            ]
            told = [
                f"- {row['case']}, batch {row['batch']}, {row['contender']}: {row[key]}"
                for row in self.rows
                for key in ("note", "graph_note")
                if key in row
            ]
            parts += ["\n".join(told)] if told else []
        if self.launches:
            lines = [
                [
                    row["case"],
                    row["batch"],
                    row["kernels"],
                    digits(row["ms"]),
                    digits(row["running_ms"]),
                ]
                for row in self.launches
            ]
            head = ["case", "batch", "kernels a step", "ms", "of these running"]
            parts += ["## Launches, ours", _table(head, lines)]
        return "\n\n".join(parts) + "\n"

    def _correctness(self) -> str:
        lines = []
        for group in dict.fromkeys(one.group for one in self.outcomes):
            mine = [one for one in self.outcomes if one.group == group]
            count = {state: sum(one.state == state for one in mine) for state in _STATES}
            worst = max((one.share for one in mine if one.state == "passed"), default=0.0)
            lines.append([group, *count.values(), digits(worst)])
        table = _table(["group", *_STATES, "largest error ÷ limit"], lines)
        told = [
            f"- {one.state}: {one.group}, {one.name}: {one.note}"
            for one in self.outcomes
            if one.state != "passed"
        ]
        return "\n".join([table, "", *told]) if told else table

    def _by(self, column: str) -> dict[tuple[str, int], dict[str, float]]:
        found: dict[tuple[str, int], dict[str, float]] = {}
        for row in self.rows:
            own = found.setdefault((row["case"], row["batch"]), {})
            if row.get(column) is not None:
                own[row["contender"]] = row[column]
        return found

    def _pivot(self, column: str, names: Sequence[str]) -> str:
        lines = [
            [case, batch, *(digits(own[name]) if name in own else "" for name in names)]
            for (case, batch), own in self._by(column).items()
        ]
        return _table(["case", "batch", *names], lines)

    def _times(self) -> str:
        names = ("ours", CALLABLE, *[name for name in OURS if name != "ours"], *BEST_OF)
        graphs, floors, lines = self._by("graph_ms"), self._by("floor_ms"), []
        for (case, batch), own in self._by("ms").items():
            best = min((own[name] for name in BEST_OF if name in own), default=None)
            fast = min(
                [
                    *(own[name] for name in (CALLABLE,) if name in own),
                    *(v for k, v in graphs[case, batch].items() if k in OURS),
                ],
                default=None,
            )
            ratios = [digits(best / v) if best and v else "" for v in (own.get("ours"), fast)]
            floor = [digits(value) for value in list(floors[case, batch].values())[:1]] or [""]
            shown = (digits(own[name]) if name in own else "" for name in names)
            lines.append([case, batch, *shown, *ratios, *floor])
        head = ["case", "batch", *names, "best of three ÷ ours", "÷ ours as a graph", "floor"]
        return _table(head, lines)


_STATES = ("passed", "failed", "skipped")


def _table(head: Sequence[object], lines: Sequence[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _finite(value: Any) -> Any:
    """The same, with numbers that JSON lacks as words."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    is_lost = isinstance(value, float) and not np.isfinite(value)
    return str(value) if is_lost else value


# ---------------------------------------------------------------------------- the run


def is_lost(error: BaseException | str) -> bool:
    """Whether the device can do nothing more in this process."""
    return "CUDA error" in str(error) or "device-side assert" in str(error)


def check_all(report: Report, device: Device, clock: Clock, *, quick: bool) -> None:
    """Correctness, as long as its share of the time lasts."""
    end = clock.left - _CHECKS_SHARE * clock.seconds
    left_out = []
    for check in checks(quick=quick):
        if clock.left < end:
            left_out.append(check.name)
            continue
        outcome = run_check(check, device.device)
        report.outcomes.append(outcome)
        if outcome.state == "failed":
            print(f"  FAILED {check.group}, {check.name}: {outcome.note}", flush=True)
            if is_lost(outcome.note):
                raise RuntimeError(outcome.note)
    if left_out:
        report.notes.append(f"no time for {len(left_out)} checks: {', '.join(left_out[:5])} ...")


def time_all(
    report: Report,
    device: Device,
    clock: Clock,
    *,
    cases: Sequence[str],
    batches: Sequence[int],
    data: Path | None,
) -> None:
    """Every case at every batch; what is left of the time is shared among those still to come."""
    pairs = len(cases) * len(batches)
    for name in cases:
        try:
            bench = Bench(CASES[name], device, data)
        except RuntimeError as error:
            report.notes.append(f"case {name}: {reason(error)}")
            pairs -= len(batches)
            continue
        for batch in batches:
            # a third of a pair's time is for building, warming up and capturing
            seconds = max(0.1, 0.6 * clock.left / pairs)
            pairs -= 1
            if clock.left < 5.0 and report.rows:
                report.notes.append(f"no time for case {name} at batch {batch}")
                continue
            rows = bench.rows(batch, seconds)
            if rate := report.facts.get("copy_gb_s"):
                rows = [row | {"floor_ms": bench.floor_ms(batch, rate)} for row in rows]
            report.rows += rows
            if device.is_cuda and batch == batches[0]:
                try:
                    if (found := launches(bench, batch)) is not None:
                        report.launches.append(found)
                except Exception as error:  # noqa: BLE001 - a profiler may be missing altogether
                    report.notes.append(f"launches of {name}: {reason(error)}")
            report.write()
            print(f"  {name}, batch {batch}: {_line(report.rows, name, batch)}", flush=True)
        del bench
        if device.is_cuda:
            torch.cuda.empty_cache()


def _line(rows: Sequence[Row], name: str, batch: int) -> str:
    own = [row for row in rows if (row["case"], row["batch"]) == (name, batch)]
    return ", ".join(f"{row['contender']} {digits(row['ms'])}" for row in own if "ms" in row)


def stop_later(report: Report, seconds: float) -> threading.Timer:
    """End the process after so many seconds, whatever it does then, with what it has measured."""

    def stop() -> None:
        report.notes.append(f"stopped after {seconds:.0f} s")
        report.write()
        print(report.markdown(), flush=True)
        os._exit(3)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    return timer


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, time, write; 1 where a check failed, 3 where the time was over."""
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    ask.add_argument("--device", default="cuda")
    ask.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-results"))
    ask.add_argument("--seconds", type=float, default=440.0, help="for the whole")
    ask.add_argument("--quick", action="store_true", help="one small case, fewer sizes")
    ask.add_argument("--cases", nargs="+", choices=list(CASES))
    ask.add_argument("--batches", nargs="+", type=int)
    ask.add_argument("--data", type=Path, help="folder with the real graphs f and g")
    ask.add_argument("--only", choices=["checks", "times"])
    told = ask.parse_args(arguments)
    clock, device = Clock(told.seconds), Device(told.device)
    if device.is_cuda and not torch.cuda.is_available():
        print("no GPU is seen by torch; --device cpu --quick tries the script itself")
        return 2
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    cases = told.cases or (["f"] if told.quick else list(CASE_NAMES))
    report = Report(told.out, device.facts())
    report.stand_ins = [name for name in cases if CASES[name].levels and told.data is None]
    print(f"{report.facts['device']}, torch {torch.__version__}", flush=True)
    timer = stop_later(report, told.seconds + _GRACE - (clock.seconds - clock.left))
    try:
        if told.only != "times":
            check_all(report, device, clock, quick=told.quick)
            report.write()
        if told.only != "checks":
            time_all(
                report, device, clock, cases=cases,
                batches=told.batches or ([64] if told.quick else list(BATCHES)), data=told.data,
            )  # fmt: skip
    except RuntimeError as error:
        if not is_lost(error):
            raise
        report.notes.append(f"the device was lost: {reason(error)}")
    timer.cancel()
    report.notes.append(f"{clock.seconds - clock.left:.0f} s in all")
    report.write()
    print(report.markdown())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
