"""The whole-graph engine: a feedforward model as one function, node after node."""

from edge2torch.nn._whole._engine import WholeGraph, layer_by_layer

__all__ = ["WholeGraph", "layer_by_layer"]
