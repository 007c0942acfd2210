"""What to try where no module was found: what became of the genes says where to look."""

from __future__ import annotations

import pandas as pd

from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._registry import BACKENDS

_FEW_GENES = 200  # left; of a whole genome most genes are silent anyway
_FEW = 30  # samples; below, correlations must be large to be more than chance


def advice(
    fate: pd.Series,
    n_samples: int,
    backend: str,
    config: ModulesConfig,
    covariates: tuple[str, ...],
) -> str:
    """One sentence of ways out, the likeliest first."""
    count = fate.value_counts()
    ways = []
    if (low := count.get("low counts", 0)) > 0 and len(fate) - low < _FEW_GENES:
        ways.append(f"a smaller min_count (now {config.min_count:g}; {low:,} genes have less)")
    if small := count.get("below size", 0):
        ways.append(f"a smaller min_module_size (now {config.min_module_size}; {small:,} genes "
                    "were in smaller ones)")  # fmt: skip
    few = "; fewer than 30 say little" if n_samples < _FEW else ""
    ways.append(f"more samples (now {n_samples}{few})")
    other = [name for name in BACKENDS if name not in (backend, "baseline", "wgcna")]
    ways.append(f"another backend ({' or '.join(other)})")
    if not covariates:
        ways.append("covariates (what else moves many genes hides the rest)")
    return f"No module was found. What may help: {', '.join(ways)}."
