"""How well every node predicts by its own head, and what that does not say."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edge2torch.data import align_features_to_input_nodes
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import Trained
from edge2torch.train import Split


def head_note(network: Network, settings: StudySettings) -> str:
    """Say that nodes had heads, and how that changes a reading."""
    n = len(network.artifact.topology.hidden)
    return (
        f"{n:,} hidden node(s) had a head of their own in training, whose mean loss weighed "
        f"{settings.head_weight:g} beside the output's; head_scores.csv has the held-out score of each. A "
        "node with a head predicts because it was told to: its head's score does not say that the "
        "output uses it. The networks that nodes are judged by have no heads."
    )


def head_scores(trained: Trained, table: pd.DataFrame, task: Task, split: Split) -> pd.DataFrame:
    """Return the held-out scores of every node's own head, one row each; no rows without heads."""
    model, outcome = trained.model, task.outcome
    if model.heads is None:
        return pd.DataFrame()
    x = align_features_to_input_nodes(trained.scaler(table), trained.network.artifact)
    with torch.no_grad():
        _, heads = model.with_heads(x)

    def answers(k: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return trained.goal.answer(heads[torch.from_numpy(rows), k])

    rows = []
    for k, node in enumerate(model.head_names):
        own, of_fitted = answers(k, split.test), partial(answers, k, split.fit)
        predicted = outcome.completed(task, split.fit, of_fitted, split.test, own)
        scores = outcome.scores(task, split.fit, split.test, predicted)
        rows.append({"node": node, **scores})
    return pd.DataFrame(rows)
