"""Ask a trained model what its outputs rest on, and answer in the names of the edge table."""

from edge2torch.interpret._interpret import interpret_model
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS, attribution_methods

__all__ = ["METHODS", "AttributionMethod", "attribution_methods", "interpret_model"]
