"""One self-contained page that a biologist can open and read."""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.resources
import io
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge2torch._core.messages import plural, require, wording
from edge2torch.study._figures import flow_columns, sections_of
from edge2torch.study._methods import methods_text
from edge2torch.study._node_table import clickable
from edge2torch.study._outcomes._outcome import Section
from edge2torch.study._pipeline import KPNN, SHUFFLED, WIDER, Results
from edge2torch.study._report_words import ReportText, caveats_of, steps_of
from edge2torch.study._tables import heading_of, interval_cells, score_summary, top_nodes
from edge2torch.study._trust import LEVEL
from edge2torch.study._trust_words import node_rows, trust_sentences
from edge2torch.study._verdict import verdicts

_TOP = 5


def render(results: Results, story: ReportText, figures: dict[str, Path]) -> str:
    """Return the page as HTML, pictures inside."""
    jinja = require("jinja2", extra="cli")
    source = importlib.resources.files("edge2torch.study").joinpath("report.html.j2")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    study, outcome = results.study, results.outcome
    said = wording.get()  # on the command line options stand where the library has arguments
    return str(
        environment.from_string(source.read_text(encoding="utf-8")).render(
            story=story,
            words=study.words,
            plural=plural,
            classes=study.task.classes,
            by_class=outcome.by_class,
            halved_by=outcome.halved_by,
            verdicts=[replace(one, text=said(one.text)) for one in verdicts(results)],
            steps=[(name, said(text)) for name, text in steps_of(results, story)],
            caveats=[said(text) for text in caveats_of(results, story)],
            methods=methods_text(results),
            learned=results.has_learned,
            several=results.study.settings.seeds > 1,
            flow_of=heading_of(results, results.flow.group),
            flow_columns=flow_columns(results),
            scores=_score_rows(results),
            metrics=[metric.heading for metric in outcome.metrics],
            groups=_groups(results),
            confusion=_confusion(results),
            sections=[_section(part) for part in sections_of(results)],
            figures={name: _inline(path) for name, path in figures.items() if name != "network"},
            network=clickable(results),
            facts=_facts(results),
            trust=[said(text) for text in trust_sentences(results)],
            level=f"{LEVEL:g}",
            node_rows=node_rows(results, _TOP),
            kpnn=KPNN,
            shuffled=SHUFFLED,
            wider=WIDER if study.wider else None,
        )
    )


def _inline(path: Path) -> str:
    """Return the picture as a data URI of a third of its size: the browser reads it before it shows anything."""
    image = require("PIL.Image", extra="cli")
    with image.open(path) as picture:
        # 256 colours of our flat pictures' own; none is off by as much as can be seen
        small = picture.convert("RGB").quantize(256, method=image.Quantize.MAXCOVERAGE)
    content = io.BytesIO()
    small.save(
        content, format="PNG", compress_level=8
    )  # of 9 a few % less, in three times the time
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _section(part: Section) -> dict[str, Any]:
    """A part of the report that one outcome has, ready to be shown."""
    tables = {
        title: table.to_html(float_format=lambda x: f"{x:.3g}", border=0, index_names=False)
        for title, table in part.tables.items()
    }
    captions = {name: drawing.caption for name, drawing in part.figures.items()}
    return {"title": part.title, "text": part.text, "tables": tables, "figures": captions}


def _score_rows(results: Results) -> list[dict[str, Any]]:
    rows, found = [], interval_cells(results)
    for row in score_summary(results).to_dict("records"):
        cells = []
        for metric in results.outcome.metrics:
            mean = metric.show(row[f"{metric.name}_mean"])
            between = found.get((row["model"], row["features"], metric.name))
            ends = [metric.show(one).removesuffix(" %") for one in between or ()]
            cells.append((mean, " to ".join(ends)))
        rows.append({"model": row["model"], "features": row["features"], "cells": cells})
    return rows


def _groups(results: Results) -> list[dict[str, Any]]:
    if not results.has_learned:
        return []
    table = top_nodes(results, _TOP)
    found = set() if results.trust is None else set(results.trust.claimed)
    table["found"] = table["node"].isin(found) | (results.trust is None)
    return [
        {"name": heading_of(results, name), "rows": part.to_dict("records")}
        for name, part in table.groupby(table["class"].astype(str), sort=False)
    ]


def _confusion(results: Results) -> dict[str, Any] | None:
    task = results.study.task
    table = task.outcome.tables(task, results.predictions).get("confusion")
    if table is None:
        return None
    names = list(task.classes)
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


def _facts(results: Results) -> list[tuple[str, str]]:
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("edge2torch", "torch", "captum", "numpy", "pandas", "scikit-learn")
    ]
    study, n = results.study, len(results.sizes.fit)
    batch = study.task.outcome.batch_size(n, study.settings.batch_of(n))
    settings = study.settings.of_training(study.task.outcome) | {"batch_size": batch}
    first, count = settings.pop("seed"), settings.pop("seeds")
    return [
        ("Seeds", f"{first}" if count == 1 else f"{first} to {first + count - 1}"),
        ("Time", f"{results.seconds:.0f} s"),
        ("Settings", ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in settings.items())),
        ("Software", f"Python {platform.python_version()}, {', '.join(versions)}"),
    ]
