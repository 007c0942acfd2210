"""From named data to the tensor that a compiled model takes."""

from edge2torch.data._align import align_features_to_input_nodes
from edge2torch.data._report import AlignmentReport as AlignmentReport

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = ["align_features_to_input_nodes"]
