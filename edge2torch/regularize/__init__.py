"""Penalties that tell a model what is known about its nodes and edges, by name."""

from edge2torch.regularize._group import CrossPathwayLasso
from edge2torch.regularize._pathway import PathwayLatentRegularizer
from edge2torch.regularize._spectral import SpectralRadiusPenalty

__all__ = ["CrossPathwayLasso", "PathwayLatentRegularizer", "SpectralRadiusPenalty"]
