"""Add to a compiled model: modules at its hidden nodes and after its output, heads, a second branch."""

from edge2torch.customize._customize import customize_model
from edge2torch.customize._heads import NodeHeads
from edge2torch.nn import CustomizedEdgeModel as CustomizedEdgeModel

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = ["NodeHeads", "customize_model"]
