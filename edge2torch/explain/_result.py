"""What is known about one module."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import pandas as pd

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
