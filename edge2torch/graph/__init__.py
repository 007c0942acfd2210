"""From a table of named edges to integers: reading, checking, layering, planning.

Nothing here knows PyTorch. Names come in and stay in :class:`EdgeGraph`; the plans that the
neural layers are built from hold integer arrays only.
"""

from edge2torch.graph._adjacency import distances as distances
from edge2torch.graph._adjacency import reachable as reachable
from edge2torch.graph._cycles import cycle_words as cycle_words
from edge2torch.graph._cycles import shortest_cycle as shortest_cycle
from edge2torch.graph._edge_graph import EdgeGraph as EdgeGraph
from edge2torch.graph._edge_graph import build_edge_graph as build_edge_graph
from edge2torch.graph._gnn_plan import GnnPlan as GnnPlan
from edge2torch.graph._gnn_plan import plan_gnn as plan_gnn
from edge2torch.graph._layers import longest_path_layers as longest_path_layers
from edge2torch.graph._plan import BlockPlan as BlockPlan
from edge2torch.graph._plan import ExecutionPlan as ExecutionPlan
from edge2torch.graph._plan import FeedforwardPlan as FeedforwardPlan
from edge2torch.graph._plan import SkipPlan as SkipPlan
from edge2torch.graph._plan import plan_feedforward as plan_feedforward
from edge2torch.graph._recurrent_plan import RecurrentPlan as RecurrentPlan
from edge2torch.graph._recurrent_plan import plan_recurrent as plan_recurrent
from edge2torch.graph._table import EdgeTable as EdgeTable
from edge2torch.graph._table import read_edge_table as read_edge_table
from edge2torch.graph._topology import GraphTopology as GraphTopology
from edge2torch.graph._units import UnitGraph as UnitGraph
from edge2torch.graph._units import expand_units as expand_units
from edge2torch.graph._units import inputs_below as inputs_below

# Names "as" themselves are for other rooms, or come back: importable, and no part of what the room shows.
__all__: list[str] = []
