"""Sparse layers and models: tensors and integers, never a name.

Index legend of every shape in this room: ``b`` batch, ``n`` nodes, ``i`` in, ``o`` out,
``e`` edges. Inside a model activations have shape (b, n) but lie feature-major in memory
(strides ``(1, b)``), so that an edge reads one contiguous row of the batch.
"""

from edge2torch.nn._activations import ACTIVATIONS, MML
from edge2torch.nn._block import FeedforwardLayerBlock, SkipSum
from edge2torch.nn._cells import GraphCell, StepBlock
from edge2torch.nn._compiled import CompiledModel, NodeSlot
from edge2torch.nn._customized import CustomizedEdgeModel
from edge2torch.nn._gnn import EdgeGraphNNModel
from edge2torch.nn._kernels import KERNELS, EdgePattern, KernelChoice, choose_kernel
from edge2torch.nn._linear import MaskedLinear, draw_weights
from edge2torch.nn._node_norms import NODE_NORMS, NodeNorm
from edge2torch.nn._node_update import NodeUpdate
from edge2torch.nn._nodes import NodeBatchNorm, OnNodes
from edge2torch.nn._one_sided import one_sided
from edge2torch.nn._readout import Readout
from edge2torch.nn._recurrent import RecurrentEdgeModel
from edge2torch.nn._spectral import Amplification, Loops, amplification, spectral_radius
from edge2torch.nn._steady import Convergence, FewSteps, SteadySolver
from edge2torch.nn.model import EdgeModel

__all__ = [
    "ACTIVATIONS",
    "KERNELS",
    "MML",
    "NODE_NORMS",
    "Amplification",
    "CompiledModel",
    "Convergence",
    "CustomizedEdgeModel",
    "EdgeGraphNNModel",
    "EdgeModel",
    "EdgePattern",
    "FeedforwardLayerBlock",
    "FewSteps",
    "GraphCell",
    "KernelChoice",
    "Loops",
    "MaskedLinear",
    "NodeBatchNorm",
    "NodeNorm",
    "NodeSlot",
    "NodeUpdate",
    "OnNodes",
    "Readout",
    "RecurrentEdgeModel",
    "SkipSum",
    "SteadySolver",
    "StepBlock",
    "amplification",
    "choose_kernel",
    "draw_weights",
    "one_sided",
    "spectral_radius",
]
