"""Join names and tensors: edge table in, model and artifact out; save and load both."""

from edge2torch.compile._bound import BoundModel as BoundModel
from edge2torch.compile._compile import compile_graph
from edge2torch.compile._compile import compile_like as compile_like
from edge2torch.compile._feedforward import draw_anew as draw_anew
from edge2torch.compile._gnn import GNN
from edge2torch.compile._labels import bare_labels as bare_labels
from edge2torch.compile._modules import describe as describe
from edge2torch.compile._modules import differing as differing
from edge2torch.compile._options import Feedforward
from edge2torch.compile._recurrent import Recurrent
from edge2torch.compile._registry import BACKENDS as BACKENDS
from edge2torch.compile._registry import Backend as Backend
from edge2torch.compile._registry import backend_names as backend_names
from edge2torch.compile._registry import find_backend as find_backend
from edge2torch.compile._save import load_compiled, save_compiled
from edge2torch.compile._weights import edge_weights, node_biases
from edge2torch.compile._weights import find_artifact as find_artifact
from edge2torch.compile._weights import find_edge_model as find_edge_model
from edge2torch.compile.artifact import CompileArtifact, graph_topology

# Names "as" themselves are for other rooms: importable, and no part of what the room shows.
__all__ = [
    "GNN",
    "CompileArtifact",
    "Feedforward",
    "Recurrent",
    "compile_graph",
    "edge_weights",
    "graph_topology",
    "load_compiled",
    "node_biases",
    "save_compiled",
]
