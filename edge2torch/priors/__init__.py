"""Prior knowledge in: files and graphs become edge tables, and edge tables are fitted to data.

Readers return a table with a row per edge, ``source`` and ``target`` in the direction of
computation. Every step of fitting returns a new table and a report of what it did.
"""

from edge2torch.priors._annotations import read_annotations
from edge2torch.priors._between import keep_between as keep_between
from edge2torch.priors._by_kind import read_prior as read_prior
from edge2torch.priors._by_kind import signs_as_constraints as signs_as_constraints
from edge2torch.priors._clean import clean_names
from edge2torch.priors._cx2 import read_cx2
from edge2torch.priors._cycles import break_cycles as break_cycles
from edge2torch.priors._ends import add_latent as add_latent
from edge2torch.priors._ends import add_root as add_root
from edge2torch.priors._ends import connect_outputs as connect_outputs
from edge2torch.priors._ends import dense_block
from edge2torch.priors._ends import union_edges as union_edges
from edge2torch.priors._gmt import read_gmt
from edge2torch.priors._gocam import read_gocam
from edge2torch.priors._gpml import read_gpml
from edge2torch.priors._hierarchy import collapse_chains as collapse_chains
from edge2torch.priors._hierarchy import cut_depth as cut_depth
from edge2torch.priors._hierarchy import limit_layers as limit_layers
from edge2torch.priors._hierarchy import mirror
from edge2torch.priors._kgml import read_kgml
from edge2torch.priors._midas import Midas as Midas
from edge2torch.priors._midas import add_inhibitors, read_midas
from edge2torch.priors._names import add_names
from edge2torch.priors._networkx import from_networkx, read_graphml, to_networkx
from edge2torch.priors._nodes import add_data_types as add_data_types
from edge2torch.priors._nodes import map_identifiers as map_identifiers
from edge2torch.priors._obo import read_obo
from edge2torch.priors._omnipath import read_omnipath
from edge2torch.priors._prior import Prior, prepare_prior
from edge2torch.priors._pyg import HeteroEdges as HeteroEdges
from edge2torch.priors._pyg import from_pyg, to_pyg
from edge2torch.priors._reactome import read_reactome
from edge2torch.priors._report import PriorReport as PriorReport
from edge2torch.priors._report import StepReport as StepReport
from edge2torch.priors._sbml_qual import read_sbml_qual
from edge2torch.priors._sets import filter_sets as filter_sets
from edge2torch.priors._sets import merge_identical as merge_identical
from edge2torch.priors._sets import propagate_memberships as propagate_memberships
from edge2torch.priors._sif import read_sif
from edge2torch.priors._summary import GraphSummary as GraphSummary
from edge2torch.priors._summary import graph_summary
from edge2torch.priors._tables import edges_to_write as edges_to_write
from edge2torch.priors._tables import read_edges, write_edges

# Names "as" themselves are what comes back, and steps, for which `Prior` is the door: importable, not shown.
__all__ = [
    "Prior",
    "add_inhibitors",
    "add_names",
    "clean_names",
    "dense_block",
    "from_networkx",
    "from_pyg",
    "graph_summary",
    "mirror",
    "prepare_prior",
    "read_annotations",
    "read_cx2",
    "read_edges",
    "read_gmt",
    "read_gocam",
    "read_gpml",
    "read_graphml",
    "read_kgml",
    "read_midas",
    "read_obo",
    "read_omnipath",
    "read_reactome",
    "read_sbml_qual",
    "read_sif",
    "to_networkx",
    "to_pyg",
    "write_edges",
]
