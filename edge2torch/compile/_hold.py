"""Nodes to hold, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import Hold

Amount = float | Sequence[float] | Tensor


def hold_by_name(
    nodes: Sequence[str],
    inputs: Sequence[str],
    computed: Sequence[str],
    amounts: tuple[Amount, Amount, Amount | None],
    samples: int,
    acts: str,
) -> Hold:
    """Return what keeps these nodes; ``computed`` may have a node more than once, for its units."""
    names = np.array([*inputs, *computed], dtype=object)
    found = [np.flatnonzero(names == node) for node in nodes]
    if lost := [node for node, places in zip(nodes, found, strict=True) if not len(places)]:
        raise Edge2TorchError(
            f"nodes: the model computes no value of {listing(lost)} that could be held."
        )
    if len(set(nodes)) != len(nodes):
        twice = [node for k, node in enumerate(nodes) if node in nodes[:k]]
        raise Edge2TorchError(f"nodes: {listing(twice)} are there twice. Hold each once.")
    repeats = torch.tensor([len(places) for places in found])
    share, value, shift = (
        None
        if amount is None
        else _spread(amount, samples, len(nodes)).repeat_interleave(repeats, 1)
        for amount in amounts
    )
    _check_share(share)
    places = torch.tensor(np.concatenate(found), dtype=torch.int64)
    return Hold(places, share, value, shift, acts)  # type: ignore[arg-type]


def _spread(amount: Amount, samples: int, k: int) -> Tensor:
    tensor = torch.as_tensor(amount)
    tensor = tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
    try:
        return tensor.expand(samples, k)
    except RuntimeError as error:
        raise Edge2TorchError(
            f"share, value and shift must be a number, one per node ({k},), or one per sample and "
            f"node ({samples}, {k}); found shape {tuple(tensor.shape)}."
        ) from error


def _check_share(share: Tensor | None) -> None:
    """Refuse shares that are none."""
    if share is not None and bool(((share < 0) | (share > 1)).any()):
        raise Edge2TorchError(
            f"share must lie between 0 and 1, found {share.min().item():g} to "
            f"{share.max().item():g}."
        )
