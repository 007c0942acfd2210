"""What is asked of an explanation, and what is then known about one module."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.explain._match import FEWEST_SAMPLES, LEAST_SAMPLES


@dataclass(frozen=True)
class ExplainConfig:
    """Settings of :func:`explain_module`.

    Parameters
    ----------
    percentile : float
        Percent of samples in each tail of the eigengene, for the contrast and for integrated
        gradients.
    all_genes : bool
        Also list the genes outside the module, as a control.
    vae_attribution : bool
        Attribute through the decoder of the ``vae`` backend.
    vae_fdr_threshold : float
        Largest q-value of a feature that passes.
    vae_percentile_threshold : float
        Least percentile of ``|decoded_delta|`` among all features, 0 to 100, to pass.
    vae_step : float
        Half the way that the latent is moved, in its own units.
    integrated_gradients : bool
        Attribute through the encoder of the ``vae`` backend.
    ig_n_steps : int
        Points on the way from the baseline.
    ig_baseline : {"zero", "mean"}
        ``"zero"``: every score at 0, no switching. ``"mean"``: at the mean over the samples of
        the scores of the gene's features of the same type.
    table_format : {"parquet", "csv"}
        How tables are written.
    leave_gene_out : bool
        Test a module's own genes against the module's eigengene without the gene. Against the
        whole eigengene, which a gene is a part of, every gene correlates by construction.
    min_samples : int
        Fewest samples that are accepted, 3 at least; correlations of few are mostly chance.

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
            raise Edge2TorchError(f"config: {'; '.join(problems)}.")

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


_ROWS = 10  # in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class ExplainResult:
    """What is known about one module.

    Parameters
    ----------
    module_id : str
        Which module.
    genes : tuple of str
        Its genes.
    eigengene : Series
        By sample id, for the samples that matched.
    gene_driver_table, transcript_polarity_table, high_vs_low_table : DataFrame
        As the functions of these names return them.
    vae_drivers, ig_attributions : DataFrame, optional
        As the functions of these names return them; None where not asked for.
    structure : DataFrame, optional
        Rows of the annotation for pairs of the module's genes, with ``r_a`` and ``r_b``.

    Examples
    --------
    >>> from edge2torch.explain import explain_module
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=15, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> explain_module(found, module_ids=["M000"])["M000"]
    ExplainResult(module_id='M000', ... genes, 60 samples)
    """

    module_id: str
    genes: tuple[str, ...]
    eigengene: pd.Series
    gene_driver_table: pd.DataFrame
    transcript_polarity_table: pd.DataFrame
    high_vs_low_table: pd.DataFrame
    vae_drivers: pd.DataFrame | None = None
    ig_attributions: pd.DataFrame | None = None
    structure: pd.DataFrame | None = None

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that are there, by name."""
        names = (
            "gene_driver_table",
            "transcript_polarity_table",
            "high_vs_low_table",
            "vae_drivers",
            "ig_attributions",
            "structure",
        )
        found = {name: getattr(self, name) for name in names}
        return {name: table for name, table in found.items() if table is not None}

    def __repr__(self) -> str:
        return (
            f"ExplainResult(module_id={self.module_id!r}, {len(self.genes):,} genes, "
            f"{len(self.eigengene):,} samples)"
        )

    def _repr_html_(self) -> str:
        drivers = self.gene_driver_table[:_ROWS].to_html(
            border=0, index=False, float_format="{:.3g}".format
        )
        tables = ", ".join(f"{name} ({len(table):,})" for name, table in self.tables().items())
        return f"<div>{escape(repr(self))}{drivers}Tables and their rows: {escape(tables)}</div>"
