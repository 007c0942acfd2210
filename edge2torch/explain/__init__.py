"""Why a module is a module: its drivers, their direction, and the transcripts' structure."""

from edge2torch.explain._tables import (
    gene_driver_table,
    high_vs_low_table,
    transcript_polarity_table,
)

__all__ = ["gene_driver_table", "high_vs_low_table", "transcript_polarity_table"]
