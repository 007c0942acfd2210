"""Compile a table of named edges into a sparse PyTorch model, and read it back by name."""

from edge2torch.compile import (
    CompileArtifact,
    compile_graph,
    edge_weights,
    get_node_activations,
    load_compiled,
    node_biases,
    save_compiled,
)
from edge2torch.customize import customize_model
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.graph import graph_topology
from edge2torch.interpret import (
    activations,
    control_inputs,
    interpret_model,
    knock_out,
    node_significance,
    replicate,
    rewire,
)
from edge2torch.priors import (
    graph_summary,
    prepare_prior,
    read_edges,
    read_gmt,
    read_obo,
    read_reactome,
)

__version__ = "1.0.0.dev0"

__all__ = [
    "CompileArtifact",
    "Edge2TorchError",
    "Edge2TorchWarning",
    "activations",
    "align_features_to_input_nodes",
    "compile_graph",
    "control_inputs",
    "customize_model",
    "edge_weights",
    "get_node_activations",
    "graph_summary",
    "graph_topology",
    "interpret_model",
    "knock_out",
    "load_compiled",
    "node_biases",
    "node_significance",
    "prepare_prior",
    "read_edges",
    "read_gmt",
    "read_obo",
    "read_reactome",
    "replicate",
    "rewire",
    "save_compiled",
]
