"""One number per node and network: how much of the output goes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy
from torch import Tensor, nn

from edge2torch._core.console import progress_bar
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._attribution import Attribution
from edge2torch.interpret._engines._task import OutputScores
from edge2torch.interpret._interpret import interpret_model
from edge2torch.interpret._request import known_nodes
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
    frames = []
    with progress_bar("node scores", len(models), quiet=quiet) as bar:
        for model, data in zip(models, samples, strict=True):
            frames.append(_attribute(model, artifact, data, output, options))
            bar.update()
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
    asked = {"nodes": "hidden", **options}
    how, nodes = asked.pop("site_aggregation", "max_abs"), asked.pop("nodes")
    names = nodes if isinstance(nodes, str) else known_nodes(nodes, artifact)
    why = attribute(
        _Summed(stack), data, "nodes", artifact=stack.artifact, output=output, quiet=True,
        nodes="all" if has_inputs(names, artifact) else "non_input", **asked,
    )  # fmt: skip
    found = _one_by_one(why, stack, names).frame(site_aggregation=how)
    values = found.to_numpy().reshape(len(stack), len(why.samples), -1)
    index = pd.Index(np.arange(len(stack)), name="replicate")
    return NodeScores(
        pd.DataFrame(np.abs(values).mean(axis=1), index, found.columns),
        pd.DataFrame(values.mean(axis=1), index, found.columns),
    )


def has_inputs(nodes: str | Sequence[str], artifact: CompileArtifact) -> bool:
    """Tell whether inputs are among the nodes that are to be scored, by a word or by name."""
    if isinstance(nodes, str):
        return nodes in ("inputs", "all")
    return not set(artifact.feature_names).isdisjoint(map(str, nodes))


def _one_by_one(why: Attribution, stack: ReplicateStack, nodes: str | Sequence[str]) -> Attribution:
    """Return the scores of one replicate's samples after those of the other, by the names of one.

    The columns of a layer are those of the first replicate, then those of the next. Not one of all their
    names is needed, which are a hundred times as many.
    """
    single = {"layer_0": stack.single.feature_names, **stack.single.node_names_by_site}

    def rows(scores: Tensor) -> Tensor:
        by_replicate: Tensor = scores.unflatten(1, (len(stack), -1)).transpose(0, 1)
        return by_replicate.flatten(0, 1)

    return replace(
        why,
        artifact=stack.single,
        samples=pd.RangeIndex(len(stack) * len(why.samples)),
        _scores=[
            OutputScores({name: rows(scores) for name, scores in one.scores.items()}, {})
            for one in why._scores
        ],
        _sites={site: single[site] for site in why._sites},
        _nodes=nodes,
    )


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
