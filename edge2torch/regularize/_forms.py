"""The two losses of pathway membership, on plain tensors.

Legend: ``s`` sites, ``b`` batch, ``n`` nodes, ``c`` channels, ``p`` pathways, ``d`` features.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STILL = 1e-9  # variance over mean square below which a node counts as constant
_TINY = 1e-12


def node_features(values: Tensor, align: str) -> Tensor:
    """Return a unit vector (n, d) per node from its values (s, b, n, c); 0 for constant nodes."""
    centred = _moving(values).permute(2, 1, 0, 3).flatten(2)  # n, b, s * c
    if align == "cka":
        centred = centred @ centred.transpose(1, 2)  # n, b, b
    flat = centred.flatten(1)
    norm = (flat.square().sum(1, keepdim=True) + _TINY**2).sqrt()
    return flat / norm


def _moving(values: Tensor) -> Tensor:
    """Return values minus their batch means; zero where a node is constant at a site."""
    centred = values - values.mean(1, keepdim=True)
    with torch.no_grad():
        power = values.square().mean((1, 3), keepdim=True)
        spread = centred.square().mean((1, 3), keepdim=True)
        moves = spread > _STILL * power + _TINY
    return torch.where(moves, centred, 0)


def similarities(features: Tensor, membership: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines (n, p) of nodes with pathways, each node left out of its own, and which exist.

    A pathway's direction is the mean of its members' unit vectors.
    """
    weight = membership.t()  # n, p
    centre = membership @ features  # p, d
    dot = features @ centre.t()
    own = features.square().sum(1, keepdim=True)  # 1, or 0 for constant nodes
    left = centre.square().sum(1) - 2 * weight * dot + weight.square() * own
    exists = (membership.sum(1) - weight) > _TINY
    length = torch.where(exists, left.clamp_min(0), 1) + _TINY
    return (dot - weight * own) * length.rsqrt(), exists


def contrastive(features: Tensor, membership: Tensor, temperature: float) -> Tensor:
    """Return the mean cross entropy of nodes' own pathways given all pathways' similarities."""
    cosine, exists = similarities(features, membership)
    wanted = torch.where(exists, membership.t(), 0)
    total = wanted.sum(1, keepdim=True)
    counts = (total.squeeze(1) > 0) & (features.detach().square().sum(1) > 0)
    share = wanted / total.clamp_min(_TINY)
    logits = (cosine / temperature).masked_fill(~exists, -torch.inf)
    log_odds = logits.log_softmax(1).masked_fill(~exists, 0)
    each = -(share * log_odds).sum(1)
    return torch.where(counts, each, 0).sum() / counts.sum().clamp_min(1)


def apart(features: Tensor, membership: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean squared cosine between the directions of two pathways (pairs, 2)."""
    centre = membership @ features
    centre = centre * (centre.square().sum(1, keepdim=True) + _TINY).rsqrt()
    return (centre[pairs[:, 0]] * centre[pairs[:, 1]]).sum(1).square().mean()


def correlations(scores: Tensor, membership: Tensor) -> tuple[Tensor, Tensor]:
    """Return correlation of nodes and pathways (s, n, p), and among pathways (s, p, p).

    ``scores`` is (s, b, n); a pathway's score is the mean of its members'.
    """
    pathway = scores @ (membership / membership.sum(1, keepdim=True)).t()
    z_node, z_pathway = _standard(scores), _standard(pathway)
    n_samples = scores.shape[1]
    return (
        z_node.transpose(1, 2) @ z_pathway / n_samples,
        z_pathway.transpose(1, 2) @ z_pathway / n_samples,
    )


def _standard(scores: Tensor) -> Tensor:
    centred = scores - scores.mean(1, keepdim=True)
    return centred * (centred.square().mean(1, keepdim=True) + _TINY).rsqrt()
