"""Ask a trained model what its outputs rest on, and answer in the names of the edge table."""

from edge2torch.interpret._activations import activations, get_node_activations
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._attribution import Attribution as Attribution
from edge2torch.interpret._convergence import convergence, cycles
from edge2torch.interpret._faithfulness import Faithfulness as Faithfulness
from edge2torch.interpret._faithfulness import faithfulness
from edge2torch.interpret._interpret import interpret_model
from edge2torch.interpret._knock_out import knock_out
from edge2torch.interpret._method import AttributionMethod
from edge2torch.interpret._methods import METHODS, attribution_methods
from edge2torch.interpret._outputs import answers_of as answers_of
from edge2torch.interpret._predictive import predictive_power
from edge2torch.interpret._score_graph import score_graph as score_graph
from edge2torch.interpret._trust._alone import node_alone
from edge2torch.interpret._trust._audit import PriorAudit as PriorAudit
from edge2torch.interpret._trust._audit import audit_prior
from edge2torch.interpret._trust._connectivity import graph_aware_dropout
from edge2torch.interpret._trust._connectivity import node_connectivity as node_connectivity
from edge2torch.interpret._trust._controls import control_inputs
from edge2torch.interpret._trust._cross_fit import CrossFitted as CrossFitted
from edge2torch.interpret._trust._cross_fit import cross_fit
from edge2torch.interpret._trust._findings import NodeFindings as NodeFindings
from edge2torch.interpret._trust._findings import find_nodes
from edge2torch.interpret._trust._findings import judge as judge
from edge2torch.interpret._trust._gene_sets import set_test
from edge2torch.interpret._trust._node_scores import rank_stability as rank_stability
from edge2torch.interpret._trust._replicate import Replicates as Replicates
from edge2torch.interpret._trust._replicate import replicate
from edge2torch.interpret._trust._rewire import rewire
from edge2torch.interpret._trust._significance import node_significance
from edge2torch.interpret._trust._specific import node_specific
from edge2torch.interpret._trust._stack import Apart as Apart
from edge2torch.interpret._trust._stack import ReplicateStack as ReplicateStack
from edge2torch.interpret._trust._stack import side_by_side as side_by_side
from edge2torch.interpret._trust._stack import stack_replicates as stack_replicates
from edge2torch.interpret._trust._target import Target as Target
from edge2torch.interpret._trust._use import node_use

# Names "as" themselves are what comes back, and inner steps: importable, and no part of what a user calls.
__all__ = [
    "METHODS",
    "AttributionMethod",
    "activations",
    "attribute",
    "attribution_methods",
    "audit_prior",
    "control_inputs",
    "convergence",
    "cross_fit",
    "cycles",
    "faithfulness",
    "find_nodes",
    "get_node_activations",
    "graph_aware_dropout",
    "interpret_model",
    "knock_out",
    "node_alone",
    "node_significance",
    "node_specific",
    "node_use",
    "predictive_power",
    "replicate",
    "rewire",
    "set_test",
]
