"""The whole-graph engine: a feedforward model as one function, node after node."""

from edge2torch.nn._whole._engine import WholeGraph, gradients_to_parameters, layer_by_layer

__all__ = ["WholeGraph", "gradients_to_parameters", "layer_by_layer"]
