"""Draw the pictures of the pages into docs/pictures: `python docs/pictures.py`, or `make docs`.

The code of a page is run, and what it has found is drawn: a picture shows what a reader gets.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge2torch.compile import edge_weights
from edge2torch.plot import draw_graph, plot_degree_bias, plot_stability, plot_top_nodes
from tests.pages import code_of

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "pictures"
PICTURES = ("network.svg", "top-nodes.svg", "stability.svg", "degree-bias.svg")


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


if __name__ == "__main__":
    main()
