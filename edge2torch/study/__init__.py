"""Train a network of edges on data with labels, hold it against others, judge and report it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge2torch.study._ask import positions_of as positions_of
    from edge2torch.study._ask import read_samples as read_samples
    from edge2torch.study._ask import score as score
    from edge2torch.study._data import Normalize as Normalize
    from edge2torch.study._data import feature_names as feature_names
    from edge2torch.study._data import from_anndata as from_anndata
    from edge2torch.study._data import read_dataset as read_dataset
    from edge2torch.study._data import read_h5ad as read_h5ad
    from edge2torch.study._edges import read_edge_file as read_edge_file
    from edge2torch.study._names import with_names as with_names
    from edge2torch.study._network import fit_network as fit_network
    from edge2torch.study._pipeline import Results as Results
    from edge2torch.study._pipeline import Study as Study
    from edge2torch.study._pipeline import check_study as check_study
    from edge2torch.study._pipeline import run_study as run_study
    from edge2torch.study._progress import identity_of as identity_of
    from edge2torch.study._progress import open_progress as open_progress
    from edge2torch.study._report_words import Story as Story
    from edge2torch.study._saved import read_saved as read_saved
    from edge2torch.study._settings import Settings as Settings
    from edge2torch.study._settings import Words as Words
    from edge2torch.study._tables import score_summary as score_summary
    from edge2torch.study._tables import top_nodes as top_nodes
    from edge2torch.study._task import Kind as Kind
    from edge2torch.study._task import choose_task as choose_task
    from edge2torch.study._trust import why_not as why_not
    from edge2torch.study._trust_words import trust_sentences as trust_sentences
    from edge2torch.study._verdict import show as show
    from edge2torch.study._verdict import verdicts as verdicts
    from edge2torch.study._write import write_results as write_results

__all__: list[str] = []  # its functions, as they are written for a user, follow

_HOME = {
    "Kind": "edge2torch.study._task",
    "Normalize": "edge2torch.study._data",
    "Results": "edge2torch.study._pipeline",
    "Settings": "edge2torch.study._settings",
    "Story": "edge2torch.study._report_words",
    "Study": "edge2torch.study._pipeline",
    "Words": "edge2torch.study._settings",
    "check_study": "edge2torch.study._pipeline",
    "choose_task": "edge2torch.study._task",
    "feature_names": "edge2torch.study._data",
    "fit_network": "edge2torch.study._network",
    "from_anndata": "edge2torch.study._data",
    "identity_of": "edge2torch.study._progress",
    "open_progress": "edge2torch.study._progress",
    "positions_of": "edge2torch.study._ask",
    "read_dataset": "edge2torch.study._data",
    "read_edge_file": "edge2torch.study._edges",
    "read_h5ad": "edge2torch.study._data",
    "read_samples": "edge2torch.study._ask",
    "read_saved": "edge2torch.study._saved",
    "run_study": "edge2torch.study._pipeline",
    "score": "edge2torch.study._ask",
    "score_summary": "edge2torch.study._tables",
    "show": "edge2torch.study._verdict",
    "top_nodes": "edge2torch.study._tables",
    "trust_sentences": "edge2torch.study._trust_words",
    "verdicts": "edge2torch.study._verdict",
    "why_not": "edge2torch.study._trust",
    "with_names": "edge2torch.study._names",
    "write_results": "edge2torch.study._write",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'edge2torch.study' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = found
    return found
