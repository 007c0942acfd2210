"""What was given and what was read: designs of perturbations, their folds, and what predicts them."""

from edge2torch.perturb._compare import Comparison as Comparison
from edge2torch.perturb._compare import baselines
from edge2torch.perturb._compile import compile  # noqa: A004 - as in _compile
from edge2torch.perturb._design import Design as Design
from edge2torch.perturb._fit import PerturbationFit as PerturbationFit
from edge2torch.perturb._fit import fit
from edge2torch.perturb._folds import Fold as Fold
from edge2torch.perturb._folds import Folds as Folds
from edge2torch.perturb._folds import folds
from edge2torch.perturb._kernel import GraphKernel
from edge2torch.perturb._midas import read_midas
from edge2torch.perturb._model import PerturbationModel as PerturbationModel
from edge2torch.perturb._read_design import read_design
from edge2torch.perturb._screen import screen
from edge2torch.perturb._write import write_fit

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "GraphKernel",
    "baselines",
    "compile",
    "fit",
    "folds",
    "read_design",
    "read_midas",
    "screen",
    "write_fit",
]
