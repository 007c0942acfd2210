"""Why a module is a module: its drivers, their direction, and the transcripts' structure."""

from typing import TYPE_CHECKING

from edge2torch._core.doors import opened_later

if TYPE_CHECKING:
    from edge2torch.explain._config import ExplainConfig as ExplainConfig
    from edge2torch.explain._decoder import vae_drivers as vae_drivers
    from edge2torch.explain._explain import explain_module as explain_module
    from edge2torch.explain._gradients import ig_attributions as ig_attributions
    from edge2torch.explain._match import usage_features as usage_features
    from edge2torch.explain._result import ExplainResult as ExplainResult
    from edge2torch.explain._structure import annotate_structure as annotate_structure
    from edge2torch.explain._structure import structure_words as structure_words
    from edge2torch.explain._structure import summarize_structure as summarize_structure
    from edge2torch.explain._tables import gene_driver_table as gene_driver_table
    from edge2torch.explain._tables import high_vs_low_table as high_vs_low_table
    from edge2torch.explain._tables import transcript_polarity_table as transcript_polarity_table
    from edge2torch.explain._write import record_files as record_files

# The rest is what comes back, and the steps of `explain_module`: importable, and no part of what a user calls.
__all__ = ["ExplainConfig", "annotate_structure", "explain_module", "usage_features"]

_HOME = {
    "ExplainConfig": "_config",
    "ExplainResult": "_result",
    "annotate_structure": "_structure",
    "explain_module": "_explain",
    "gene_driver_table": "_tables",
    "high_vs_low_table": "_tables",
    "ig_attributions": "_gradients",
    "record_files": "_write",
    "structure_words": "_structure",
    "summarize_structure": "_structure",
    "transcript_polarity_table": "_tables",
    "usage_features": "_match",
    "vae_drivers": "_decoder",
}

__getattr__, __dir__ = opened_later(__name__, _HOME, __all__)
