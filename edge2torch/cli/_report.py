"""One self-contained page that a biologist can open and read."""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.resources
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.cli._metrics import MAIN
from edge2torch.cli._pipeline import KPNN, SHUFFLED, WIDER, Results
from edge2torch.cli._settings import plural
from edge2torch.cli._tables import confusion_table, score_summary, top_nodes
from edge2torch.cli._trust_words import trust_groups, trust_sentences
from edge2torch.cli._verdict import Verdict, show, verdicts
from edge2torch.errors import listing, require

_TOP = 5
_FEW_HELD_OUT = 10
_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
_METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss (lower is better)",
    "r2": "R²",
    "pearson_r": "Pearson r",
    "rmse": "RMSE (lower is better)",
}


@dataclass(frozen=True)
class Story:
    """What a report says about where its data come from.

    Parameters
    ----------
    title : str
        The page's heading.
    data, graph : str
        A sentence each on the data and on the edges.
    caveats : tuple of str
        What a reader must know about these data beside what holds for all.
    command : str
        What to type to get the report again.
    """

    title: str
    data: str
    graph: str
    caveats: tuple[str, ...]
    command: str


def render(results: Results, story: Story, figures: dict[str, Path]) -> str:
    """Return the page as HTML, pictures inside."""
    jinja = require("jinja2", extra="cli")
    source = importlib.resources.files("edge2torch.cli").joinpath("report.html.j2")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    study = results.study
    return str(
        environment.from_string(source.read_text(encoding="utf-8")).render(
            story=story,
            words=study.words,
            plural=plural,
            task=study.task,
            verdicts=verdicts(results),
            steps=_steps(results, story),
            caveats=_caveats(results, story),
            scores=_score_rows(results),
            metrics=[_METRICS[name] for name in _metric_names(results)],
            groups=_groups(results),
            confusion=_confusion(results),
            figures={name: _inline(path) for name, path in figures.items()},
            facts=_facts(results),
            trust=trust_sentences(results),
            trust_groups=trust_groups(results, _TOP),
            kpnn=KPNN,
            shuffled=SHUFFLED,
            wider=WIDER if study.wider else None,
        )
    )


def _inline(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{_MEDIA[path.suffix]};base64,{content}"


def _metric_names(results: Results) -> list[str]:
    return [name for name in _METRICS if name in results.scores.columns]


def _score_rows(results: Results) -> list[dict[str, Any]]:
    rows = []
    for row in score_summary(results).to_dict("records"):
        cells = []
        for name in _metric_names(results):
            mean, sd = show(row[f"{name}_mean"], name), show(row[f"{name}_sd"], name)
            cells.append(f"{mean.removesuffix(' %')} ± {sd}")
        rows.append({"model": row["model"], "features": row["features"], "cells": cells})
    return rows


def _groups(results: Results) -> list[dict[str, Any]]:
    table, label = top_nodes(results, _TOP), results.study.task.label
    return [
        # A bare number is no heading.
        {"name": f"{label} {name}" if name.isdigit() else name, "rows": part.to_dict("records")}
        for name, part in table.groupby(table["class"].astype(str), sort=False)
    ]


def _confusion(results: Results) -> dict[str, Any] | None:
    if results.study.task.kind == "regression":
        return None
    table = confusion_table(results)
    names = list(results.study.task.classes)
    counts, shares = table["held out"].tolist(), table[names].to_numpy().tolist()
    rows = [
        {
            "name": name,
            "held_out": count,
            "cells": [(share, name == other) for share, other in zip(row, names, strict=True)],
        }
        for name, count, row in zip(names, counts, shares, strict=True)
    ]
    return {"classes": names, "rows": rows}


def _steps(results: Results, story: Story) -> list[tuple[str, str]]:
    study, split, settings = results.study, results.sizes, results.study.settings
    words, artifact = study.words, study.network.artifact
    samples, features = plural(words.sample), plural(words.feature)
    layers = [len(names) for names in artifact.node_names_by_layer.values()]
    notes = " ".join(results.notes)
    seeds = plural("seed", settings.seeds)
    return [
        ("Data", f"{story.data} {' '.join(study.dataset.notes)} {' '.join(study.task.notes)}"),
        (
            "Network",
            (
                f"{story.graph} {' '.join(study.network.notes)} The network has "
                f"{plural('edge', artifact.graph.n_edges)} in {len(layers)} layers of "
                f"{', '.join(f'{size:,}' for size in layers)} nodes, one weight per edge."
            ),
        ),
        (
            "Split",
            (
                f"{len(split.test):,} {samples} were held out for testing, {len(split.validation):,} "
                f"decided when to stop, {len(split.train):,} were trained on. All of it was repeated "
                f"with {seeds}: another split, another start, another shuffle each time."
            ),
        ),
        (
            "Scaling",
            f"Each of the {features} was centred and divided by its standard deviation, both taken "
            "from the training part only, and cut off at ten standard deviations. "
            + ("Missing values were filled in. " if "Missing values" in notes else ""),
        ),
        (
            "Training",
            (
                f"Adam with weight decay; {settings.node_activation} and batch normalisation at every "
                f"inner node; {settings.input_dropout:.0%} of the {features} and "
                f"{settings.node_dropout:.0%} of the inner nodes hidden at random at each step. At "
                f"most {settings.epochs} passes, the best number of them chosen on the validation "
                f"part ({results.first.epochs} for the first seed); then trained anew on training and "
                "validation part together. The linear model chose its penalty in the same way."
            ),
        ),
        (
            "Shuffle",
            (
                "The same network, trained in the same way, after exchanging the ends of edges at "
                "random, so that every node keeps its number of edges and only the knowledge of what "
                "belongs together is lost. Where every source meets every target nothing can move; "
                f"of the other edges {100 * results.changed_edges:.0f} % moved."
            ),
        ),
        ("Attribution", _attribution_words(results)),
    ]


def _attribution_words(results: Results) -> str:
    words = results.study.words
    how = (
        f"Inner nodes by layer conductance (doi:10.48550/arXiv.1805.12233), "
        f"{plural(words.feature)} by integrated gradients (doi:10.48550/arXiv.1703.01365), each "
        f"held-out {words.sample} against the average training {words.sample}. "
    )
    if results.study.task.kind == "regression":
        return how + (
            f"Shown is the mean over {plural(words.sample)} in the upper half of the label minus "
            "the mean over the lower half; then the mean over seeds."
        )
    return how + (
        f"A {words.group}'s score is taken against the mean score of all, since only differences "
        f"decide, and averaged over held-out {plural(words.sample)} of that {words.group}; then "
        "over seeds."
    )


def _caveats(results: Results, story: Story) -> list[str]:
    study, words = results.study, results.study.words
    said = [
        (
            f"An attribution says what this network used to tell {plural(words.sample)} apart. It is "
            "no evidence of a cause."
        ),
        (
            f"The sign says whether a {words.node} spoke for or against the prediction. It does not "
            f"say that the {words.node} is up or down: the arrows behind its {plural(words.feature)} "
            "say where those stand."
        ),
        (
            f"Where {plural(words.node)} share {plural(words.feature)}, they compete for the credit, "
            f"and which one gets it may differ between runs. Trust {plural(words.node)} whose sign is "
            "the same in all seeds and whose spread is small."
        ),
        (
            f"The split is random by {words.sample}. If several come from one donor or batch, scores "
            "for new donors may be lower."
        ),
    ]
    if study.task.kind == "classification":
        table = confusion_table(results)["held out"]
        few = sorted(table.index[table < _FEW_HELD_OUT * study.settings.seeds])
        if few:
            said.append(
                f"Few held-out {plural(words.sample)} (fewer than {_FEW_HELD_OUT} per seed) stand "
                f"behind {listing(few, 10)}: read these with care."
            )
    said += [
        f"{verdict.text} So a high-ranking {words.node} is a readable summary of its "
        f"{plural(words.feature)}, not a finding about the {words.node} itself."
        for verdict in verdicts(results)[-1:]
        if verdict.good is False
    ]
    return [*said, *story.caveats]


def _facts(results: Results) -> list[tuple[str, str]]:
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "captum", "numpy", "pandas", "scikit-learn")
    ]
    settings = vars(results.study.settings) | {
        "batch_size": results.study.settings.batch_of(len(results.sizes.fit))
    }
    return [
        ("Time", f"{results.seconds:.0f} s"),
        ("Settings", ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in settings.items())),
        ("Software", f"Python {platform.python_version()}, {', '.join(versions)}"),
    ]


def summary(results: Results, story: Story) -> dict[str, Any]:
    """Return the numbers and sentences of a report, ready for JSON."""
    table = score_summary(results)
    return {
        "title": story.title,
        "command": story.command,
        "task": results.study.task.kind,
        "label": results.study.task.label,
        "classes": list(results.study.task.classes),
        "main_score": MAIN[results.study.task.kind],
        "scores": [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")],
        "verdicts": [_verdict(verdict) for verdict in verdicts(results)],
        "trust": trust_sentences(results),
        "notes": list(results.notes),
        "settings": vars(results.study.settings),
        "seconds": round(results.seconds, 1),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"good": verdict.good, "text": verdict.text}


def _plain(value: Any) -> Any:
    """Turn NumPy scalars into Python's, and NaN into null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and pd.isna(value) else value
