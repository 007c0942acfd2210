"""What a backend is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge2torch.netmodules._config import ModulesConfig


@dataclass(frozen=True, eq=False)
class Request:
    """Standardised columns, decoys among them, and how to treat them.

    ``values`` (samples, p + m) float32; ``is_switch`` and ``gene`` (p + m,): a decoy has a gene
    of its own; ``names`` (p + m,) of the columns; ``n_features`` is p. ``progress`` tells a line,
    ``track`` counts steps under a name.
    """

    values: NDArray[np.float32]
    is_switch: NDArray[np.bool_]
    gene: NDArray[np.int64]
    names: list[str]
    n_features: int
    config: ModulesConfig
    seed: int
    progress: Callable[[str], None]
    track: Callable[[range, str], Iterable[int]]
