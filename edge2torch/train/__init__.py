"""Splits, scaling, a training loop and scores for compiled models; your own serve as well."""

from edge2torch.train._chunks import CHUNK as CHUNK
from edge2torch.train._chunks import in_chunks as in_chunks
from edge2torch.train._diverged import diverged as diverged
from edge2torch.train._diverged import naming_what_diverges as naming_what_diverges
from edge2torch.train._loop import Fit as Fit
from edge2torch.train._loop import fit
from edge2torch.train._metrics import sample_losses as sample_losses
from edge2torch.train._metrics import score_predictions
from edge2torch.train._pairs import Pairs as Pairs
from edge2torch.train._pairs import pairs
from edge2torch.train._scaler import Scaler as Scaler
from edge2torch.train._scaler import fit_scaler
from edge2torch.train._split import Split as Split
from edge2torch.train._split import repeated_folds, split_samples
from edge2torch.train._steady import SteadyFit as SteadyFit
from edge2torch.train._steady import fit_steady_state

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "fit",
    "fit_scaler",
    "fit_steady_state",
    "pairs",
    "repeated_folds",
    "score_predictions",
    "split_samples",
]
