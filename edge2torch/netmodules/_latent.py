"""``latent``: factor analysis per channel, then partial correlations of what it explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._factors import factor_analysis
from edge2torch.netmodules._request import Request
from edge2torch.netmodules._similarity import Similarity, partial_correlations


def latent(request: Request) -> Similarity:
    """Partial correlations of the reconstruction."""
    return latent_similarity(request, request.values)


def latent_similarity(request: Request, values: NDArray[np.float32]) -> Similarity:
    """The same for values that were changed on the way."""
    found = np.empty_like(values)
    explained = np.empty(values.shape[1])
    calibration: dict[str, Any] = {}
    for name, own in (("switch", request.is_switch), ("abundance", ~request.is_switch)):
        if own.any():
            factors = factor_analysis(
                np.ascontiguousarray(values[:, own]), request.config.latent, request.seed
            )
            found[:, own], explained[own] = factors.reconstruction, factors.explained
            calibration[name] = factors.calibration
    vectors, calibration["shrinkage"] = partial_correlations(found)
    return Similarity(vectors, calibration, explained=explained)
