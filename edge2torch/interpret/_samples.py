"""From what a user hands in as data and baselines to tensors in the model's own type and place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.checks import is_number
from edge2torch._core.messages import kind_of, listing
from edge2torch.compile import CompileArtifact
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

Samples: TypeAlias = "pd.DataFrame | AnnData | NDArray[Any] | Tensor"  # (b, columns)

_SET_SIZE = 50  # reference samples drawn from the data when none are given


def read_samples(data: Any, artifact: CompileArtifact, like: Tensor) -> tuple[Tensor, pd.Index]:
    """Return the data as (b, i) in the model's own type and place, and the data's index."""
    x = align_features_to_input_nodes(data, artifact, dtype=like.dtype).detach().to(like.device)
    if len(x) == 0:
        raise Edge2TorchError("data has no rows. Pass at least one sample.")
    if isinstance(data, pd.DataFrame):
        return x, data.index
    names = getattr(data, "obs_names", None)  # an AnnData
    return x, pd.RangeIndex(len(x)) if names is None else pd.Index(names)


def read_baselines(
    baselines: Any,
    method: AttributionMethod,
    x: Tensor,
    index: pd.Index,
    artifact: CompileArtifact,
    seed: int,
) -> Tensor | None:
    """Return baselines (1, i), (b, i) or, for methods that take a set, (any, i)."""
    if baselines is None:
        return _draw_set(x, seed) if method.baselines == "set" else None
    if method.baselines == "none":
        able = [m.name for m in METHODS.values() if m.baselines != "none"]
        of_target = [name for name in able if METHODS[name].target == method.target]
        raise Edge2TorchError(
            f"baselines were given, but {method.name} compares with none. Leave them out, or use "
            f"one of {listing(of_target, len(of_target))}."
        )
    rows = _baseline_rows(baselines, x, index, artifact)
    if method.baselines == "set":
        return rows if len(rows) > 1 else rows.expand(2, -1)  # Captum wants a set of two at least
    if len(rows) not in (1, len(x)):
        raise Edge2TorchError(
            f"baselines has {len(rows)} rows for {len(x)} sample(s). {method.name} compares each "
            "sample with one baseline: give one row, or one per sample."
        )
    return rows.expand(len(x), -1)


def _draw_set(x: Tensor, seed: int) -> Tensor:
    """Draw reference samples from the data; a single sample is compared with zeros."""
    if len(x) == 1:
        return x.new_zeros(2, x.shape[1])
    order = np.random.default_rng(seed).permutation(len(x))[:_SET_SIZE]
    return x[torch.from_numpy(np.sort(order)).to(x.device)]


def _baseline_rows(baselines: Any, x: Tensor, index: pd.Index, artifact: CompileArtifact) -> Tensor:
    if is_number(baselines):
        return torch.full_like(x[:1], float(baselines))
    if isinstance(baselines, Mapping):
        baselines = pd.Series(dict(baselines), dtype=object).infer_objects()
    if isinstance(baselines, pd.Series):
        baselines = baselines.to_frame().T.infer_objects()
    elif isinstance(baselines, pd.DataFrame):
        baselines = _in_order_of(baselines, index)
    elif isinstance(baselines, np.ndarray | Tensor):
        baselines = baselines.reshape(1, -1) if baselines.ndim <= 1 else baselines
    else:
        raise Edge2TorchError(
            "baselines must be a number, a DataFrame, a Series or dict by feature name, an array "
            f"or a tensor; found {kind_of(baselines)}."
        )
    try:
        rows = align_features_to_input_nodes(baselines, artifact, dtype=x.dtype)
    except Edge2TorchError as error:
        raise Edge2TorchError(str(error).replace("data:", "baselines:", 1)) from error
    if len(rows) == 0:
        raise Edge2TorchError("baselines has no rows. Pass at least one.")
    return rows.detach().to(x.device)


def _in_order_of(baselines: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Put baselines that carry the samples' own labels into their order."""
    labels = baselines.index
    if (
        len(labels) != len(index)
        or labels.equals(index)
        or not labels.is_unique
        or not index.is_unique
    ):
        return baselines
    return baselines.loc[index] if labels.isin(index).all() else baselines
