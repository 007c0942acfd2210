"""Rows to ratios, to a CSV file and to a table that people read."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import Row, Settings, digits

# measured column: column of its ratio to ours
RATIOS = {
    "compile_s": "x_compile",
    "forward_ms": "x_forward",
    "forward_backward_ms": "x_forward_backward",
    "step_ms": "x_step",
    "compile_mb": "x_compile_mb",
    "step_mb": "x_step_mb",
}
# measured column: its heading in the table for people
HEADINGS = {
    "batch": "batch",
    "threads": "threads",
    "contender": "",
    "parameters": "parameters",
    "compile_s": "compile, s",
    "forward_ms": "forward, ms",
    "forward_backward_ms": "+ backward, ms",
    "step_ms": "+ Adam, ms",
    "compile_mb": "peak of compile, MB",
    "step_mb": "peak of a step, MB",
    "x_compile": "× compile",
    "x_forward": "× forward",
    "x_forward_backward": "× + backward",
    "x_step": "× + Adam",
    "x_step_mb": "× peak of a step",
    "x_limit": "+ backward ÷ limit",
    "note": "",
}
COLUMNS = (
    *("case", "nodes", "edges", "batch", "threads", "contender", "version", "parameters"),
    *("compile_s", "compile_cpu_s", "forward_ms", "forward_backward_ms", "step_ms"),
    *("compile_mb", "step_mb", *RATIOS.values(), "x_limit", "bytes", "flops", "repeats", "note"),
)


def with_ratios(rows: Iterable[Row]) -> pd.DataFrame:
    """Add how many times ours each figure is, and how many times the limit."""
    rows = [dict(row) for row in rows]
    by_place = {_place(row): row for row in rows}
    for row in rows:
        if "contender" not in row or "batch" not in row:
            continue
        reference = by_place.get(_place(row, CONTENDERS[row["contender"]].against), {})
        for column, ratio in RATIOS.items():
            if column in row and column in reference and row["contender"] != "limit":
                row[ratio] = row[column] / reference[column]
        limit = by_place.get(_place(row, "limit"), {})
        if "forward_backward_ms" in limit and "forward_backward_ms" in row:
            row["x_limit"] = row["forward_backward_ms"] / limit["forward_backward_ms"]
    table = pd.DataFrame(rows)
    return table[[column for column in COLUMNS if column in table]]


def _place(row: Mapping[str, Any], contender: str = "") -> tuple[object, ...]:
    key = contender or row.get("contender")
    return row["case"], row.get("batch"), row.get("threads"), key


def markdown(table: pd.DataFrame) -> str:
    """One table per case: absolute figures, then ratios to ours."""
    parts = []
    for name, rows in table.groupby("case", sort=False):
        case = CASES[str(name)]
        first = rows.iloc[0]
        size = f" ({int(first['nodes']):,} nodes, {int(first['edges']):,} edges)"
        known = "nodes" in rows and first["nodes"] == first["nodes"]
        parts.append(f"### {case.name}: {case.title}{size if known else ''}\n\n{_grid(rows)}\n")
    return "\n".join(parts)


def _grid(rows: pd.DataFrame) -> str:
    rows = rows.sort_values(["batch", "threads"], kind="stable") if "batch" in rows else rows
    columns = [column for column in HEADINGS if column in rows and rows[column].notna().any()]
    lines = ["| " + " | ".join(HEADINGS[column] for column in columns) + " |"]
    lines.append(
        "|" + "|".join("---" if c in {"contender", "note"} else "--:" for c in columns) + "|"
    )
    lines.extend(
        "| " + " | ".join(_cell(column, row[column]) for column in columns) + " |"
        for row in rows[columns].to_dict("records")
    )
    return "\n".join(lines)


def _cell(column: str, value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - nan
        return ""
    if column == "contender":
        return CONTENDERS[str(value)].title
    if column in {"batch", "threads", "parameters"}:
        return f"{int(value):,}"  # type: ignore[call-overload]
    return value if isinstance(value, str) else digits(float(value))  # type: ignore[arg-type]


def heading(settings: Settings, machine: Sequence[Row]) -> str:
    """Where and how, and what the machine can do."""
    lines = [
        (
            f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {_processor()}, "
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
            f"Medians of {settings.repeats} turns taken one after another by all contenders; "
            f"at most {settings.limit:g} s and {settings.gigabytes:g} GB each. "
            f"Load when the run began: {_load()}. A ratio above 1 means slower or larger than ours."
        ),
        "",
    ]
    if machine:
        names = [key for key in machine[0] if key != "threads"]
        lines.append("| threads | " + " | ".join(name.replace("_", " ") for name in names) + " |")
        lines.append("|" + "--:|" * (len(names) + 1))
        for row in machine:
            figures = " | ".join(digits(row[name]) for name in names)
            lines.append(f"| {row['threads']} | {figures} |")
        lines.append("")
    return "\n".join(lines)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
