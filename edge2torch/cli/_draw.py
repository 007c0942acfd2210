"""``edge2torch draw``: an edge table or a saved model in, a picture out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError


def draw(
    *,
    graph: Annotated[
        Path, typer.Argument(help="Edge table; or folder of a run or of save_compiled.")
    ],
    out: Annotated[Path, "Picture to write: .svg, .png, .pdf; .html to click."],
    scores: Annotated[
        Path | None, "Table with a row per node, names first: colours the nodes."
    ] = None,
    column: Annotated[str | None, "Of --scores; default: its first column of numbers."] = None,
    flow: Annotated[
        Path | None, "edges.csv of `interpret`: draw the flow from inputs to an output."
    ] = None,
    where: Annotated[
        list[str] | None, "Rows of --scores or --flow, as output=B; may be repeated."
    ] = None,
    outputs: Annotated[
        tuple[str, ...], "Draw what leads to these, separated by commas; default: all."
    ] = (),
    max_nodes: Annotated[
        int | None, "Above this, the most important part; default: 60, of a page 300."
    ] = None,
    max_edges: Annotated[int | None, "The same for edges; default: 180, of a page 1000."] = None,
    engine: Annotated[
        Literal["auto", "graphviz", "matplotlib"],
        "auto: graphviz where its dot program is installed.",
    ] = "auto",
    title: Annotated[str, "Words above the picture."] = "",
    console: Console,
) -> None:
    """Draw a graph in layers, with scores on it; or how an output's score flows through it."""
    require("matplotlib", extra="plot").use("agg")
    from edge2torch.cli._drawn import read_flow, read_graph, read_scores
    from edge2torch.plot import draw_graph, plot_flow

    if flow is not None and scores is not None:
        raise Edge2TorchError("--flow draws edges and --scores colours nodes: give one of them.")
    if where and flow is None and scores is None:
        raise Edge2TorchError("--where chooses rows of --scores or --flow; give one of them.")
    artifact, weights = read_graph(graph)
    if flow is not None:
        table = read_flow(flow, where)
        if len(outputs) > 1:
            raise Edge2TorchError("--outputs: a flow leads to one output; give one name.")
        output = outputs[0] if outputs else None
        plot_flow(artifact, table, output=output, path=out, title=title or None)
    else:
        draw_graph(
            artifact,
            scores=None
            if scores is None
            else read_scores(scores, column, where, artifact, console),
            weights=weights,
            outputs=list(outputs) or None,
            max_nodes=max_nodes,
            max_edges=max_edges,
            engine=engine,
            path=out,
            title=title or None,
        )
    console.say(f"Written: {out}")
