"""What each class, or the predicted number, rests on: nodes and features with a sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.interpret import interpret_model
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import Trained

NODE_METHOD, FEATURE_METHOD = "LayerConductance", "IntegratedGradients"

Attribute = Callable[[pd.DataFrame, int], pd.DataFrame]


@dataclass(frozen=True)
class Attribution:
    """Signed contributions, a column per class (one column, the label, where there are none).

    Parameters
    ----------
    nodes, features : DataFrame
        Mean over seeds, a row per node or feature.
    node_sd, feature_sd : DataFrame
        Standard deviation over seeds.
    node_agreement : DataFrame
        Share of the seeds whose sign is that of the mean.
    shift : DataFrame
        Features × classes: mean of the class's samples in standard deviations from the training
        mean. Without classes: the upper half of the label against the lower.
    """

    nodes: pd.DataFrame
    features: pd.DataFrame
    node_sd: pd.DataFrame
    feature_sd: pd.DataFrame
    node_agreement: pd.DataFrame
    shift: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """The classes, or the label."""
        return list(self.nodes.columns)


@dataclass(frozen=True)
class SeedAttribution:
    """The same of one seed."""

    nodes: pd.DataFrame
    features: pd.DataFrame
    shift: pd.DataFrame


def attribute(
    trained: Trained,
    table: pd.DataFrame,
    task: Task,
    test: NDArray[np.int64],
    settings: StudySettings,
    seed: int,
) -> SeedAttribution:
    """Attribute held-out samples against the average training sample.

    Contributions to a class are taken against the mean of all classes, since only differences
    between class scores decide, and averaged over the held-out samples of that class.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(test)[: settings.explain_samples])
    data = trained.scaler(table.iloc[rows])
    network, explained = trained.network, trained.explained
    if task.outcome.by_class:
        explained = _against_mean(explained)
    readable: Literal["hidden", "non_input"] = "non_input" if network.explains_outputs else "hidden"

    def of_nodes(samples: pd.DataFrame, output: int) -> pd.DataFrame:
        found: pd.DataFrame = interpret_model(
            explained,
            network.artifact,
            samples,
            target="nodes",
            method=NODE_METHOD,
            output=output,
            level="summary",
            nodes=readable,
            quiet=True,
        )
        return found

    def of_features(samples: pd.DataFrame, output: int) -> pd.DataFrame:
        found: pd.DataFrame = interpret_model(
            explained,
            network.artifact,
            samples,
            target="features",
            method=FEATURE_METHOD,
            output=output,
            quiet=True,
        )
        return found

    # a graph that leads from features straight to classes has no nodes to speak of
    attribute_nodes = of_nodes if network.inner_nodes else lambda x, _: pd.DataFrame(index=x.index)
    if task.outcome.by_class:
        codes = task.values[rows]
        return SeedAttribution(
            nodes=_by_class(attribute_nodes, data, codes, task),
            features=_by_class(of_features, data, codes, task),
            shift=_shift(data, codes, task),
        )
    upper = task.outcome.upper(task, rows, trained.predict_rows(table, task, rows))

    def halves(frame: pd.DataFrame) -> pd.DataFrame:
        return (frame[upper].mean() - frame[~upper].mean()).to_frame(task.label)

    return SeedAttribution(
        nodes=halves(attribute_nodes(data, 0)),
        features=halves(of_features(data, 0)),
        shift=halves(data),
    )


class _AgainstMean(nn.Module):
    """Outputs (b, o) from which their mean is taken off."""

    def forward(self, y: Tensor) -> Tensor:
        return y - y.mean(1, keepdim=True)


def _against_mean(model: CustomizedEdgeModel) -> CustomizedEdgeModel:
    """Scores that add up are those of the difference: one attribution of it, and not one per class."""
    after = model.after
    after["head"] = nn.Sequential(*([after["head"]] if "head" in after else []), _AgainstMean())
    return CustomizedEdgeModel(model.base_model, **cast(Any, after)).eval()


def _by_class(
    attribute: Attribute, data: pd.DataFrame, values: NDArray[np.int64], task: Task
) -> pd.DataFrame:
    found = {
        task.classes[k]: attribute(data[values == k], k).mean() for k in np.unique(values).tolist()
    }
    return pd.DataFrame(found).reindex(columns=list(task.classes))


def _shift(data: pd.DataFrame, values: NDArray[np.int64], task: Task) -> pd.DataFrame:
    means = data.groupby(values).mean().T
    means.columns = pd.Index([task.classes[int(k)] for k in means.columns])
    return means.reindex(columns=list(task.classes))


def summarize(parts: list[SeedAttribution]) -> Attribution:
    """Average over seeds, and say how far they agree."""
    nodes, node_sd = _mean_sd([part.nodes for part in parts])
    features, feature_sd = _mean_sd([part.features for part in parts])
    signs = np.stack([np.sign(part.nodes.loc[nodes.index].to_numpy()) for part in parts])
    agree = np.nanmean(signs == np.sign(nodes.to_numpy()), axis=0)
    if len(parts) == 1:  # nothing to agree with
        agree = np.full(agree.shape, np.nan)
    return Attribution(
        nodes=nodes,
        features=features,
        node_sd=node_sd,
        feature_sd=feature_sd,
        node_agreement=pd.DataFrame(agree, index=nodes.index, columns=nodes.columns),
        shift=_mean_sd([part.shift for part in parts])[0],
    )


def _mean_sd(frames: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    # A class that no held-out sample of a seed has is a column of NaN, of float64 among float32, which
    # pandas would warn of.
    narrow = [frame.astype(np.result_type(*_known(frame).dtypes)) for frame in frames]
    stacked = pd.concat(narrow, keys=range(len(frames)))
    grouped = stacked.groupby(level=1, sort=False)
    spread = grouped.std()
    # one network has no spread; of several, that of a node which one of them alone has is 0
    return grouped.mean(), spread if len(frames) == 1 else spread.fillna(0.0)


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    known = frame.dropna(axis=1, how="all")
    return known if len(known.columns) else frame
