"""What doubling the graph or the batch does to memory and to the time of compiling."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from benchmarks.cases import deep
from benchmarks.contenders import CONTENDERS, GaveUpError
from benchmarks.measure import Row, Settings, digits, write_table

# series: the points, each (edges, factor of the two widest layers, batch)
MEMORY: dict[str, list[tuple[int, float, int]]] = {
    "edges": [(edges, 1.0, 64) for edges in (100_000, 200_000, 400_000, 800_000)],
    "batch": [(100_000, 1.0, batch) for batch in (64, 128, 256, 512, 1024)],
    "nodes": [(400_000, nodes, 64) for nodes in (1.0, 2.0, 4.0, 8.0)],
}
COMPILE = [(edges, edges / 100_000) for edges in (125_000, 250_000, 500_000, 1_000_000, 2_000_000)]


def memory_series(names: Iterable[str], settings: Settings) -> list[Row]:
    """Peak of a training step over the state before compile, each point in a fresh process."""
    rows = []
    for name in names:
        for series, points in MEMORY.items():
            for edges, scale, batch in points:
                ask = _asker(name, settings, deep(edges, scale))
                row: Row = {"contender": name, "doubled": series, "edges": edges, "batch": batch}
                row["nodes"] = int(22_000 * scale) + 221
                try:
                    row |= ask("memory", {"batch": batch, "threads": max(settings.threads)})
                except GaveUpError as reason:
                    row["note"] = str(reason)
                rows.append(row)
                print(f"  {_line(row)}", flush=True)
    return rows


def compile_series(names: Iterable[str], settings: Settings) -> list[Row]:
    """Seconds from edge table to model, edges and nodes doubled together."""
    rows = []
    for name in names:
        before = None
        for edges, scale in COMPILE:
            row: Row = {"contender": name, "doubled": "edges and nodes", "edges": edges}
            try:
                seconds = _asker(name, settings, deep(edges, scale))("compile", {}, 3)
            except GaveUpError as reason:
                rows.append(row | {"note": str(reason)})
                break
            row["compile_s"] = statistics.median(seconds["seconds"])
            row["x_half"] = row["compile_s"] / before if before else None
            before = row["compile_s"]
            rows.append(row)
            print(f"  {_line(row)}", flush=True)
    return rows


def _asker(name: str, settings: Settings, edges: pd.DataFrame) -> Callable[..., Row]:
    """Return a function that puts requests to a fresh process that has read the table."""

    def ask(do: str, request: Row, repeats: int = 1) -> Row:
        with tempfile.TemporaryDirectory() as folder, settings.start(name) as worker:
            table = Path(folder) / "edges.npz"
            write_table(table, edges)
            worker.ask("load", table=str(table), case={"steps": 0})
            replies = [worker.ask(do, **request) for _ in range(repeats)]
        return replies[0] if repeats == 1 else {k: [r[k] for r in replies] for k in replies[0]}

    return ask


def _line(row: Row) -> str:
    return ", ".join(f"{k} {digits(v) if isinstance(v, float) else v}" for k, v in row.items())


def series_markdown(rows: list[Row]) -> str:
    """A table as wide as the rows need."""
    table = pd.DataFrame(rows)
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.to_dict("records"):
        cells = []
        for key, value in row.items():
            if value is None or value != value:  # noqa: PLR0124 - nan
                cells.append("")
            elif key == "contender":
                cells.append(CONTENDERS[value].title)
            elif isinstance(value, float) and not value.is_integer():
                cells.append(digits(value))
            else:
                cells.append(value if isinstance(value, str) else f"{int(value):,}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
