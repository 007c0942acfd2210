"""From what a user calls a method to its row in the registry."""

from __future__ import annotations

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS

_DEFAULTS = {
    "features": "IntegratedGradients",
    "nodes": "LayerConductance",
    "edges": "EdgeConductance",
}


def find_method(method: object, target: object) -> AttributionMethod:
    """Return the row of a method by its name in any spelling, after checking both arguments."""
    target = check_choice("target", target, _DEFAULTS)
    wanted = _DEFAULTS[target] if method is None else method
    if not isinstance(wanted, str):
        raise Edge2TorchError(
            f"method must be a name such as {_DEFAULTS[target]!r}, found {wanted!r}."
        )
    row = _by_plain_name().get(_plain(wanted))
    own = [name for name, known in METHODS.items() if known.target == target]
    if row is None:
        near = nearest(wanted, own)
        raise Edge2TorchError(
            f"method {wanted!r} is not known.{near} For target {target!r} there are "
            f"{listing(own, len(own))}."
        )
    if row.target != target:
        raise Edge2TorchError(
            f"method {row.name!r} belongs to target {row.target!r}, and target is {target!r}. Pass "
            f"target={row.target!r}, or one of {listing(own, len(own))}."
        )
    return row


def _by_plain_name() -> dict[str, AttributionMethod]:
    return {_plain(name): row for name, row in METHODS.items()}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
