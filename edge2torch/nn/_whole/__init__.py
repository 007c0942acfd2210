"""The whole-graph engine: a feedforward model as one function, node after node."""

from edge2torch.nn._whole._engine import WholeGraph

__all__ = ["WholeGraph"]
