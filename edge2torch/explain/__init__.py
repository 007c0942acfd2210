"""Why a module is a module: its drivers, their direction, and the transcripts' structure."""

from edge2torch.explain._decoder import vae_drivers
from edge2torch.explain._explain import explain_module
from edge2torch.explain._gradients import ig_attributions
from edge2torch.explain._match import usage_features
from edge2torch.explain._result import ExplainConfig
from edge2torch.explain._result import ExplainResult as ExplainResult
from edge2torch.explain._structure import (
    annotate_structure,
    summarize_structure,
    switch_pairs,
)
from edge2torch.explain._tables import (
    gene_driver_table,
    high_vs_low_table,
    transcript_polarity_table,
)
from edge2torch.explain._write import record_files

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "ExplainConfig",
    "annotate_structure",
    "explain_module",
    "gene_driver_table",
    "high_vs_low_table",
    "ig_attributions",
    "record_files",
    "summarize_structure",
    "switch_pairs",
    "transcript_polarity_table",
    "usage_features",
    "vae_drivers",
]
