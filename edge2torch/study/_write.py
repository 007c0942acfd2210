"""Write everything that a study found into one folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from edge2torch._core.files import write_file
from edge2torch.study._figures import draw_figures
from edge2torch.study._node_table import NETWORK, write_for_others
from edge2torch.study._outcomes import OUTCOMES, outcome_of
from edge2torch.study._pipeline import Results
from edge2torch.study._report import render
from edge2torch.study._report_words import ReportText
from edge2torch.study._saved import save_model
from edge2torch.study._summary import summary
from edge2torch.study._tables import top_nodes, wide_attribution
from edge2torch.study._trust_words import found_table

_ALL_RANKS = 20
_RANKINGS = ("node_attribution", "feature_attribution", "top_nodes", "edge_attribution")
# what a run may write or not, and so must not leave from an earlier one beside its own
_SOMETIMES = {
    *(f"{name}.csv" for name in (*_RANKINGS, "found_nodes", "covariates", "permutations")),
    *(
        f"{name}.csv" for name in ("node_significance", "replicates", "head_scores")
    ),  # of earlier versions
    *(f"{name}.png" for name in ("flow", "top_nodes", "heatmap", "degree_bias", "stability")),
}


def write_results(results: Results, story: ReportText, folder: Path) -> list[Path]:
    """Write tables, figures, model and report; return the files, the report last.

    Of a network that learned nothing no ranking is written. What an earlier run into the same
    folder wrote, and this one does not, is removed.
    """
    tables = {**_tables(results), **story.tables}
    written = [_write_table(table, folder / f"{name}.csv") for name, table in tables.items()]
    save_model(folder, results)
    figures = draw_figures(results, folder)
    text = json.dumps(summary(results, story), indent=2, ensure_ascii=False)
    written.append(
        write_file(folder / "summary.json", lambda path: path.write_text(text, encoding="utf-8"))
    )
    written.append(write_for_others(results, story.title, folder / NETWORK))
    page = render(results, story, figures)
    report = write_file(
        folder / "report.html", lambda path: path.write_text(page, encoding="utf-8")
    )
    files = [*written, folder / "model", *figures.values(), report]
    others = {name for task in OUTCOMES for name in outcome_of(task).files}
    for name in (_SOMETIMES | others) - {path.name for path in files}:
        (folder / name).unlink(missing_ok=True)
    return files


def _write_table(table: pd.DataFrame, path: Path) -> Path:
    return write_file(path, lambda draft: table.to_csv(draft, float_format="%.6g"))


def _tables(results: Results) -> dict[str, pd.DataFrame]:
    found, label = results.attribution, results.study.network.artifact.label
    layer = {
        name: layer
        for layer, names in results.study.network.artifact.node_names_by_layer.items()
        for name in names
    }
    nodes = wide_attribution(found.nodes, found.node_sd, "node")
    nodes.insert(0, "layer", [layer[str(name)] for name in nodes.index])
    features = wide_attribution(found.features, found.feature_sd, "feature")
    tables = {
        "scores": results.scores.set_index("model"),
        "intervals": results.intervals.set_index("model")
        if len(results.intervals)
        else results.intervals,
        "node_attribution": nodes,
        "feature_attribution": features,
        "top_nodes": top_nodes(results, _ALL_RANKS).drop(columns="label").set_index("class"),
        "edge_weights": results.weights.set_index("source"),
        "edge_attribution": results.flow.table.assign(**{"class": results.flow.group}).set_index(
            "class"
        ),
        "predictions": results.predictions,
        "scaling": results.first.scaler.as_frame(),
    }
    if len(results.permuted):
        tables["permutations"] = results.permuted
    if len(results.head_scores):
        own = results.head_scores.groupby("node", sort=False).mean(numeric_only=True)
        tables["head_scores"] = own.drop(columns="seed")
    if results.first.beside is not None:
        tables["covariates"] = results.first.beside.as_frame(results.study.task.answers)
    if not results.has_learned:
        tables = {name: table for name, table in tables.items() if name not in _RANKINGS}
    if results.trust is not None:
        tables["found_nodes"] = found_table(results.trust)
    task = results.study.task
    tables |= task.outcome.tables(task, results.predictions)
    if results.study.network.artifact.labels:
        for table in (nodes, features):
            table.insert(0, "label", [label(str(name)) for name in table.index])
        for name in {"top_nodes", "found_nodes"} & set(tables):
            place = list(tables[name].columns).index("node")
            tables[name].insert(place + 1, "label", tables[name]["node"].astype(str).map(label))
    return tables
