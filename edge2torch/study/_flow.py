"""How one class's score flows from the features to the output, edge by edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.interpret import interpret_model
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import Trained


@dataclass(frozen=True)
class Flow:
    """Edge attributions of one class, or of the number that is predicted.

    Parameters
    ----------
    group : str
        The class with most held-out samples; the label, where there are none.
    table : DataFrame
        ``source``, ``target``, ``attribution`` to its own output: mean over its held-out samples;
        without classes upper half of the label against the lower.
    """

    group: str
    table: pd.DataFrame


def flow_of(
    trained: Trained,
    table: pd.DataFrame,
    task: Task,
    test: NDArray[np.int64],
    settings: StudySettings,
) -> Flow:
    """Attribute the edges of one network on held-out samples."""
    rng = np.random.default_rng(settings.seed)
    rows = np.sort(rng.permutation(test)[: settings.explain_samples])
    data, values = trained.scaler(table.iloc[rows]), task.values[rows]
    if not task.outcome.by_class:
        upper = task.outcome.upper(task, rows, trained.predict_rows(table, task, rows))
        high, low = (_edges(trained, data[part], 0) for part in (upper, ~upper))
        return Flow(task.label, high.assign(attribution=high["attribution"] - low["attribution"]))
    largest = int(np.bincount(values).argmax())
    return Flow(task.classes[largest], _edges(trained, data[values == largest], largest))


def _edges(trained: Trained, data: pd.DataFrame, output: int) -> pd.DataFrame:
    found: pd.DataFrame = interpret_model(
        trained.explained, trained.network.artifact, data, "edges", output=output, quiet=True
    )
    return found
