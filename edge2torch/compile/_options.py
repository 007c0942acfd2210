"""The options of a compilation, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from edge2torch.errors import Edge2TorchError, listing
from edge2torch.nn import KERNELS

Init = Literal["sparse", "dense"]
DEFAULT_STEPS = 3


@dataclass(frozen=True)
class CompileOptions:
    """What shapes a model beside its graph."""

    bias: bool
    init: str
    kernel: str
    steps: int | None
    sign_column: str | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_options(
    *,
    takes_steps: bool,
    bias: Any,
    init: Any,
    kernel: Any,
    steps: Any,
    sign_column: str | None,
    backend: str,
) -> CompileOptions:
    """Return checked options; each wrong one is an error that names it."""
    check_bool("bias", bias)
    check_choice("init", init, get_args(Init))
    check_choice("kernel", kernel, KERNELS)
    steps = _check_steps(steps, takes_steps, backend)
    return CompileOptions(bool(bias), init, kernel, steps, sign_column)


def check_bool(argument: str, value: Any) -> None:
    """Refuse anything but True or False."""
    if not isinstance(value, bool | np.bool_):
        raise Edge2TorchError(f"{argument} must be True or False, found {value!r}.")


def check_choice(argument: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse anything that is not one of the choices."""
    if value not in choices:
        raise Edge2TorchError(f"{argument}={value!r} is unknown. Use one of {listing(choices)}.")


def _check_steps(steps: Any, takes_steps: bool, backend: str) -> int | None:
    if not takes_steps:
        if steps is not None:
            raise Edge2TorchError(
                f"steps={steps!r} means nothing to backend={backend!r}, which computes each node "
                "once. Leave it out."
            )
        return None
    if steps is None:
        return DEFAULT_STEPS
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise Edge2TorchError(f"steps must be a positive integer, found {steps!r}.")
    return int(steps)
