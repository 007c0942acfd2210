"""Join names and tensors: edge table in, model and artifact out; save and load both."""

from edge2torch.compile._compile import compile_graph
from edge2torch.compile._gnn import GNN
from edge2torch.compile._options import Feedforward
from edge2torch.compile._recurrent import Recurrent
from edge2torch.compile._registry import BACKENDS, Backend, backend_names, find_backend
from edge2torch.compile._save import load_compiled, save_compiled
from edge2torch.compile._weights import (
    edge_weights,
    find_artifact,
    find_edge_model,
    node_biases,
)
from edge2torch.compile.artifact import CompileArtifact, graph_topology

__all__ = [
    "BACKENDS",
    "GNN",
    "Backend",
    "CompileArtifact",
    "Feedforward",
    "Recurrent",
    "backend_names",
    "compile_graph",
    "edge_weights",
    "find_artifact",
    "find_backend",
    "find_edge_model",
    "graph_topology",
    "load_compiled",
    "node_biases",
    "save_compiled",
]
