"""``baseline``: partial correlations of a Ledoit–Wolf covariance."""

from __future__ import annotations

from edge2torch.netmodules._request import Request
from edge2torch.netmodules._similarity import Similarity, partial_correlations


def baseline(request: Request) -> Similarity:
    """Partial correlations of all features at once."""
    vectors, shrinkage = partial_correlations(request.values)
    return Similarity(vectors, {"shrinkage": shrinkage})
