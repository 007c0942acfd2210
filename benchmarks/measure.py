"""One case, all contenders: compiled, held against each other, timed in turns, weighed."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import Case
from benchmarks.contenders import CONTENDERS, GaveUpError, Worker

Row = dict[str, Any]

_TURN_SECONDS = 0.05  # a turn repeats short steps until it lasts about this long
_COMPILE_SECONDS = 15.0  # a contender that has compiled for longer is not asked to do it again
_PAUSE_SECONDS = 0.02  # threads that spin after their last step have gone to sleep by then
_AGREES_TO = 1e-3
_OTHER_EQUATION = {"binn", "ours_like_binn"}  # batch normalisation: not the same numbers


@dataclass(frozen=True)
class Settings:
    """How a run is done."""

    threads: tuple[int, ...] = (1, 2)
    repeats: int = 7
    limit: float = 120.0
    gigabytes: float = 12.0
    memory: bool = True

    def start(self, name: str) -> Worker:
        return Worker(
            CONTENDERS[name],
            threads=max(self.threads),
            gigabytes=self.gigabytes,
            limit=self.limit,
        )


class Field:
    """The contenders of one case that are still in it, and the rows they have earned."""

    def __init__(self, case: Case, settings: Settings, table: Path, edges: pd.DataFrame) -> None:
        self.case, self.settings, self.table = case, settings, table
        self.facts = {
            "case": case.name,
            "nodes": len(set(edges["source"]) | set(edges["target"])),
            "edges": len(edges),
        }
        self.options = {"steps": case.steps}
        self.workers: dict[str, Worker] = {}
        self.known: dict[str, Row] = {}
        self.rows: list[Row] = []

    def enter(self, names: Iterable[str], stack: ExitStack) -> None:
        """Start everyone's process and let it read the table."""
        for name in names:
            self.known[name] = {}
            try:
                worker = stack.enter_context(self.settings.start(name))
                self.known[name] = worker.ask("load", table=str(self.table), case=self.options)
                self.workers[name] = worker
            except GaveUpError as reason:
                self._drop(name, reason)

    def _try(
        self, name: str, do: str, where: Mapping[str, int] | None = None, **request: object
    ) -> Row:
        """Ask; a contender that fails leaves with a row that says so, and the reply is empty."""
        try:
            return self.workers[name].ask(do, **request)
        except GaveUpError as reason:
            self._drop(name, reason, where)
            return {}

    def _drop(self, name: str, reason: Exception, where: Mapping[str, int] | None = None) -> None:
        if name in self.workers:
            self.workers.pop(name).end()
        self.rows.append(self._row(name, where) | {"note": str(reason)})
        print(f"    {CONTENDERS[name].title}: {reason}", flush=True)

    def _row(self, name: str, where: Mapping[str, int] | None = None) -> Row:
        return {**self.facts, **(where or {}), "contender": name, **self.known[name]}

    def compile(self) -> None:
        """Edge table to model, in turns; the median and how many times."""
        taken: dict[str, list[Row]] = {name: [] for name in self.workers if name != "limit"}
        for turn in range(self.settings.repeats):
            for name in rotated(list(taken), turn):
                done = [reply["seconds"] for reply in taken[name]]
                if name not in self.workers or sum(done) > _COMPILE_SECONDS:
                    continue
                if reply := self._try(name, "compile"):
                    taken[name].append(reply)
        for name, replies in taken.items():
            if name in self.workers:
                self.known[name] |= {
                    "compile_s": statistics.median(reply["seconds"] for reply in replies),
                    "compile_cpu_s": statistics.median(r["cpu_seconds"] for r in replies),
                    "parameters": replies[-1]["parameters"],
                    "note": replies[-1]["note"],
                }

    def compare(self) -> None:
        """Note who computes something else with all weights equal: another graph, or more."""
        names = [name for name in self.workers if name not in {"limit", *_OTHER_EQUATION}]
        replies = {name: self._try(name, "probe") for name in names}
        values = {name: np.array(reply["values"]) for name, reply in replies.items() if reply}
        for name, own in values.items():
            reference = values.get("ours", own)
            agrees = own.shape == reference.shape and np.allclose(own, reference, rtol=_AGREES_TO)
            if not agrees:
                note = "other values than ours with equal weights"
                self.known[name]["note"] = f"{self.known[name]['note']}; {note}".strip("; ")

    def time(self, batch: int, threads: int) -> None:
        """Steps in turns, the order of contenders moving on by one each round."""
        where = {"batch": batch, "threads": threads}
        turns: dict[str, tuple[int, int]] = {}
        ways: dict[str, Row] = {}
        for name in list(self.workers):
            reply = self._try(name, "prepare", where, **where)
            if not reply:
                continue
            inner = min(max(1, round(_TURN_SECONDS / reply["seconds"])), 500)
            affordable = int(self.settings.limit / (inner * reply["seconds"]))
            turns[name] = inner, max(1, min(self.settings.repeats, affordable))
            self.known[name] |= {key: reply[key] for key in ("bytes", "flops") if key in reply}
            self.known[name] |= {"note": reply["note"]} if "note" in reply else {}
            if "way" in reply:  # of this batch; other sizes may go another one
                ways[name] = {"note": reply["way"]}
        taken: dict[str, list[Row]] = {name: [] for name in turns}
        for turn in range(self.settings.repeats):
            for name in rotated(list(taken), turn):
                inner, repeats = turns[name]
                if turn >= repeats or name not in self.workers:
                    continue
                time.sleep(_PAUSE_SECONDS)
                if reply := self._try(name, "turn", where, inner=inner):
                    taken[name].append(reply)
        for name, replies in taken.items():
            if name in self.workers:
                self.rows.append(
                    self._row(name, where)
                    | {
                        f"{phase}_ms": 1e3 * statistics.median(reply[phase] for reply in replies)
                        for phase in replies[0]
                    }
                    | {"repeats": len(replies)}
                    | ways.get(name, {})
                )

    def weigh(self, names: Iterable[str], batch: int) -> None:
        """Peak memory in a process that has done nothing else; added to the rows of the batch."""
        threads = max(self.settings.threads)
        for name in names:
            try:
                with self.settings.start(name) as worker:
                    worker.ask("load", table=str(self.table), case=self.options)
                    reply = worker.ask("memory", batch=batch, threads=threads)
            except GaveUpError as reason:
                reply = {"note": str(reason)}
                print(f"    {CONTENDERS[name].title}: {reason}", flush=True)
            for row in self.rows:
                if row["contender"] == name and row.get("batch") == batch:
                    row.update(reply)

    def keep(self, name: str = "ours") -> None:
        """Save and load, for the case that asks for it."""
        reply = self._try(name, "keep")
        pairs = [(*key.split("_"), value) for key, value in reply.items()]
        text = ", ".join(f"{what} {value:.2f} {unit}" for what, unit, value in pairs)
        for row in self.rows:
            if row["contender"] == name:
                row["note"] = f"{row.get('note', '')}; {text}".strip("; ")


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The same names, beginning one further on in each turn."""
    start = turn % max(len(names), 1)
    return [*names[start:], *names[:start]]


def measure(
    case: Case, names: Sequence[str], batches: Sequence[int], settings: Settings, data: Path | None
) -> list[Row]:
    """All rows of one case."""
    try:
        edges = case.draw(data)
    except FileNotFoundError as missing:
        print(f"  {case.name}: skipped, {missing}", flush=True)
        return [{"case": case.name, "note": f"skipped, {missing}"}]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        table = Path(folder) / "edges.npz"
        write_table(table, edges)
        field = Field(case, settings, table, edges)
        field.enter(names, stack)
        field.compile()
        field.compare()
        for batch in batches:
            for threads in settings.threads:
                field.time(batch, threads)
        if case.keep and "ours" in field.workers:
            field.keep()
        able = [name for name in field.workers if name != "limit"]
        for worker in field.workers.values():
            worker.end()
        if settings.memory:
            for batch in batches:
                field.weigh(able, batch)
        return field.rows


def write_table(path: Path, edges: pd.DataFrame) -> None:
    """An edge table in a form that every version of NumPy reads: names once, then numbers."""
    names, codes = np.unique(
        edges[["source", "target"]].to_numpy().astype(str), return_inverse=True
    )
    source, target = codes.reshape(-1, 2).T
    np.savez(path, names=names, source=source, target=target)


def digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"
