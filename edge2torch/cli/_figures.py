"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.cli._pipeline import Results
from edge2torch.cli._settings import plural
from edge2torch.errors import require
from edge2torch.files import write_file
from edge2torch.plot import (
    draw_graph,
    plot_degree_bias,
    plot_flow,
    plot_node_heatmap,
    plot_stability,
    plot_top_nodes,
)

_PANELS, _BARS, _ROWS = 16, 8, 36
_DPI = 130


def draw_figures(results: Results, folder: Path) -> dict[str, Path]:
    """Write the pictures that there is something to draw in, and return them by name."""
    attribution, words = results.attribution, results.study.words
    made = {"network": write_file(folder / "network.svg", lambda path: _network(results, path))}
    if results.flow.table["attribution"].any():
        made["flow"] = _save(folder / "flow.png", lambda: _flow(results))
    if attribution.nodes.empty:
        return made
    labels = results.study.network.artifact.with_labels
    made["top_nodes"] = _save(folder / "top_nodes.png", lambda: _bars(results))
    if len(attribution.groups) > 1:
        title = f"{plural(words.node).capitalize()} × {plural(words.group)}"
        made["heatmap"] = _save(
            folder / "heatmap.png",
            lambda: plot_node_heatmap(labels(attribution.nodes), n=_ROWS, title=title).figure,
        )
    if results.trust is not None:
        trust = results.trust
        title = f"{plural(words.node).capitalize()}: score against number of edges"
        made["degree_bias"] = _save(
            folder / "degree_bias.png", lambda: plot_degree_bias(labels(trust.table), title=title)
        )
        made["stability"] = _save(
            folder / "stability.png",
            lambda: (
                plot_stability(
                    labels(trust.replicates.scores), xlabel=f"score (1: an average {words.node})"
                ).figure
            ),
        )
    return made


def importance(results: Results) -> pd.Series:
    """Mean magnitude over classes, of features and inner nodes alike."""
    found = results.attribution
    parts = [part.abs().mean(axis=1) for part in (found.features, found.nodes) if len(part)]
    joined: pd.Series = pd.concat(parts)
    return joined


def _network(results: Results, path: Path) -> None:
    words = results.study.words
    axes = draw_graph(
        results.study.network.artifact,
        scores=importance(results),
        weights=results.weights,
        engine="matplotlib",  # the same picture on every machine
        path=path,
        title="Importance of "
        f"{plural(words.feature)} and {plural(words.node)} (red: more important)",
        score_label="mean |attribution|",
        label_width=40,
    )
    _close(axes.figure)


def _flow(results: Results) -> Any:
    """What leads to the class's own output; where a layer stands on top, to all of them."""
    flow, network = results.flow, results.study.network
    artifact = network.artifact
    return plot_flow(
        artifact,
        flow.table,
        output=None if network.head or len(network.outputs) == 1 else flow.group,
        title=f"From {plural(results.study.words.feature)} to {flow.group}",
    ).figure


def _bars(results: Results) -> Any:
    """One panel per class; the largest classes where there are too many."""
    found, task = results.attribution, results.study.task
    groups = found.groups
    if len(groups) > _PANELS:
        sizes = np.bincount(task.values)
        largest = sorted(np.argsort(-sizes, kind="stable")[:_PANELS])
        groups = [groups[k] for k in largest]
    labels = results.study.network.artifact.with_labels
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure, axes = require("matplotlib.pyplot", extra="plot").subplots(
        rows, columns, figsize=(7.2 * columns, 3.0 * rows), layout="constrained", squeeze=False
    )
    figure.get_layout_engine().set(h_pad=0.1)
    for k, ax in enumerate(axes.flat):
        if k >= len(groups):
            ax.set_axis_off()
            continue
        group = groups[k]
        plot_top_nodes(
            labels(found.nodes[group].fillna(0.0)),
            n=_BARS,
            spread=labels(found.node_sd[group]) if results.study.settings.seeds > 1 else None,
            title=group,
            xlabel="attribution" if k >= len(groups) - columns else "",
            label_width=46,
            ax=ax,
        )
    return figure


def _save(path: Path, draw: Callable[[], Any]) -> Path:
    figure = draw()
    try:
        return write_file(path, lambda draft: figure.savefig(draft, dpi=_DPI, facecolor="white"))
    finally:
        _close(figure)


def _close(figure: Any) -> None:
    require("matplotlib.pyplot", extra="plot").close(figure)
