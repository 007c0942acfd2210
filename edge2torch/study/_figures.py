"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.files import write_file
from edge2torch._core.messages import plural, require
from edge2torch.compile import bare_labels
from edge2torch.plot import draw_graph, plot_flow, plot_node_heatmap, plot_top_nodes
from edge2torch.study._outcomes._outcome import Section
from edge2torch.study._pipeline import Results
from edge2torch.study._tables import heading_of

_PANELS, _BARS, _ROWS = 16, 8, 36
_ROWS_OF_CLASS, _LABEL = 8, 44
_COLUMNS, _NAMED = 4, 8  # of the flow: more layers or more names are too small to be read
_DPI = 130


def draw_figures(results: Results, folder: Path) -> dict[str, Path]:
    """Write the pictures that there is something to draw in, and return them by name."""
    attribution = results.attribution
    made = {"network": write_file(folder / "network.svg", lambda path: _network(results, path))}
    for part in sections_of(results):
        for name, drawing in part.figures.items():
            made[name] = _save(folder / f"{name}.png", drawing.draw)
    if not results.has_learned:
        return made
    if results.flow.table["attribution"].any():
        made["flow"] = _save(folder / "flow.png", lambda: _flow(results))
    if attribution.nodes.empty:
        return made
    made["top_nodes"] = _save(folder / "top_nodes.png", lambda: _bars(results))
    if len(attribution.groups) > 1:
        made["heatmap"] = _save(folder / "heatmap.png", lambda: _heatmap(results))
    return made


def sections_of(results: Results) -> list[Section]:
    """Parts of the report that only this outcome has."""
    study = results.study
    return study.task.outcome.sections(
        study.task, results.predictions, study.words, results.permuted
    )


def _called(results: Results) -> dict[str, str]:
    artifact = results.study.network.artifact
    return bare_labels(artifact.labels, artifact.graph.node_names)


def importance(results: Results) -> pd.Series:
    """Mean magnitude over classes, of features and inner nodes alike."""
    found = results.attribution
    parts = [part.abs().mean(axis=1) for part in (found.features, found.nodes) if len(part)]
    joined: pd.Series = pd.concat(parts)
    return joined


def _network(results: Results, path: Path) -> None:
    words, learned = results.study.words, results.has_learned
    both = f"{plural(words.feature)} and {plural(words.node)}"
    axes = draw_graph(
        results.study.network.artifact,
        scores=importance(results) if learned else None,
        weights=results.weights if learned else None,
        engine="matplotlib",  # the same picture on every machine
        path=path,
        title=f"Importance of {both} (red: more important)" if learned else "The given edges",
        score_label="mean |attribution|",
        label_width=40,
    )
    _close(axes.figure)


def flow_columns(results: Results) -> tuple[int, int]:
    """How many layers the picture of the flow shows, and how many lead to its end."""
    network = results.study.network
    ends = network.outputs if _flow_output(results) is None else (results.flow.group,)
    layers = enumerate(network.artifact.node_names_by_layer.values(), start=1)
    whole = max(k for k, names in layers if set(names) & set(ends))
    return min(whole, _COLUMNS), whole


def _flow_output(results: Results) -> str | None:
    """The class's own output; where a layer stands on top, all of them."""
    network = results.study.network
    return None if network.head or len(network.outputs) == 1 else results.flow.group


def _flow(results: Results) -> Any:
    """What leads to the end of the flow; of a deep network, through its last layers."""
    flow, artifact = results.flow, results.study.network.artifact
    shown, whole = flow_columns(results)
    layers = list(artifact.node_names_by_layer.values())
    inside = {name for names in layers[whole - shown : whole] for name in names}
    table = flow.table[flow.table["source"].isin(inside) & flow.table["target"].isin(inside)]
    end = heading_of(results, flow.group)
    title = f"From {plural(results.study.words.feature)} to {end}"
    if shown < whole:
        title = f"To {end}, through the last {shown} of {whole} layers"
    return plot_flow(
        artifact,
        table if table["attribution"].any() else flow.table,
        output=_flow_output(results),
        n=_NAMED if shown == _COLUMNS else 12,
        title=title,
    ).figure


def _heatmap(results: Results) -> Any:
    """Few rows for few classes; no wider than the names need."""
    words, nodes = results.study.words, results.attribution.nodes.rename(index=_called(results))
    return plot_node_heatmap(
        nodes,
        n=min(_ROWS, _ROWS_OF_CLASS * len(nodes.columns)),
        title=f"{plural(words.node).capitalize()} × {plural(words.group)}",
        label_width=min(_LABEL, max(map(len, nodes.index))),
    ).figure


def _bars(results: Results) -> Any:
    """One panel per class; the largest classes where there are too many."""
    found, task = results.attribution, results.study.task
    groups = found.groups
    if len(groups) > _PANELS:
        sizes = np.bincount(task.values)
        largest = sorted(np.argsort(-sizes, kind="stable")[:_PANELS])
        groups = [groups[k] for k in largest]
    names = _called(results)
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
            found.nodes[group].fillna(0.0).rename(names),
            n=_BARS,
            spread=found.node_sd[group].rename(names) if results.study.settings.seeds > 1 else None,
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
