"""One number per node and network: how much of the output goes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy
from torch import Tensor, nn

from edge2torch._core.console import PATIENCE
from edge2torch._core.messages import require
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._interpret import interpret_model
from edge2torch.interpret._trust._stack import ReplicateStack


class NodeScores(NamedTuple):
    """Networks × nodes: mean over samples of the attribution's magnitude, and of itself."""

    scores: pd.DataFrame
    means: pd.DataFrame


def score_networks(
    models: Sequence[nn.Module],
    artifact: CompileArtifact,
    samples: Sequence[Any],
    output: str | int | None,
    options: Mapping[str, Any],
    index: pd.Index,
    *,
    quiet: bool,
) -> NodeScores:
    """Score one network after the other, each on its samples."""
    pairs = zip(models, samples, strict=True)
    bar = require("tqdm").tqdm(  # comes with Captum
        pairs, "node scores", len(models), delay=PATIENCE, leave=False, disable=quiet
    )
    frames = [_attribute(model, artifact, data, output, options) for model, data in bar]
    return NodeScores(
        pd.DataFrame([frame.abs().mean() for frame in frames], index),
        pd.DataFrame([frame.mean() for frame in frames], index),
    )


def score_stack(
    stack: ReplicateStack, data: Any, output: str | int | None, options: Mapping[str, Any]
) -> NodeScores:
    """Score all replicates in one call: none has a part in the output of another."""
    artifact = stack.single
    if isinstance(output, str) and not stack.has_heads:
        if output not in artifact.output_names:
            raise Edge2TorchError(
                f"output={output!r} is not an output node.{nearest(output, artifact.output_names)}"
            )
        output = artifact.output_names.index(output)
    data = data if stack.shared_inputs else stack.wide_data(data)
    frame = _attribute(_Summed(stack), stack.artifact, data, output, options)
    names = stack.split_names(frame.columns)
    nodes = names.get_level_values("node").unique()

    def table(values: pd.Series) -> pd.DataFrame:
        wide = values.set_axis(names).unstack("node")
        return wide.reindex(columns=nodes).rename_axis(columns=None)

    return NodeScores(table(frame.abs().mean()), table(frame.mean()))


class _Summed(nn.Module):
    """A stack whose output is the sum over replicates."""

    def __init__(self, stack: ReplicateStack) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, i) to (b, o)."""
        if not self.stack.shared_inputs:
            x = x.unflatten(1, (len(self.stack), -1)).transpose(0, 1)
        y: Tensor = self.stack(x).sum(0)
        return y


def _attribute(
    model: nn.Module,
    artifact: CompileArtifact,
    data: Any,
    output: str | int | None,
    options: Mapping[str, Any],
) -> pd.DataFrame:
    scores: pd.DataFrame = interpret_model(
        model,
        artifact,
        data,
        target="nodes",
        output=output,
        level="summary",
        quiet=True,
        **{"nodes": "hidden", **options},
    )
    return scores


def rank_stability(scores: pd.DataFrame) -> float:
    """Return the mean Spearman correlation between the rows of scores (replicates × nodes); NaN for a single one."""
    values = scores.to_numpy(np.float64)
    if len(values) < 2 or values.shape[1] < 2:
        return float("nan")
    correlation = np.corrcoef(scipy.stats.rankdata(values, axis=1))
    return float(correlation[np.triu_indices(len(values), 1)].mean())
