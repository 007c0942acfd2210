"""The numbers and sentences of a report, ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import wording
from edge2torch.study._methods import methods_text
from edge2torch.study._pipeline import Results
from edge2torch.study._report_words import ReportText
from edge2torch.study._tables import score_summary
from edge2torch.study._trust_words import trust_sentences
from edge2torch.study._verdict import verdicts


def summary(results: Results, story: ReportText) -> dict[str, Any]:
    """Return what a program would want to read of a report."""
    table, said = score_summary(results), wording.get()
    return {
        "title": story.title,
        "command": story.command,
        "task": results.outcome.name,
        "label": results.study.task.label,
        "classes": list(results.study.task.classes),
        "main_score": results.metric.name,
        "scores": [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")],
        "intervals": [
            {str(k): _plain(v) for k, v in row.items()}
            for row in results.intervals.to_dict("records")
        ],
        "learned": results.has_learned,
        "ahead_of_guessing": _ahead(results),
        "verdicts": [{"good": one.good, "text": said(one.text)} for one in verdicts(results)],
        "trust": [said(text) for text in trust_sentences(results)],
        "notes": [said(text) for text in results.notes],
        "methods": methods_text(results),
        "settings": results.study.settings.of_training(results.study.task.outcome),
        "seconds": round(results.seconds, 1),
    }


def _ahead(results: Results) -> list[dict[str, Any]]:
    """Of every model: the lead in loss and in accuracy, with 95 % intervals."""
    rows = []
    for (model, features), found in results.learned.items():
        parts = {"loss": found.loss, "accuracy": found.hits}
        leads = {
            name: {key: _plain(value) for key, value in vars(part).items()}
            for name, part in parts.items()
            if part is not None
        }
        rows.append({"model": model, "features": features, "learned": bool(found), **leads})
    return rows


def _plain(value: Any) -> Any:
    """Turn NumPy scalars into Python's, and NaN into null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and pd.isna(value) else value
