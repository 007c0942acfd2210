"""Ask a trained model what its outputs rest on, and answer in the names of the edge table."""

from edge2torch.interpret._activations import activations, get_node_activations
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._attribution import Attribution
from edge2torch.interpret._convergence import convergence, cycles
from edge2torch.interpret._faithfulness import Faithfulness, faithfulness
from edge2torch.interpret._interpret import interpret_model
from edge2torch.interpret._knock_out import knock_out
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS, attribution_methods
from edge2torch.interpret._score_graph import cut_graph, score_graph
from edge2torch.interpret._trust._audit import PriorAudit, audit_prior
from edge2torch.interpret._trust._connectivity import graph_aware_dropout, node_connectivity
from edge2torch.interpret._trust._controls import control_inputs
from edge2torch.interpret._trust._node_scores import rank_stability
from edge2torch.interpret._trust._replicate import Replicates, replicate
from edge2torch.interpret._trust._rewire import rewire
from edge2torch.interpret._trust._significance import node_significance
from edge2torch.interpret._trust._stack import ReplicateStack, stack_replicates

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionMethod",
    "Faithfulness",
    "PriorAudit",
    "ReplicateStack",
    "Replicates",
    "activations",
    "attribute",
    "attribution_methods",
    "audit_prior",
    "control_inputs",
    "convergence",
    "cut_graph",
    "cycles",
    "faithfulness",
    "get_node_activations",
    "graph_aware_dropout",
    "interpret_model",
    "knock_out",
    "node_connectivity",
    "node_significance",
    "rank_stability",
    "replicate",
    "rewire",
    "score_graph",
    "stack_replicates",
]
