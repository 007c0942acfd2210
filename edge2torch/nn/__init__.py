"""Sparse layers and models: tensors and integers, never a name.

Index legend of every shape in this room: ``b`` batch, ``n`` nodes, ``i`` in, ``o`` out,
``e`` edges. Inside a model activations have shape (b, n) but lie feature-major in memory
(strides ``(1, b)``), so that an edge reads one contiguous row of the batch.
"""

from edge2torch.nn._activations import ACTIVATIONS, MML
from edge2torch.nn._block import FeedforwardLayerBlock as FeedforwardLayerBlock
from edge2torch.nn._block import SkipSum as SkipSum
from edge2torch.nn._cells import GraphCell as GraphCell
from edge2torch.nn._cells import StepBlock as StepBlock
from edge2torch.nn._compiled import CompiledModel as CompiledModel
from edge2torch.nn._compiled import NodeSlot as NodeSlot
from edge2torch.nn._cox import TIES as TIES
from edge2torch.nn._cox import CoxLoss as CoxLoss
from edge2torch.nn._cox import Ties as Ties
from edge2torch.nn._cox import cox_loss
from edge2torch.nn._customized import CustomizedEdgeModel as CustomizedEdgeModel
from edge2torch.nn._dropout import QuickDropout as QuickDropout
from edge2torch.nn._dropout import drop_in_rows as drop_in_rows
from edge2torch.nn._dropout import drop_values as drop_values
from edge2torch.nn._gnn import EdgeGraphNNModel as EdgeGraphNNModel
from edge2torch.nn._heads import HeadBank as HeadBank
from edge2torch.nn._heads import head_loss
from edge2torch.nn._hold import Hold as Hold
from edge2torch.nn._joined import GivenOther as GivenOther
from edge2torch.nn._joined import JoinedModel as JoinedModel
from edge2torch.nn._kernels import KERNELS as KERNELS
from edge2torch.nn._kernels import EdgePattern as EdgePattern
from edge2torch.nn._kernels import KernelChoice as KernelChoice
from edge2torch.nn._kernels import choose_kernel as choose_kernel
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._linear import draw_weights as draw_weights
from edge2torch.nn._node_norms import NODE_NORMS as NODE_NORMS
from edge2torch.nn._node_norms import NodeNorm as NodeNorm
from edge2torch.nn._node_update import NodeUpdate as NodeUpdate
from edge2torch.nn._nodes import NodeBatchNorm as NodeBatchNorm
from edge2torch.nn._nodes import NodeDropout as NodeDropout
from edge2torch.nn._nodes import OnNodes as OnNodes
from edge2torch.nn._one_sided import one_sided as one_sided
from edge2torch.nn._readout import Readout as Readout
from edge2torch.nn._recurrent import RecurrentEdgeModel as RecurrentEdgeModel
from edge2torch.nn._spectral import Amplification as Amplification
from edge2torch.nn._spectral import Loops as Loops
from edge2torch.nn._spectral import amplification as amplification
from edge2torch.nn._spectral import spectral_radius
from edge2torch.nn._steady import Convergence as Convergence
from edge2torch.nn._steady import FewSteps as FewSteps
from edge2torch.nn._steady import SteadySolver as SteadySolver
from edge2torch.nn._whole import BLOCK as BLOCK
from edge2torch.nn._whole import Passes as Passes
from edge2torch.nn._whole import gradients_to_parameters as gradients_to_parameters
from edge2torch.nn._whole import layer_by_layer as layer_by_layer
from edge2torch.nn._whole import seen_in_one_pass as seen_in_one_pass
from edge2torch.nn.model import EdgeModel as EdgeModel

# Names "as" themselves are for other rooms: importable, and no part of what the room shows.
__all__ = [
    "ACTIVATIONS",
    "MML",
    "MaskedLinear",
    "cox_loss",
    "head_loss",
    "spectral_radius",
]
