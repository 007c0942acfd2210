"""``interpret``, ``draw`` and ``export``: a saved model or an edge table in; scores, pictures, networks out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import require
from edge2torch.cli._options import DATA, FEATURE_NAMES, LAYER, File, Text
from edge2torch.errors import Edge2TorchError

_GRAPH = typer.Argument(help="Edge table; or folder of a run or of save_compiled.")


def interpret(
    *,
    model: Annotated[Path, typer.Argument(help="Folder of a run, or of save_compiled.")],
    data: Annotated[Path, DATA],
    out: Annotated[Path, "Folder for features.csv, nodes.csv and edges.csv."],
    targets: Annotated[
        tuple[str, ...], "Any of features, nodes and edges, separated by commas."
    ] = ("features", "nodes", "edges"),
    method: Annotated[Text, "One for the target, if there is one; default: by target."] = None,
    output: Annotated[str, "What to explain, separated by commas; default: every output."] = "",
    label: Annotated[Text, "Column (of obs, for h5ad) by which samples are averaged."] = None,
    layer: Annotated[Text, LAYER] = None,
    feature_names: Annotated[Text, FEATURE_NAMES] = None,
    other: Annotated[File, "Of a run over pairs: the second partners' features."] = None,
    pairs: Annotated[File, "Of a run over pairs: which to explain; default: all."] = None,
    seed: Annotated[int, "For methods that draw random numbers."] = 0,
    console: Console,
) -> None:
    """Score inputs, nodes and edges of a saved model on your data; write tables."""
    from edge2torch.study import interpret_saved

    interpret_saved(
        model, data, out, targets=targets, method=method, output=output, label=label, layer=layer,
        feature_names=feature_names, other=other, pairs=pairs, seed=seed, console=console,
    )  # fmt: skip


def draw(
    *,
    graph: Annotated[Path, _GRAPH],
    out: Annotated[Path, "Picture to write: .svg, .png, .pdf; .html to click."],
    scores: Annotated[File, "Table with a row per node, names first: colours the nodes."] = None,
    column: Annotated[Text, "Of --scores; default: its first column of numbers."] = None,
    flow: Annotated[
        File, "edges.csv of `interpret`: draw the flow from inputs to an output."
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
    from edge2torch.plot import draw_graph, plot_flow
    from edge2torch.study import read_graph, read_rows, read_scores

    if flow is not None and scores is not None:
        raise Edge2TorchError("--flow draws edges and --scores colours nodes: give one of them.")
    if where and flow is None and scores is None:
        raise Edge2TorchError("--where chooses rows of --scores or --flow; give one of them.")
    artifact, weights = read_graph(graph, "GRAPH")
    if flow is not None:
        table = read_rows(flow, where, "flow", ("source", "target"))
        if len(outputs) > 1:
            raise Edge2TorchError("--outputs: a flow leads to one output; give one name.")
        plot_flow(artifact, table, output=next(iter(outputs), None), path=out, title=title or None)
    else:
        shown = None
        if scores is not None:
            names = artifact.graph.node_names
            by_node, name = read_scores(scores, column, where, names, console)
            shown = by_node[name]
        draw_graph(
            artifact, scores=shown, weights=weights, outputs=list(outputs) or None,
            max_nodes=max_nodes, max_edges=max_edges, engine=engine, path=out, title=title or None,
        )  # fmt: skip
    console.say(f"Written: {out}")


def export(
    *,
    graph: Annotated[Path, _GRAPH],
    to: Annotated[Path, "File to write: .cx2, .cyjs, .graphml, .sif or .hcx."],
    scores: Annotated[
        File,
        "Table with a row per node, names first: its columns go along. Default: a run's own scores.",
    ] = None,
    column: Annotated[
        Text, "Of these, to be shown; default: score, or the first column of numbers."
    ] = None,
    where: Annotated[list[str] | None, "Rows of --scores, as output=B; may be repeated."] = None,
    relations: Annotated[
        Literal["words", "signs"], "In a .sif file; signs: 1, -1 and 0, as CellNOpt reads them."
    ] = "words",
    interactome: Annotated[
        File, "For .hcx: table of edges between inputs, written beside it."
    ] = None,
    interactome_uuid: Annotated[Text, "For .hcx: what NDEx calls that network."] = None,
    title: Annotated[str, "What the network is called; default: the file's name."] = "",
    console: Console,
) -> None:
    """Write a network, with scores and weights, for Cytoscape, NDEx, Gephi and others."""
    from edge2torch.exchange import write_network
    from edge2torch.study import own_scores, read_edge_file, read_graph, read_scores

    if where and scores is None:
        raise Edge2TorchError("--where chooses rows of --scores; give that.")
    network: Any
    weights = nodes = show = None
    if graph.is_dir():
        network, weights = read_graph(graph, "GRAPH")
        names = network.graph.node_names.tolist()
        if scores is None:  # a run knows its scores itself
            nodes, own_title = own_scores(graph, column)
            title, show = title or own_title, column
    else:
        with warnings.catch_warnings():  # weights go out as such, with their signs beside them
            warnings.filterwarnings("ignore", ".*: the column 'weight' looks like signs")
            network = read_edge_file(graph, "GRAPH")
        names = [*network["source"].astype(str), *network["target"].astype(str)]
    if scores is not None:
        nodes, show = read_scores(scores, column, where, names, console)
    if column is not None and nodes is None:
        raise Edge2TorchError("--column chooses among scores, and there are none; give --scores.")
    write_network(
        network, to, nodes=nodes, edges=weights, show=show, title=title or None, relations=relations,
        interactome=None if interactome is None else read_edge_file(interactome, "--interactome"),
        interactome_uuid=interactome_uuid, quiet=console.quiet,
    )  # fmt: skip
