"""Prior knowledge in: files and graphs become edge tables, and edge tables are fitted to data.

Readers return a table with a row per edge, ``source`` and ``target`` in the direction of
computation. Every step of fitting returns a new table and a report of what it did.
"""

from edge2torch.priors._annotations import read_annotations
from edge2torch.priors._between import keep_between
from edge2torch.priors._clean import clean_names
from edge2torch.priors._cx2 import read_cx2
from edge2torch.priors._cycles import break_cycles
from edge2torch.priors._ends import (
    add_latent,
    add_root,
    connect_outputs,
    dense_block,
    union_edges,
)
from edge2torch.priors._gmt import read_gmt
from edge2torch.priors._gocam import read_gocam
from edge2torch.priors._gpml import read_gpml
from edge2torch.priors._hierarchy import collapse_chains, cut_depth, limit_layers, mirror
from edge2torch.priors._kgml import read_kgml
from edge2torch.priors._midas import Midas as Midas
from edge2torch.priors._midas import add_inhibitors, read_midas
from edge2torch.priors._names import add_names
from edge2torch.priors._networkx import from_networkx, read_graphml, to_networkx
from edge2torch.priors._nodes import add_data_types, map_identifiers
from edge2torch.priors._obo import read_obo
from edge2torch.priors._omnipath import read_omnipath
from edge2torch.priors._prior import Prior, prepare_prior
from edge2torch.priors._pyg import HeteroEdges as HeteroEdges
from edge2torch.priors._pyg import from_pyg, to_pyg
from edge2torch.priors._reactome import read_reactome
from edge2torch.priors._report import PriorReport as PriorReport
from edge2torch.priors._report import StepReport as StepReport
from edge2torch.priors._sbml_qual import read_sbml_qual
from edge2torch.priors._sets import filter_sets, merge_identical, propagate_memberships
from edge2torch.priors._sif import read_sif
from edge2torch.priors._summary import GraphSummary as GraphSummary
from edge2torch.priors._summary import graph_summary
from edge2torch.priors._tables import read_edges, write_edges

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "Prior",
    "add_data_types",
    "add_inhibitors",
    "add_latent",
    "add_names",
    "add_root",
    "break_cycles",
    "clean_names",
    "collapse_chains",
    "connect_outputs",
    "cut_depth",
    "dense_block",
    "filter_sets",
    "from_networkx",
    "from_pyg",
    "graph_summary",
    "keep_between",
    "limit_layers",
    "map_identifiers",
    "merge_identical",
    "mirror",
    "prepare_prior",
    "propagate_memberships",
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
    "union_edges",
    "write_edges",
]
