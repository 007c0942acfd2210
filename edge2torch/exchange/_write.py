"""``write_network``: one door, a format by ending."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from edge2torch._core.checks import check_choice, check_flag, check_number
from edge2torch._core.edges import EdgesLike, HasEdges
from edge2torch._core.files import path_of, write_file
from edge2torch._core.messages import listing, note, plural
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.exchange._cx2 import cx2_text
from edge2torch.exchange._cyjs import cyjs_text
from edge2torch.exchange._graphml import write_graphml
from edge2torch.exchange._hcx import hcx_text
from edge2torch.exchange._network import Network, read_network
from edge2torch.exchange._sif import write_sif
from edge2torch.exchange._style import unseen
from edge2torch.plot import node_positions

_ENDINGS = (".cx2", ".hcx", ".cyjs", ".graphml", ".sif")
_FORMATS = tuple(ending[1:] for ending in _ENDINGS)
_MOST_PLACED = 5000  # nodes: more of them on one plane are no picture
_MOST = 2**31


def write_network(
    graph: CompileArtifact | nn.Module | pd.DataFrame | HasEdges | Any,
    path: str | os.PathLike[str],
    *,
    nodes: pd.Series | pd.DataFrame | Mapping[str, Any] | None = None,
    edges: pd.DataFrame | None = None,
    names: pd.Series | Mapping[str, str] | None = None,
    show: str | None = None,
    level: float = 0.05,
    format: Literal["auto", "cx2", "hcx", "cyjs", "graphml", "sif"] = "auto",  # noqa: A002 - pandas' and matplotlib's word
    positions: bool = True,
    style: bool = True,
    title: str | None = None,
    relations: Literal["words", "signs"] = "words",
    interactome: EdgesLike | None = None,
    interactome_uuid: str | None = None,
    quiet: bool = False,
) -> Path:
    """Write a network, and what is known of its nodes and edges, for Cytoscape, NDEx and others.

    Parameters
    ----------
    graph : CompileArtifact, Module, DataFrame or networkx.DiGraph
        What ``compile_graph`` returned, the model that carries it, an edge table, or what
        ``Attribution.to_networkx`` and ``interpret_model(to="networkx")`` return. Edges that nothing is
        computed along are left out.
    path : str or path
        The ending says the format: ``.cx2`` (Cytoscape, NDEx), ``.cyjs`` (Cytoscape.js),
        ``.graphml`` (Gephi, yEd, igraph), ``.sif`` with two tables beside it (CellNOpt and most
        others), ``.hcx`` (hierarchies for the cell-map viewer).
    nodes : Series, DataFrame or mapping, optional
        A number per node, which becomes ``score``; or a row per node, whose columns become
        attributes. ``score``, ``qvalue`` and ``found`` are seen in the picture. With an index of
        (target, node) every target has a ``score_<target>`` of its own.
    edges : DataFrame, optional
        ``source``, ``target`` and what is known of an edge, such as ``edge_weights(model)`` or
        ``interpret_model(target="edges")``.
    names : Series or dict of str to str, optional
        Human names by node; by default those of the edge table (``source_name``, ``target_name``).
    show : str, optional
        The column or target of ``nodes`` that colours the picture as ``score``. Of several targets
        none does by itself.
    level : float
        A node with ``qvalue`` below it is ``found``, where ``nodes`` does not say it.
    format : str
        Where the ending is another one: ``"hcx"`` may well be called ``.cx2``.
    positions : bool
        Places nodes in layers, inputs on the left; of more than 5,000 nodes none.
    style : bool
        Colours, sizes and arrows that follow the attributes (CX2 and HCX).
    title : str, optional
        What the network is called; by default the name of the file.
    relations : {"words", "signs"}
        What stands between two nodes of a SIF file: the table's ``relation``, or what the sign says
        in a word; or ``1``, ``-1`` and ``0``, as CellNOpt reads them, and :func:`~edge2torch.priors.read_sif`
        whatever the table's words are.
    interactome : DataFrame, optional
        For HCX: edges between the inputs, written to a second file beside the first.
    interactome_uuid : str, optional
        For HCX: what NDEx calls that network. Without it the file opens as a plain network.
    quiet : bool
        Print no note.

    Returns
    -------
    Path
        The file, whole whatever happens. Missing and infinite numbers are left out of it.

    Raises
    ------
    Edge2TorchError
        For an ending of another kind, nodes that the graph does not have (the nearest are
        offered), different nodes of one name, and what a format cannot hold: cycles in HCX, tabs in
        SIF, control characters in GraphML.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "cell"]})
    >>> model, artifact = e2t.compile_graph(edges, seed=0, quiet=True)
    >>> path = e2t.write_network(
    ...     artifact, "network.cx2", nodes={"tf": 0.8, "cell": 1.0}, edges=e2t.edge_weights(model))
    [edge2torch] Note: network.cx2: 4 nodes, 3 edges.
    """
    final = path_of(path)
    chosen = _format(final, format)
    _check(final, chosen, level, positions, style, relations, interactome, interactome_uuid)
    network = read_network(
        graph,
        nodes=nodes,
        edges=edges,
        names=names,
        show=show,
        level=level,
        title=final.stem if title is None else title,
    )
    if max(len(network.names), len(network.source)) >= _MOST:
        raise Edge2TorchError("graph has more than 2**31 nodes or edges, which no reader numbers.")
    words = [*network.left_out]
    if style and chosen in ("cx2", "hcx"):
        words += unseen(network)
    styled = level if style else None
    is_placed = positions and len(network.names) <= _MOST_PLACED
    if positions and not is_placed:
        words.append(f"no positions, as there are more than {_MOST_PLACED:,} nodes")
    place = _place(network) if is_placed and chosen != "hcx" else None
    try:
        words += _fill(
            final,
            chosen,
            network,
            place,
            styled,
            is_placed,
            relations,
            interactome,
            interactome_uuid,
        )
    except OSError as error:
        raise Edge2TorchError(f"path={str(path)!r} cannot be written: {error.strerror}.") from error
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON alone can write
        shown = error.object[max(error.start - 20, 0) : error.end]
        raise Edge2TorchError(
            f"graph: {shown!r} holds a character that text files cannot. Take it out, or write .cx2."
        ) from error
    counts = f"{plural('node', len(network.names))}, {plural('edge', len(network.source))}"
    note("; ".join([f"{final.name}: {counts}", *words]) + ".", quiet=quiet)
    return final


def _fill(
    final: Path,
    chosen: str,
    network: Network,
    place: NDArray[np.float64] | None,
    level: float | None,
    is_placed: bool,
    relations: str,
    interactome: EdgesLike | None,
    uuid: str | None,
) -> list[str]:
    """Write the file, and what belongs beside it; return what is to be said."""
    if chosen == "cx2":
        _write(final, cx2_text(network, place, level=level))
    elif chosen == "cyjs":
        text, renamed = cyjs_text(network, place)
        _write(final, text)
        return [f"renamed: {old} to {new}" for old, new in renamed.items()]
    elif chosen == "graphml":
        write_file(final, lambda draft: write_graphml(network, place, draft))
    elif chosen == "sif":
        tables = write_sif(network, final, relations)
        words = [f"with {' and '.join(table.name for table in tables)}"]
        if relations == "words" and "relation" in network.edges and any(network.signs):
            words.append(
                f"the table's own words stand between nodes: signs are in {tables[1].name}, and "
                "relations='signs' writes them"
            )
        return words
    else:
        return _write_hcx(final, network, interactome, uuid, level, is_placed)
    return []


def _write_hcx(
    final: Path,
    network: Network,
    interactome: EdgesLike | None,
    uuid: str | None,
    level: float | None,
    is_placed: bool,
) -> list[str]:
    """Write the hierarchy, and the network of its members if there is one; return what to say."""
    words, beside, name = [], None, None
    if interactome is not None:
        second = final.with_name(f"{final.stem}_interactome.cx2")
        name = second.stem
        beside = read_network(interactome, title=name)
        _write(second, cx2_text(beside, None, level=level))
        words.append(f"with {second.name}")
    text = hcx_text(
        network,
        level=level,
        place=node_positions if is_placed else None,
        interactome=beside,
        interactome_name=name,
        interactome_uuid=uuid,
    )
    _write(final, text)
    if uuid is None:
        there = (
            "have edges between its inputs written by interactome=, upload them"
            if interactome is None
            else f"upload {name}.cx2"
        )
        words.append(
            f"opens as a plain network; for the hierarchy view {there} to NDEx, and give "
            "interactome_uuid="
        )
    return words


def _write(path: Path, text: str) -> None:
    write_file(path, lambda draft: draft.write_text(text, encoding="utf-8", newline="\n"))


def _place(network: Network) -> NDArray[np.float64]:
    return node_positions(network.layer, network.source, network.target)


def _format(path: Path, given: str) -> str:
    if given != "auto":
        return check_choice("format", given, ("auto", *_FORMATS))
    if path.suffix.lower() not in _ENDINGS:
        raise Edge2TorchError(
            f"path={str(path)!r}: networks are written as {listing(_ENDINGS)}, by the ending, "
            "unless write_network(format=) says which."
        )
    return path.suffix.lower()[1:]


def _check(
    path: Path,
    chosen: str,
    level: float,
    positions: bool,
    style: bool,
    relations: str,
    interactome: EdgesLike | None,
    uuid: str | None,
) -> None:
    check_number("level", level, above=0, below=1)
    check_flag("positions", positions)
    check_flag("style", style)
    check_choice("relations", relations, ("words", "signs"))
    if relations != "words" and chosen != "sif":
        raise Edge2TorchError(f"relations={relations!r} is for SIF files, found format {chosen!r}.")
    for argument, value in (("interactome", interactome), ("interactome_uuid", uuid)):
        if value is not None and chosen != "hcx":
            raise Edge2TorchError(
                f"{argument} is for HCX, a file that ends in .hcx, found format {chosen!r}."
            )
    if path.is_dir():
        raise Edge2TorchError(f"path={str(path)!r} is a folder; give a file.")
    if not path.parent.is_dir():
        raise Edge2TorchError(f"path={str(path)!r}: the folder {str(path.parent)!r} is missing.")
