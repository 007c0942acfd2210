"""From named data to the tensor that a compiled model takes."""

from edge2torch.data._align import align_features_to_input_nodes
from edge2torch.data._report import AlignmentReport

__all__ = ["AlignmentReport", "align_features_to_input_nodes"]
