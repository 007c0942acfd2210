"""``edge2torch draw``: an edge table or a saved model in, a picture out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer

from edge2torch.cli._console import Console
from edge2torch.cli._files import read_edge_file, read_table
from edge2torch.cli._saved import read_saved
from edge2torch.compile import CompileArtifact, compile_graph, edge_weights
from edge2torch.errors import Edge2TorchError, listing, require
from edge2torch.graph import read_edge_table, shortest_cycle


def draw(
    graph: Annotated[
        Path, typer.Argument(help="Edge table; or folder of a run or of save_compiled.")
    ],
    out: Annotated[Path, typer.Option(help="Picture to write: .svg, .png or .pdf.")],
    scores: Annotated[
        Path | None,
        typer.Option(help="Table with a row per node, names first: colours the nodes."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Of --scores; default: its first column of numbers.")
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(help="edges.csv of `interpret`: draw the flow from inputs to an output."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Rows of --scores or --flow, as output=B; may be repeated."),
    ] = None,
    outputs: Annotated[
        str, typer.Option(help="Draw what leads to these, separated by commas; default: all.")
    ] = "",
    max_nodes: Annotated[int, typer.Option(help="Above this, the most important part.")] = 60,
    max_edges: Annotated[int, typer.Option(help="The same for edges.")] = 180,
    engine: Annotated[
        Literal["auto", "graphviz", "matplotlib"],
        typer.Option(help="auto: graphviz where its dot program is installed."),
    ] = "auto",
    title: Annotated[str, typer.Option(help="Words above the picture.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Draw a graph in layers, with scores on it; or how an output's score flows through it."""
    require("matplotlib", extra="plot").use("agg")
    from edge2torch.plot import draw_graph, plot_flow

    if flow is not None and scores is not None:
        raise Edge2TorchError("--flow draws edges and --scores colours nodes: give one of them.")
    if where and flow is None and scores is None:
        raise Edge2TorchError("--where chooses rows of --scores or --flow; give one of them.")
    artifact, weights = _read(graph)
    ends = [name.strip() for name in outputs.split(",") if name.strip()] or None
    if flow is not None:
        table = _where(read_table(flow, "--flow"), where, "--flow")
        if ends is not None and len(ends) > 1:
            raise Edge2TorchError("--outputs: a flow leads to one output; give one name.")
        plot_flow(artifact, table, output=ends[0] if ends else None, path=out, title=title or None)
    else:
        draw_graph(
            artifact,
            scores=None if scores is None else _scores(scores, column, where, artifact),
            weights=weights,
            outputs=ends,
            max_nodes=max_nodes,
            max_edges=max_edges,
            engine=engine,
            path=out,
            title=title or None,
        )
    Console(quiet).say(f"Written: {out}")


def _read(path: Path) -> tuple[CompileArtifact, pd.DataFrame | None]:
    if path.is_dir():
        saved = read_saved(path, "GRAPH")
        return saved.artifact, edge_weights(saved.model, saved.artifact)
    edges = read_edge_file(path, "GRAPH")
    table = read_edge_table(edges)
    cyclic = shortest_cycle(table.source, table.target, len(table.node_names)) is not None
    backend = "recurrent" if cyclic else "feedforward"
    return compile_graph(edges, backend=backend, quiet=True)[1], None


def _scores(
    path: Path, column: str | None, where: list[str] | None, artifact: CompileArtifact
) -> pd.Series:
    """A score per node of the graph; names in the column of that name, or else in the first one."""
    table = _where(read_table(path, "--scores"), where, "--scores")
    names = next((c for c in ("node", "feature") if c in table.columns), table.columns[0])
    numeric = [c for c in table.columns if c != names and pd.api.types.is_numeric_dtype(table[c])]
    if column is not None and column not in numeric:
        raise Edge2TorchError(
            f"--column: {path.name!r} has no column of numbers {column!r}. It has "
            f"{listing(numeric, 10) or 'none'}."
        )
    if not numeric:
        raise Edge2TorchError(f"--scores: {path.name!r} has no column of numbers.")
    values = table.set_index(table[names].astype(str))[column or numeric[0]]
    if twice := values.index[values.index.duplicated()].unique().tolist():
        raise Edge2TorchError(
            f"--scores: {path.name!r} names nodes more than once: {listing(twice)}. Choose rows "
            "with --where, such as --where output=B."
        )
    found: pd.Series = values[values.index.isin(artifact.graph.node_names)]
    if found.empty:
        raise Edge2TorchError(
            f"--scores: no name in column {names!r} is a node of the graph: {listing(values.index)}."
        )
    return found


def _where(table: pd.DataFrame, where: list[str] | None, option: str) -> pd.DataFrame:
    """Keep the rows in which columns have the given values."""
    for condition in where or []:
        name, equals, value = condition.partition("=")
        if not equals or name not in table.columns:
            raise Edge2TorchError(
                f"--where {condition!r}: write COLUMN=VALUE; {option} has the columns "
                f"{listing(table.columns, 10)}."
            )
        kept = table[table[name].astype(str) == value]
        if kept.empty:
            there: list[Any] = table[name].unique().tolist()
            raise Edge2TorchError(
                f"--where {condition!r}: no such row. {name} is {listing(there, 10)}."
            )
        table = kept
    return table
