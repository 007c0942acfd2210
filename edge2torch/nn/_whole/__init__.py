"""The whole-graph engine: a model as one function, node after node."""

from edge2torch.nn._whole._conductance import BLOCK, seen_in_one_pass
from edge2torch.nn._whole._engine import WholeGraph, gradients_to_parameters, layer_by_layer
from edge2torch.nn._whole._kinds import STEPS, Update
from edge2torch.nn._whole._passes import Passes
from edge2torch.nn._whole._settle import AtOnce

__all__ = [
    "BLOCK",
    "STEPS",
    "AtOnce",
    "Passes",
    "Update",
    "WholeGraph",
    "gradients_to_parameters",
    "layer_by_layer",
    "seen_in_one_pass",
]
