"""From what a user may write to what the methods take."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning, listing, require
from edge2torch.interpret._lookup import nearest
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS
from edge2torch.nn import MML, CompiledModel

_SET_SIZE = 50  # reference samples drawn from the data when none are given
_MOST_TO_ORDER = 10  # 10! = 3.6 million orders
_GIVEN_ELSEWHERE = {
    "inputs": "data",
    "baselines": "baselines",
    "return_convergence_delta": "return_convergence_delta",
}
_NO_PLACE = {"additional_forward_args", "attribute_to_layer_input", "return_input_shape"}


def check_choice(argument: str, value: object, choices: Iterable[str]) -> None:
    if value not in (known := list(choices)):
        raise Edge2TorchError(f"{argument} must be one of {listing(known)}; found {value!r}.")


def check_flag(argument: str, value: object) -> None:
    if not isinstance(value, bool | np.bool_):
        raise Edge2TorchError(f"{argument} must be True or False, found {value!r}.")


# ------------------------------------------------------------------------------ samples


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
        own = [name for name in able if METHODS[name].target == method.target]
        raise Edge2TorchError(
            f"baselines were given, but {method.name} compares with none. Leave them out, or use "
            f"one of {listing(own, len(own))}."
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
    if isinstance(baselines, Real) and not isinstance(baselines, bool):
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
            f"or a tensor; found {type(baselines).__name__}."
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
    own = baselines.index
    if len(own) != len(index) or own.equals(index) or not own.is_unique or not index.is_unique:
        return baselines
    return baselines.loc[index] if own.isin(index).all() else baselines


# ------------------------------------------------------------------------------ output


def choose_output(
    output: Any,
    attribute_kwargs: Mapping[str, Any],
    names: Sequence[str] | None,
    n_outputs: int,
    n_samples: int,
) -> int | list[int]:
    """Return the column of the model's output to explain, or one for each sample.

    ``names`` is None where a head stands between the output nodes and the output.
    """
    given = attribute_kwargs.get("target")
    if output is not None and given is not None:
        raise Edge2TorchError("output and attribute_kwargs['target'] say the same: give one.")
    wanted = output if given is None else given
    if wanted is None:
        if n_outputs == 1:
            return 0
        raise Edge2TorchError(
            f"output: the model has {n_outputs} outputs; say which one to explain. "
            f"{_choices(names, n_outputs)}"
        )
    if isinstance(wanted, Tensor | np.ndarray):
        wanted = wanted.tolist()
    if isinstance(wanted, list | tuple) and len(wanted) == 1:
        wanted = wanted[0]
    if isinstance(wanted, list | tuple):
        if len(wanted) != n_samples:
            raise Edge2TorchError(
                f"attribute_kwargs['target'] has {len(wanted)} entries for {n_samples} sample(s)."
            )
        return [_column(one, names, n_outputs) for one in wanted]
    return _column(wanted, names, n_outputs)


def _column(wanted: Any, names: Sequence[str] | None, n_outputs: int) -> int:
    if isinstance(wanted, str):
        if names is None:
            raise Edge2TorchError(
                f"output {wanted!r}: what follows the graph's outputs takes their names away. "
                f"{_choices(names, n_outputs)}"
            )
        if wanted.strip() not in names:
            raise Edge2TorchError(
                f"output {wanted!r} is no output node.{nearest(wanted, list(names))} "
                f"{_choices(names, n_outputs)}"
            )
        return list(names).index(wanted.strip())
    if not isinstance(wanted, int | np.integer) or isinstance(wanted, bool):
        raise Edge2TorchError(
            f"output must be the name of an output node or an index, found {wanted!r}."
        )
    if not 0 <= wanted < n_outputs:
        raise Edge2TorchError(f"output {wanted} is out of range. {_choices(names, n_outputs)}")
    return int(wanted)


def _choices(names: Sequence[str] | None, n_outputs: int) -> str:
    indices = "0" if n_outputs == 1 else f"0 to {n_outputs - 1}"
    if names is None:
        return f"Pass output= an index: {indices}."
    return f"Pass output= a name: {listing(names, 20)}; or an index: {indices}."


def output_names(
    model: nn.Module, base: CompiledModel, artifact: CompileArtifact, n_outputs: int
) -> list[str] | None:
    """Return the names of the outputs, or None where something after the graph mixes them."""
    inside = set(base.modules())
    leaves = [m for m in model.modules() if m not in inside and next(m.children(), None) is None]
    keeps = len(artifact.output_names) == n_outputs and all(
        isinstance(leaf, nn.Identity | nn.modules.dropout._DropoutNd) or is_activation(leaf)
        for leaf in leaves
    )
    return artifact.output_names if keeps else None


# ------------------------------------------------------------------------------ Captum's own


def check_kwargs(engine: Any, constructor: Mapping[str, Any], call: Mapping[str, Any]) -> None:
    """Refuse arguments that the method's class does not have, with the ones it has."""
    for argument, kwargs, function in (
        ("constructor_kwargs", constructor, engine.__init__),
        ("attribute_kwargs", call, engine.attribute),
    ):
        known = set(inspect.signature(function).parameters) - {
            *("self", "kwargs", "args", "model", "forward_func", "layer"),
            *_GIVEN_ELSEWHERE,
            *_NO_PLACE,
        }
        known |= {"target"} if argument == "attribute_kwargs" else set()
        for name in kwargs:
            if name in _GIVEN_ELSEWHERE:
                raise Edge2TorchError(
                    f"{argument}[{name!r}]: pass it as {_GIVEN_ELSEWHERE[name]}= of interpret_model."
                )
            if name not in known:
                raise Edge2TorchError(
                    f"{argument}[{name!r}] is no argument of {engine.__name__}."
                    f"{nearest(str(name), sorted(known))} It takes "
                    f"{listing(sorted(known), 20) or 'none'}."
                )


def as_mapping(argument: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Edge2TorchError(f"{argument} must be a dict, found {type(value).__name__}.")
    return dict(value)


def check_size(method: AttributionMethod, x: Tensor, mask: Any) -> None:
    """Refuse what would shuffle a single sample, or never end."""
    if method.between_samples and len(x) < 2:
        raise Edge2TorchError(
            f"data has one row; {method.name} shuffles values among samples. Pass two or more."
        )
    n_groups = x.shape[1] if mask is None else len(torch.unique(torch.as_tensor(mask)))
    if method.name == "ShapleyValues" and n_groups > _MOST_TO_ORDER:
        raise Edge2TorchError(
            f"ShapleyValues goes through every order of {n_groups} features, and "
            f"{_MOST_TO_ORDER} are feasible. Use method='ShapleyValueSampling', or join features "
            "with attribute_kwargs={'feature_mask': tensor of group numbers, shape (1, inputs)}."
        )


def warn_of_gradients(method: AttributionMethod, model: nn.Module) -> None:
    """Say where DeepLift has no rule for an activation, and so does not add up."""
    if "DeepLift" not in method.name:
        return
    known = require("captum.attr._core.deep_lift").SUPPORTED_NON_LINEAR
    without = {type(m) for m in model.modules() if is_activation(m)} - set(known)
    if without:
        warnings.warn(
            f"{method.name} has no rule for {listing(sorted(kind.__name__ for kind in without))}: "
            "it uses their gradient, and scores need not sum to the difference of the output. "
            "They do with IntegratedGradients.",
            Edge2TorchWarning,
            stacklevel=3,
        )


def is_activation(module: nn.Module) -> bool:
    return isinstance(module, MML) or type(module).__module__ == "torch.nn.modules.activation"
