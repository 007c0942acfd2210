"""How long until: outcomes with a time and a flag, their curves, scores, tests and linear models.

The loss is ``edge2torch.cox_loss``.
"""

from edge2torch.survival._asked import TimeToEvent
from edge2torch.survival._brier import brier_at, calibration_at, integrated_brier
from edge2torch.survival._brier import brier_terms as brier_terms
from edge2torch.survival._cox import CoxRegression as CoxRegression
from edge2torch.survival._cox import calibration_slope, cox_regression
from edge2torch.survival._curves import BaselineHazard as BaselineHazard
from edge2torch.survival._curves import (
    baseline_hazard,
    kaplan_meier,
    martingale_residuals,
    median_follow_up,
    median_time,
)
from edge2torch.survival._discrete import DiscreteTime
from edge2torch.survival._folds import fold_classes as fold_classes
from edge2torch.survival._folds import survival_folds
from edge2torch.survival._intervals import compare_concordance
from edge2torch.survival._intervals import shares_of_draws as shares_of_draws
from edge2torch.survival._logrank import LogRank as LogRank
from edge2torch.survival._logrank import logrank
from edge2torch.survival._outcome import Outcome, outcome_of
from edge2torch.survival._outcome import check_outcome as check_outcome
from edge2torch.survival._pairs import auc_at, harrell_c, uno_c
from edge2torch.survival._pairs import comparable as comparable
from edge2torch.survival._pairs import default_tau as default_tau
from edge2torch.survival._pairs import uno_weights as uno_weights
from edge2torch.survival._simulate import simulate

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "DiscreteTime",
    "Outcome",
    "TimeToEvent",
    "auc_at",
    "baseline_hazard",
    "brier_at",
    "calibration_at",
    "calibration_slope",
    "compare_concordance",
    "cox_regression",
    "harrell_c",
    "integrated_brier",
    "kaplan_meier",
    "logrank",
    "martingale_residuals",
    "median_follow_up",
    "median_time",
    "outcome_of",
    "simulate",
    "survival_folds",
    "uno_c",
]
