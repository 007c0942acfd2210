"""Draw the pictures of the pages into docs/pictures: `python docs/pictures.py`, or `make docs`.

The code of a page is run, and what it has found is drawn: a picture shows what a reader gets. The times are
those of the table on the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from itertools import takewhile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge2torch.compile import edge_weights
from edge2torch.plot import draw_graph, plot_degree_bias, plot_stability, plot_top_nodes
from tests.pages import code_of

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "pictures"
PICTURES = ("network.svg", "top-nodes.svg", "stability.svg", "degree-bias.svg", "step.svg")


def run(page: str) -> dict[str, Any]:
    """Run a page's code in a folder of its own; return what it left."""
    left: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec(compile(code_of(HERE / page), page, "exec"), left)
        finally:
            os.chdir(before)
    return left


def keep(figure: Any, name: str) -> None:
    """Write a figure, the same bytes each time."""
    figure.savefig(FOLDER / name, bbox_inches="tight", metadata={"Date": None}, transparent=True)


def table_of(page: str, heading: str) -> pd.DataFrame:
    """Return the table of a page whose first column has this heading, as text."""
    lines = (HERE / page).read_text(encoding="utf-8").splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = [line.strip("|").split("|") for line in takewhile(bool, lines[first:])]
    head, _rule, *body = [[cell.strip() for cell in row] for row in rows]
    return pd.DataFrame(body, columns=head)


def draw_times(table: pd.DataFrame) -> Any:
    """Draw a row for each case at 64 samples, a dot for who was timed, on a scale of powers of ten."""
    table = table[table["batch"] == "64"]
    times = table.iloc[:, 2:-1].map(
        lambda cell: float(cell.split(" ")[0].replace(",", "") or "nan")
    )
    figure, axes = plt.subplots(figsize=(7, 0.42 * len(table) + 0.9))
    marks = dict(zip(times, "oXsD", strict=True))
    for name, mark in marks.items():
        is_ours = name == "ours"
        axes.scatter(
            times[name], range(len(table)), marker=mark, label=name, s=60 if is_ours else 40,
            zorder=3 if is_ours else 2, color="#b2182b" if is_ours else "#6f6f6f",
        )  # fmt: skip
    axes.set_yticks(range(len(table)), [name.split(", ")[0] for name in table.iloc[:, 0]])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms of forward and backward, one thread, 64 samples")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=len(marks), frameon=False)
    return figure


def main() -> None:
    """Draw all pictures."""
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "edge2torch"
    FOLDER.mkdir(exist_ok=True)

    page = run("five-minutes.md")
    figure = draw_graph(
        page["artifact"],
        scores=page["shown"],
        weights=edge_weights(page["network"], page["artifact"]),
        engine="matplotlib",
        title="Which pathway carried the response?",
    ).figure
    keep(figure, "network.svg")

    page = run("howto/classes.md")
    axes = plot_top_nodes(page["contrast"]["B"], title="What speaks for B cells", xlabel="score")
    axes.figure.set_size_inches(5, 1.6)
    keep(axes.figure, "top-nodes.svg")

    page = run("node-scores.md")
    keep(plot_stability(page["found"], n=12, title="Ten networks").figure, "stability.svg")
    keep(plot_degree_bias(page["table"]), "degree-bias.svg")

    keep(draw_times(table_of("benchmarks.md", "case")), "step.svg")


if __name__ == "__main__":
    main()
