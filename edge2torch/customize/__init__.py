"""Add to a compiled model: modules at its hidden nodes and after its output, heads, a second branch."""

from edge2torch.customize._branches import join_branches
from edge2torch.customize._customize import customize_model
from edge2torch.customize._heads import NodeHeads
from edge2torch.nn import CustomizedEdgeModel as CustomizedEdgeModel
from edge2torch.nn import JoinedModel as JoinedModel

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = ["NodeHeads", "customize_model", "join_branches"]
