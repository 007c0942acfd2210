"""A network to click: an SVG, what is known of its nodes, and one script of our own."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from html import escape

import numpy as np
import pandas as pd

from edge2torch.compile import CompileArtifact, bare_labels
from edge2torch.plot._names import short_labels
from edge2torch.plot._records import NodeFacts, as_script, records
from edge2torch.plot._subgraph import Subgraph, choose_subgraph
from edge2torch.plot._svg import FONT, LARGEST, NO_SCORE, svg
from edge2torch.plot._wrapped import wrap_layers

MOST_NODES, MOST_EDGES = 300, 1000
_WIDTH = 30  # characters of a label
_SIGNED, _MAGNITUDE = (
    ", blue − to red +",
    ", mean magnitude: the redder, the more",
)  # as in the script

_WEIGHTS = {
    "signs": "weight, red positive, blue and dashed negative",
    "sizes": "width by the size of weights",
}


@dataclass(frozen=True)
class ClickableNetwork:
    """What stands in a page; style and script are those of every page.

    Parameters
    ----------
    markup : str
        The element to put where the picture goes.
    """

    markup: str

    @cached_property
    def style(self) -> str:
        """What goes into a ``<style>``."""
        return _file("network.css")

    @cached_property
    def script(self) -> str:
        """What goes into a ``<script>`` behind the markup, unchanged: the policy knows its hash."""
        return _file("network.js")

    @property
    def policy(self) -> str:
        """A Content-Security-Policy that runs this script, and lets nothing in or out."""
        digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
        return (
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        )

    def page(self, title: str) -> str:
        """Return a whole page around it."""
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(self.policy)}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>{escape(title)}</title>\n<meta name="color-scheme" content="light dark">\n'
            f"<style>{_file('page.css')}{self.style}</style>\n</head>\n<body>\n"
            f"<h1>{escape(title)}</h1>\n{self.markup}\n<script>{self.script}</script>\n"
            "</body>\n</html>\n"
        )


@lru_cache
def _file(name: str) -> str:
    return importlib.resources.files("edge2torch.plot").joinpath(name).read_text(encoding="utf-8")


def clickable_network(
    artifact: CompileArtifact,
    facts: NodeFacts,
    weights: pd.DataFrame | None = None,
    *,
    outputs: Iterable[str] | None = None,
    max_nodes: int = MOST_NODES,
    max_edges: int = MOST_EDGES,
    level: float = 0.05,
    score_label: str = "attribution",
    group: str = "class",
    roles: Sequence[str] = ("input", "node", "output"),
    headers: Sequence[str] = ("inputs", "nodes", "outputs"),
) -> ClickableNetwork:
    """Lay out the most important part of a graph, and write down what is known of its nodes.

    Nodes that are found are in the picture before any others.
    """
    chosen = _first_the_found(facts)
    graph = choose_subgraph(
        artifact,
        scores=chosen,
        weights=weights,
        outputs=outputs,
        max_nodes=max_nodes,
        max_edges=max_edges,
    )
    graph = _with_scores(graph, facts)
    called = bare_labels(artifact.labels, artifact.graph.node_names)
    labels = short_labels([called.get(name, name) for name in graph.names], _WIDTH)
    full = [artifact.label(name) for name in graph.names]
    words = _layer_words(graph, headers)
    layout = wrap_layers(graph.layer, graph.source, graph.target, labels, words, FONT)
    data, n_unknown = records(artifact, graph, facts, weights, level=level, roles=roles)
    found, (width, height) = facts.found, layout.size
    picture = svg(
        graph,
        layout,
        labels,
        full,
        _spoken(graph, full, facts),
        words,
        [name in found for name in graph.names],
        name="The network. Arrow keys move between nodes, Enter selects.",
        is_signed=facts.is_signed,
    )
    return ClickableNetwork(
        '<div class="net">'
        f"{_omitted(graph, facts, n_unknown, artifact)}"
        f"{_controls(data['classes'], facts.tests is not None, level, group)}"
        '<div class="net-main"><div class="net-picture" style="contain-intrinsic-height: '
        # the width of .net less that of the panel beside the picture
        f"min(88vh, {LARGEST * height:.0f}px, (min(94vw, 92rem) - 21rem) * {height / width:.4f})"
        f'">{picture}</div>'
        '<aside class="net-panel" aria-live="polite" aria-label="The selected node" hidden></aside>'
        f"</div>{_legend(graph, facts, score_label)}"
        f'<script type="application/json">{as_script(data)}</script></div>'
    )


def _first_the_found(facts: NodeFacts) -> pd.Series | None:
    scores = facts.importance
    if scores is None or scores.empty:
        return None
    above = 1.0 + float(scores.abs().max())
    lift = pd.Series([above if name in facts.found else 0.0 for name in scores.index], scores.index)
    return scores.abs() + lift


def _with_scores(graph: Subgraph, facts: NodeFacts) -> Subgraph:
    """Put the scores back that the choice of nodes was made by."""
    shown = facts.importance
    score = np.full(len(graph.names), np.nan)
    if shown is not None:
        score = shown.reindex(graph.names).to_numpy(np.float64)
    return replace(graph, score=score)


def _layer_words(graph: Subgraph, headers: Sequence[str]) -> list[str]:
    """Words above each layer, such as ``genes (20 of 282)``; inner ones have a name if there is one."""
    layers = [k for k, _, _ in graph.layer_sizes]
    first, middle, end = headers
    named = {layers[0]: first}
    if graph.is_output[graph.layer == layers[-1]].all():
        named[layers[-1]] = end
    inner = [k for k in layers if k not in named]
    if len(inner) == 1:
        named[inner[0]] = middle
    return [
        f"{named.get(k, f'layer {k}')} ({shown if shown == size else f'{shown:,} of {size:,}'})"
        for k, shown, size in graph.layer_sizes
        if shown
    ]


def _spoken(graph: Subgraph, full: list[str], facts: NodeFacts) -> list[str]:
    """What a screen reader says of each node."""
    q: dict[str, float] = {}
    if facts.tests is not None:
        largest = facts.tests[["q_use", "q_specific"]].max(axis=1)
        q = {str(name): float(value) for name, value in largest.items() if np.isfinite(value)}
    spoken = []
    for name, label, score in zip(graph.names, full, graph.score.tolist(), strict=True):
        number = f"{score:+.2g}" if facts.is_signed else f"{score:.2g}"
        words = label if np.isnan(score) else f"{label}, score {number.replace('-', '−')}"
        spoken.append(f"{words}, q {q[name]:.2g}" if name in q else words)
    return spoken


def _omitted(graph: Subgraph, facts: NodeFacts, n_unknown: int, artifact: CompileArtifact) -> str:
    """What the picture leaves out, in words: they are printed with it."""
    parts, sizes = [], [(shown, size) for _, shown, size in graph.layer_sizes]
    shown, total = (sum(column) for column in zip(*sizes, strict=True))
    n_edges = len(artifact.graph.active_rows)
    if shown < total:
        first = "the found ones and then " if facts.found & set(graph.names) else ""
        by = "of most influence" if facts.importance is None else "of largest magnitude"
        layers = ", ".join(f"{few:,} of {all_of:,}" for few, all_of in sizes)
        parts += [
            f"In the picture: {shown:,} of {total:,} nodes, {first}in each layer those {by} ({layers})"
        ]
    elif len(graph.source) < n_edges:
        parts += [f"In the picture: all {total:,} nodes"]
    if parts:
        parts[0] += f"; the strongest {len(graph.source):,} of {n_edges:,} edges."
    if n_unknown:
        known = artifact.graph.n_nodes - n_unknown
        parts += [f"The search knows {known:,} of {known + n_unknown:,} nodes."]
    return f'<p class="net-omitted">{escape(" ".join(parts))}</p>' if parts else ""


def _controls(classes: list[str], is_tested: bool, level: float, group: str) -> str:
    """Search, filter and zoom; hidden until the script is there to make them work."""
    parts = [
        (
            '<label>Find a node <input type="search" class="net-search" role="combobox" '
            'aria-expanded="false" aria-controls="net-list" aria-autocomplete="list" '
            'autocomplete="off" spellcheck="false"></label>'
            '<ul class="net-list" id="net-list" role="listbox" aria-label="Nodes" hidden></ul>'
        )
    ]
    if is_tested:
        limits = sorted({0.01, 0.05, 0.1, level})
        options = "".join(
            f'<option value="{one:g}">q below {one:g}{" (found)" if one == level else ""}</option>'
            for one in limits
        )
        parts += [
            (
                '<label>Show <select class="net-q"><option value="">all nodes</option>'
                f"{options}</select></label>"
            )
        ]
    if len(classes) > 1:
        options = "".join(f"<option>{escape(name)}</option>" for name in classes)
        parts += [
            (
                f'<label>Colour by {escape(group)} <select class="net-class"><option>all</option>'
                f"{options}</select></label>"
            )
        ]
    parts += [
        (
            '<span class="net-zoom" role="group" aria-label="Zoom"><button type="button" data-zoom="in" '
            'aria-label="Zoom in">+</button><button type="button" data-zoom="out" '
            'aria-label="Zoom out">−</button><button type="button" data-zoom="all">whole</button></span>'
            '<output class="net-count" aria-live="polite"></output>'
        )
    ]
    return f'<div class="net-controls" hidden>{"".join(parts)}</div>'


def _legend(graph: Subgraph, facts: NodeFacts, score_label: str) -> str:
    parts = []
    if np.isfinite(graph.score).any():
        parts += [
            (
                f'<span class="net-scale" aria-hidden="true"></span>{escape(score_label)}'
                f'<span class="net-what">{_SIGNED if facts.is_signed else _MAGNITUDE}</span>'
            )
        ]
        parts += [
            f'<span class="net-chip" style="background:{NO_SCORE}" aria-hidden="true"></span>no score'
        ]
    if facts.found & set(graph.names):
        parts += ['<span class="net-chip net-thick" aria-hidden="true"></span>thick border: found']
    if shown := graph.weights_shown:
        parts += [f"lines: {_WEIGHTS[shown]}"]
    words = "".join(f"<span>{part}</span>" for part in parts)
    return f'<p class="net-legend">{words}</p>' if parts else ""
