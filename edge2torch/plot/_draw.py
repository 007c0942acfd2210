"""``draw_graph``: the network in layers, nodes coloured by what they contribute."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from torch.nn import Module

from edge2torch._core.checks import check_count
from edge2torch._core.files import write_file
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.plot._clickable import MOST_EDGES, MOST_NODES, clickable_network
from edge2torch.plot._graphviz import draw_with_graphviz
from edge2torch.plot._matplotlib import draw_with_matplotlib
from edge2torch.plot._names import short_labels
from edge2torch.plot._records import NodeFacts
from edge2torch.plot._scores import node_scores
from edge2torch.plot._style import check_path, save_axes, save_digraph
from edge2torch.plot._subgraph import Subgraph, choose_subgraph

_MOST = (60, 180)  # nodes and edges of a still picture


def draw_graph(
    artifact: CompileArtifact | Module,
    *,
    scores: Any | None = None,
    weights: pd.DataFrame | None = None,
    outputs: Iterable[str] | None = None,
    max_nodes: int | None = None,
    max_edges: int | None = None,
    engine: Literal["auto", "graphviz", "matplotlib"] = "auto",
    path: str | Path | None = None,
    title: str | None = None,
    score_label: str = "attribution",
    label_width: int = 32,
    ax: Any | None = None,
) -> Any:
    """Draw a compiled graph layer by layer, inputs on the left.

    A graph that is too large is reduced to its most important part, and the title says so: each
    layer gets an even share of ``max_nodes``, filled by the nodes of largest score among those
    that lead to what is shown. Nodes without a score rank by the share that they have, through
    their edges, in the scores of their targets.

    Parameters
    ----------
    artifact : CompileArtifact or Module
        What ``compile_graph`` returned, or the model, which carries it.
    scores : Series, dict or DataFrame, optional
        A value per node name: red for positive, blue for negative. A frame of samples × nodes,
        or the dict of such frames that ``interpret_model`` returns, is averaged over samples.
    weights : DataFrame, optional
        ``edge_weights(model, artifact)``: colours edges by sign, and widens strong ones.
    outputs : iterable of str, optional
        Draw only what leads to these outputs.
    max_nodes, max_edges : int, optional
        The size above which only a part is drawn: 60 and 180, of a page 300 and 1,000.
    engine : {"auto", "graphviz", "matplotlib"}
        ``"auto"`` takes graphviz where its ``dot`` program is installed.
    path : str or Path, optional
        Also write the picture: ``.svg``, ``.png`` or ``.pdf``; or ``.html``, a page in which nodes can
        be searched and clicked, with neighbours and weights. It needs no network and asks for none.
    title, score_label : str, optional
        Words on the picture.
    label_width : int, default 32
        Longer names are cut, so that what is left tells them apart.
    ax : matplotlib Axes, optional
        Where to draw; makes matplotlib the engine.

    Returns
    -------
    graphviz.Digraph, matplotlib.axes.Axes or Path
        By engine; of a page its path.

    Raises
    ------
    Edge2TorchError
        For scores or weights of another graph, and for ``engine="graphviz"`` with a ``path``
        where ``dot`` is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.plot import draw_graph
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "cell"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> ax = draw_graph(artifact, scores={"tf": 0.8}, engine="matplotlib", path="network.svg")
    >>> sorted(text.get_text() for text in ax.texts)[:4]
    ['attribution', 'cell', 'g1', 'g2']
    """
    artifact = find_artifact(artifact)
    target = None if path is None else check_path(path, ".html")
    is_page = target is not None and target.suffix.lower() == ".html"
    usual = (MOST_NODES, MOST_EDGES) if is_page else _MOST
    max_nodes = check_count("max_nodes", usual[0] if max_nodes is None else max_nodes)
    max_edges = check_count("max_edges", usual[1] if max_edges is None else max_edges)
    values = None if scores is None else node_scores(scores)
    if is_page and target is not None:
        if ax is not None or engine == "graphviz":
            raise Edge2TorchError(
                "path ends in .html: a page takes no ax= and no engine='graphviz'."
            )
        facts = NodeFacts() if values is None else NodeFacts(values.to_frame(score_label))
        network = clickable_network(
            artifact,
            facts,
            weights,
            outputs=outputs,
            max_nodes=max_nodes,
            max_edges=max_edges,
            score_label=score_label,
        )
        page = network.page(title or "The network")
        return write_file(target, lambda draft: draft.write_text(page, encoding="utf-8"))
    chosen = _engine(engine, ax, target)
    graph = choose_subgraph(
        artifact,
        scores=values,
        weights=weights,
        outputs=outputs,
        max_nodes=max_nodes,
        max_edges=max_edges,
    )
    names = [artifact.label(name) for name in graph.names]
    labels, headers = short_labels(names, label_width), _headers(graph)
    words = "\n".join(part for part in (title or "", graph.caption) if part)
    if chosen == "graphviz":
        dot = draw_with_graphviz(graph, labels, headers, title=words, score_label=score_label)
        if target is not None:
            save_digraph(dot, target)
        return dot
    axes = draw_with_matplotlib(graph, labels, headers, title=words, score_label=score_label, ax=ax)
    if target is not None:
        save_axes(axes, target)
    return axes


def _engine(engine: str, ax: Any | None, path: Path | None) -> str:
    if engine not in ("auto", "graphviz", "matplotlib"):
        raise Edge2TorchError(
            f"engine must be 'auto', 'graphviz' or 'matplotlib', found {engine!r}."
        )
    if ax is not None:
        if engine == "graphviz":
            raise Edge2TorchError("ax was given, but graphviz draws on no axes. Leave one out.")
        return "matplotlib"
    has_dot = shutil.which("dot") is not None
    if engine == "graphviz" and path is not None and not has_dot:
        raise Edge2TorchError(
            "engine='graphviz' needs graphviz's `dot` program to write a file, and it is not on "
            "the PATH. Install graphviz, or use engine='matplotlib'."
        )
    return ("graphviz" if has_dot else "matplotlib") if engine == "auto" else engine


def _headers(graph: Subgraph) -> list[str]:
    """Words above each column, such as ``inputs (20 of 282)``."""
    last = max(layer for layer, _, _ in graph.layer_sizes)
    named = {0: "inputs"}
    if graph.is_output[graph.layer == last].all():
        named[last] = "outputs"
    return [
        f"{named.get(k, f'layer {k}')} ({shown if shown == size else f'{shown:,} of {size:,}'})"
        for k, shown, size in graph.layer_sizes
        if shown
    ]
