"""``edge2torch export``: an edge table or a saved model in, a network for another program out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch.errors import Edge2TorchError


def export(
    *,
    graph: Annotated[
        Path, typer.Argument(help="Edge table; or folder of a run or of save_compiled.")
    ],
    to: Annotated[Path, "File to write: .cx2, .cyjs, .graphml, .sif or .hcx."],
    scores: Annotated[
        Path | None,
        "Table with a row per node, names first: its columns go along. Default: a run's own scores.",
    ] = None,
    column: Annotated[
        str | None, "Of these, to be shown; default: score, or the first column of numbers."
    ] = None,
    where: Annotated[list[str] | None, "Rows of --scores, as output=B; may be repeated."] = None,
    relations: Annotated[
        Literal["words", "signs"], "In a .sif file; signs: 1, -1 and 0, as CellNOpt reads them."
    ] = "words",
    interactome: Annotated[
        Path | None, "For .hcx: table of edges between inputs, written beside it."
    ] = None,
    interactome_uuid: Annotated[str | None, "For .hcx: what NDEx calls that network."] = None,
    title: Annotated[str, "What the network is called; default: the file's name."] = "",
    console: Console,
) -> None:
    """Write a network, with scores and weights, for Cytoscape, NDEx, Gephi and others."""
    from edge2torch.cli._drawn import read_score_table
    from edge2torch.compile import edge_weights
    from edge2torch.exchange import write_network
    from edge2torch.study import load_study, node_table, read_edge_file, read_saved

    if where and scores is None:
        raise Edge2TorchError("--where chooses rows of --scores; give that.")
    network: Any
    weights = nodes = show = None
    if graph.is_dir():
        saved = read_saved(graph, "GRAPH")
        network, weights = saved.artifact, edge_weights(saved.model, saved.artifact)
        names = saved.artifact.graph.node_names.tolist()
        if scores is None and (graph / "study").exists():
            study = load_study(graph)  # a run knows its scores itself
            nodes, title = (
                node_table(study.results) if study.learned else None,
                title or study.text.title,
            )
            if nodes is not None and column is not None:
                show = column
    else:
        with warnings.catch_warnings():  # weights go out as such, with their signs beside them
            warnings.filterwarnings("ignore", ".*: the column 'weight' looks like signs")
            network = read_edge_file(graph, "GRAPH")
        names = [*network["source"].astype(str), *network["target"].astype(str)]
    if scores is not None:
        nodes, show = read_score_table(scores, column, where, names, console)
    if column is not None and nodes is None:
        raise Edge2TorchError("--column chooses among scores, and there are none; give --scores.")
    write_network(
        network,
        to,
        nodes=nodes,
        edges=weights,
        show=show,
        title=title or None,
        relations=relations,
        interactome=None if interactome is None else read_edge_file(interactome, "--interactome"),
        interactome_uuid=interactome_uuid,
        quiet=console.quiet,
    )
