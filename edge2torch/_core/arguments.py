"""How arguments that may be left out are told from those that come after them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError


def artifact_and_data(artifact: Any, data: Any, name: str = "data") -> tuple[Any, Any]:
    """Sort ``(artifact, data)`` of a call ``f(model, data)``: a model carries its artifact.

    Whatever has a fingerprint is an artifact; whether it is the model's own is checked later.
    """
    if data is None and artifact is not None and not hasattr(artifact, "fingerprint"):
        artifact, data = None, artifact
    if data is None:
        raise Edge2TorchError(f"{name} is missing. Give the samples: {name}=...")
    return artifact, data


def check_options(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options by names that a function does not have, and say which are meant."""
    there = list(known)
    if odd := [name for name in options if name not in there]:
        raise Edge2TorchError(
            f"{function} has no argument {listing(odd)}.{nearest(odd[0], there)} It takes "
            f"{listing(there, 40)}."
        )
