"""What may be written for a method's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edge2torch._core.checks import check_choice, check_count
from edge2torch._core.messages import listing, require, warn
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._outputs import is_activation

_MOST_TO_ORDER = 10  # 10! = 3.6 million orders
_GIVEN_ELSEWHERE = {"inputs": "data", "return_convergence_delta": "return_convergence_delta"}
_NO_PLACE = {"additional_forward_args", "attribute_to_layer_input", "return_input_shape"}


def check_kwargs(
    row: AttributionMethod,
    constructor: Mapping[str, Any],
    call: Mapping[str, Any],
    takes: tuple[set[str], set[str]],
) -> None:
    """Refuse arguments that a method does not have, with the ones it has."""
    for argument, kwargs, every in (
        ("constructor_kwargs", constructor, takes[0]),
        ("attribute_kwargs", call, takes[1]),
    ):
        known = sorted(every - {*_GIVEN_ELSEWHERE, *_NO_PLACE})
        for name in kwargs:
            if name in _GIVEN_ELSEWHERE:
                raise Edge2TorchError(
                    f"{argument}[{name!r}]: pass it as {_GIVEN_ELSEWHERE[name]}= of interpret_model."
                )
            if name not in known:
                raise Edge2TorchError(
                    f"{argument}[{name!r}] is not an argument of {row.name}."
                    f"{nearest(str(name), known)} It takes {listing(known, 20) or 'none'}."
                )
    check_count("attribute_kwargs['n_steps']", call.get("n_steps", 1))
    if (rule := call.get("method")) is not None:
        check_choice("attribute_kwargs['method']", rule, _rules())


def _rules() -> list[str]:
    supported = require("captum.attr._utils.approximation_methods").SUPPORTED_METHODS
    return sorted(str(name) for name in supported)


def as_mapping(argument: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Edge2TorchError(f"{argument} must be a dict, found {type(value).__name__}.")
    return dict(value)


def baselines_of(baselines: Any, call: dict[str, Any]) -> Any:
    """Return the baselines, which may also stand among a method's own arguments, and take them out."""
    given = call.pop("baselines", None)
    if given is not None and baselines is not None:
        raise Edge2TorchError("baselines and attribute_kwargs['baselines'] say the same: give one.")
    return baselines if given is None else given


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
        warn(
            f"{method.name} has no rule for {listing(sorted(kind.__name__ for kind in without))}: "
            "it uses their gradient, and scores need not sum to the difference of the output. "
            "They do with IntegratedGradients."
        )
