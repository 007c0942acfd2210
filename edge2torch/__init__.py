"""Compile a table of named edges into a sparse PyTorch model, and read it back by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "1.0.0.dev0"

if TYPE_CHECKING:
    from edge2torch.compile import GNN as GNN
    from edge2torch.compile import CompileArtifact as CompileArtifact
    from edge2torch.compile import Feedforward as Feedforward
    from edge2torch.compile import Recurrent as Recurrent
    from edge2torch.compile import compile_graph as compile_graph
    from edge2torch.compile import edge_weights as edge_weights
    from edge2torch.compile import graph_topology as graph_topology
    from edge2torch.compile import load_compiled as load_compiled
    from edge2torch.compile import node_biases as node_biases
    from edge2torch.compile import save_compiled as save_compiled
    from edge2torch.customize import NodeHeads as NodeHeads
    from edge2torch.customize import customize_model as customize_model
    from edge2torch.customize import join_branches as join_branches
    from edge2torch.data import align_features_to_input_nodes as align_features_to_input_nodes
    from edge2torch.errors import Edge2TorchError as Edge2TorchError
    from edge2torch.errors import Edge2TorchWarning as Edge2TorchWarning
    from edge2torch.exchange import write_network as write_network
    from edge2torch.interpret import activations as activations
    from edge2torch.interpret import attribute as attribute
    from edge2torch.interpret import audit_prior as audit_prior
    from edge2torch.interpret import control_inputs as control_inputs
    from edge2torch.interpret import faithfulness as faithfulness
    from edge2torch.interpret import get_node_activations as get_node_activations
    from edge2torch.interpret import interpret_model as interpret_model
    from edge2torch.interpret import knock_out as knock_out
    from edge2torch.interpret import node_significance as node_significance
    from edge2torch.interpret import replicate as replicate
    from edge2torch.interpret import rewire as rewire
    from edge2torch.nn import cox_loss as cox_loss
    from edge2torch.nn import head_loss as head_loss
    from edge2torch.priors import Prior as Prior
    from edge2torch.priors import graph_summary as graph_summary
    from edge2torch.priors import prepare_prior as prepare_prior
    from edge2torch.priors import read_edges as read_edges
    from edge2torch.priors import read_gmt as read_gmt
    from edge2torch.priors import read_obo as read_obo
    from edge2torch.priors import read_reactome as read_reactome
    from edge2torch.study import compare_priors as compare_priors
    from edge2torch.study import load_pairs as load_pairs
    from edge2torch.study import load_study as load_study
    from edge2torch.study import run_study as run_study
    from edge2torch.train import pairs as pairs
else:  # a room, and torch with most of them, is imported when it is first asked for (SPEC 1)
    _ROOMS = {
        "cli": (),
        "compile": (
            "CompileArtifact",
            "Feedforward",
            "GNN",
            "Recurrent",
            "compile_graph",
            "edge_weights",
            "graph_topology",
            "load_compiled",
            "node_biases",
            "save_compiled",
        ),
        "customize": ("NodeHeads", "customize_model", "join_branches"),
        "data": ("align_features_to_input_nodes",),
        "errors": ("Edge2TorchError", "Edge2TorchWarning"),
        "exchange": ("write_network",),
        "explain": (),
        "graph": (),
        "interpret": (
            "activations",
            "attribute",
            "audit_prior",
            "control_inputs",
            "faithfulness",
            "get_node_activations",
            "interpret_model",
            "knock_out",
            "node_significance",
            "replicate",
            "rewire",
        ),
        "netmodules": (),
        "nn": ("cox_loss", "head_loss"),
        "perturb": (),
        "plot": (),
        "priors": (
            "Prior",
            "graph_summary",
            "prepare_prior",
            "read_edges",
            "read_gmt",
            "read_obo",
            "read_reactome",
        ),
        "regularize": (),
        "simulate": (),
        "study": ("compare_priors", "load_pairs", "load_study", "run_study"),
        "survival": (),
        "train": ("pairs",),
        "vae": (),
    }
    _HOME = {name: room for room, names in _ROOMS.items() for name in names}

    __all__ = list(_HOME)

    def __getattr__(name: str) -> object:
        if name in _ROOMS:
            return importlib.import_module(f"edge2torch.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'edge2torch' has no attribute {name!r}")
        found = getattr(importlib.import_module(f"edge2torch.{_HOME[name]}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_ROOMS, *_HOME})
