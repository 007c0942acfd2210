"""Splits, scaling, a training loop and scores for compiled models; your own serve as well."""

from edge2torch.train._loop import Fit, fit
from edge2torch.train._metrics import sample_losses, score_predictions
from edge2torch.train._scaler import Scaler, fit_scaler
from edge2torch.train._split import Split, repeated_folds, split_samples
from edge2torch.train._steady import SteadyFit, fit_steady_state

__all__ = [
    "Fit",
    "Scaler",
    "Split",
    "SteadyFit",
    "fit",
    "fit_scaler",
    "fit_steady_state",
    "repeated_folds",
    "sample_losses",
    "score_predictions",
    "split_samples",
]
