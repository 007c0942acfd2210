"""Train a network of edges on data with labels, hold it against others, judge and report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge2torch._core.doors import opened_later

if TYPE_CHECKING:
    from edge2torch.study._ask import label_outputs as label_outputs
    from edge2torch.study._ask import refuse_in_rows as refuse_in_rows
    from edge2torch.study._compare_priors import PriorComparison as PriorComparison
    from edge2torch.study._compare_priors import compare_priors as compare_priors
    from edge2torch.study._data import feature_names as feature_names
    from edge2torch.study._data import read_dataset as read_dataset
    from edge2torch.study._data import read_h5ad as read_h5ad
    from edge2torch.study._edges import nodes_named as nodes_named
    from edge2torch.study._edges import read_edge_file as read_edge_file
    from edge2torch.study._interpret_saved import interpret_saved as interpret_saved
    from edge2torch.study._pair_networks import PairNetworks as PairNetworks
    from edge2torch.study._pair_networks import load_pairs as load_pairs
    from edge2torch.study._report_words import ReportText as ReportText
    from edge2torch.study._result import StudyResult as StudyResult
    from edge2torch.study._result import load_study as load_study
    from edge2torch.study._run_pairs import run_pairs as run_pairs
    from edge2torch.study._run_perturbation import run_perturbation as run_perturbation
    from edge2torch.study._saved import read_saved as read_saved
    from edge2torch.study._scored_graph import own_scores as own_scores
    from edge2torch.study._scored_graph import read_graph as read_graph
    from edge2torch.study._scored_graph import read_rows as read_rows
    from edge2torch.study._scored_graph import read_scores as read_scores
    from edge2torch.study._settings import StudySettings as StudySettings
    from edge2torch.study._study import run_study as run_study
    from edge2torch.study._verdict import Verdict as Verdict

# What comes back (`StudyResult`, `Verdict`, `PriorComparison`, `PairNetworks`) is importable, and no part of what a user calls.
__all__ = ["ReportText", "StudySettings", "compare_priors", "load_pairs", "load_study", "run_study"]

# Loaded when first asked for: `edge2torch --help` needs the settings and no torch.
_HOME = {
    "PairNetworks": "_pair_networks",
    "PriorComparison": "_compare_priors",
    "ReportText": "_report_words",
    "StudyResult": "_result",
    "StudySettings": "_settings",
    "Verdict": "_verdict",
    "compare_priors": "_compare_priors",
    "load_pairs": "_pair_networks",
    "load_study": "_result",
    "run_study": "_study",
    # for the command line
    "feature_names": "_data",
    "interpret_saved": "_interpret_saved",
    "label_outputs": "_ask",
    "nodes_named": "_edges",
    "own_scores": "_scored_graph",
    "read_edge_file": "_edges",
    "read_dataset": "_data",
    "read_graph": "_scored_graph",
    "read_h5ad": "_data",
    "read_rows": "_scored_graph",
    "read_saved": "_saved",
    "read_scores": "_scored_graph",
    "refuse_in_rows": "_ask",
    "run_pairs": "_run_pairs",
    "run_perturbation": "_run_perturbation",
}

__getattr__, __dir__ = opened_later(__name__, _HOME, __all__)
