"""From a table of named edges to integers: reading, checking, layering, planning.

Nothing here knows PyTorch. Names come in and stay in :class:`EdgeGraph`; the plans that the
neural layers are built from hold integer arrays only.
"""

from edge2torch.graph._adjacency import distances, reachable
from edge2torch.graph._cycles import cycle_words, shortest_cycle
from edge2torch.graph._edge_graph import EdgeGraph, build_edge_graph
from edge2torch.graph._gnn_plan import GnnPlan, plan_gnn
from edge2torch.graph._layers import longest_path_layers
from edge2torch.graph._plan import (
    BlockPlan,
    ExecutionPlan,
    FeedforwardPlan,
    SkipPlan,
    plan_feedforward,
)
from edge2torch.graph._recurrent_plan import RecurrentPlan, plan_recurrent
from edge2torch.graph._table import EdgeTable, read_edge_table
from edge2torch.graph._topology import GraphTopology

__all__ = [
    "BlockPlan",
    "EdgeGraph",
    "EdgeTable",
    "ExecutionPlan",
    "FeedforwardPlan",
    "GnnPlan",
    "GraphTopology",
    "RecurrentPlan",
    "SkipPlan",
    "build_edge_graph",
    "cycle_words",
    "distances",
    "longest_path_layers",
    "plan_feedforward",
    "plan_gnn",
    "plan_recurrent",
    "reachable",
    "read_edge_table",
    "shortest_cycle",
]
