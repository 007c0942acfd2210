"""Training recipes for compiled models; an ordinary PyTorch loop serves as well."""

from edge2torch.train._steady import SteadyFit, fit_steady_state

__all__ = ["SteadyFit", "fit_steady_state"]
