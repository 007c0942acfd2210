"""What is asked of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge2torch.errors import Edge2TorchError

FEWEST_SAMPLES = 10
LEAST_SAMPLES = 3  # of two pairs every correlation is 1


@dataclass(frozen=True)
class ExplainConfig:
    """Settings of :func:`explain_module`.

    Parameters
    ----------
    percentile : float
        Percent of samples in each tail of the eigengene. They are contrasted, and integrated
        gradients explain them.
    all_genes : bool
        List genes outside the module too. They are a control.
    vae_attribution : bool
        Attribute through the vae's decoder.
    vae_fdr_threshold : float
        Largest q-value that passes.
    vae_percentile_threshold : float
        Least percentile of |decoded_delta| that passes. Of all features, 0 to 100.
    vae_step : float
        Half the way that the latent is moved, in its own units.
    integrated_gradients : bool
        Attribute through the vae's encoder.
    ig_n_steps : int
        Points on the way from the baseline.
    ig_baseline : {"zero", "mean"}
        No switching, or mean usage within the gene. ``"zero"``: every score at 0. ``"mean"``: at
        the mean over the samples of the scores of the gene's features of the same type.
    table_format : {"parquet", "csv"}
        Of the tables.
    leave_gene_out : bool
        Test a module's own genes against the module's eigengene without the gene. Against the
        whole eigengene, which a gene is a part of, every gene correlates by construction.
    min_samples : int
        Fewest samples to accept. 3 at least; correlations of few are mostly chance.

    Examples
    --------
    >>> ExplainConfig(vae_attribution=True).vae_fdr_threshold
    0.05
    """

    percentile: float = 25.0
    all_genes: bool = False
    vae_attribution: bool = False
    vae_fdr_threshold: float = 0.05
    vae_percentile_threshold: float = 75.0
    vae_step: float = 1.0
    integrated_gradients: bool = False
    ig_n_steps: int = 50
    ig_baseline: Literal["zero", "mean"] = "zero"
    table_format: Literal["parquet", "csv"] = "parquet"
    leave_gene_out: bool = True
    min_samples: int = FEWEST_SAMPLES

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise Edge2TorchError(f"{'; '.join(problems)}.")

    def _problems(self) -> list[str]:
        checks = {
            "percentile": (0 < self.percentile < 50, "above 0 and below 50"),
            "vae_fdr_threshold": (0 < self.vae_fdr_threshold <= 1, "above 0 and up to 1"),
            "vae_percentile_threshold": (0 <= self.vae_percentile_threshold <= 100, "0 to 100"),
            "vae_step": (self.vae_step > 0, "above 0"),
            "ig_n_steps": (self.ig_n_steps >= 1, "at least 1"),
            "ig_baseline": (self.ig_baseline in {"zero", "mean"}, "'zero' or 'mean'"),
            "min_samples": (self.min_samples >= LEAST_SAMPLES, f"at least {LEAST_SAMPLES}"),
            "table_format": (self.table_format in {"parquet", "csv"}, "'parquet' or 'csv'"),
        }
        return [
            f"{name}={getattr(self, name)!r} must be {wanted}"
            for name, (fits, wanted) in checks.items()
            if not fits
        ]
