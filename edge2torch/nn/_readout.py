"""From edge states to outputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.nn._kernels import EdgePattern

Int = NDArray[np.int64]


class Readout(EdgePattern):
    """Output[o] = sum of the states of its incoming edges, times a constant per output.

    Parameters
    ----------
    rows, columns : ndarray of int
        Output, and edge that leads into it.
    shape : tuple of int
        Outputs, edges.
    scale : float
        Further factor beside one over the root of the number of incoming edges.
    fed, fed_from : ndarray of int
        Outputs that are inputs, and which: these are read as they are.

    Examples
    --------
    >>> import numpy as np, torch
    >>> two, none = np.arange(2), np.zeros(0, np.int64)
    >>> read = Readout(np.zeros(2, np.int64), two, (1, 2), scale=1.0, fed=none, fed_from=none)
    >>> read(torch.tensor([[3.0], [3.0]]), torch.zeros(1, 1)).round().tolist()
    [[4.0]]
    """

    degree: Tensor
    fed: Tensor
    fed_from: Tensor

    def __init__(
        self,
        rows: Int,
        columns: Int,
        shape: tuple[int, int],
        *,
        scale: float,
        fed: Int,
        fed_from: Int,
    ) -> None:
        super().__init__(rows, columns, shape)
        self.scale = scale
        degree = np.maximum(np.bincount(rows, minlength=shape[0]), 1)
        for name, values in {"degree": degree, "fed": fed, "fed_from": fed_from}.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, states: Tensor, x: Tensor) -> Tensor:
        """Map edge states (e, b) and inputs (i, b) to (b, o)."""
        y = self.product(states.new_ones(self.n_edges), states.t()).t()
        y = y * (self.scale * self.degree.to(y.dtype).rsqrt()[:, None])
        if len(self.fed):
            y = y.index_copy(0, self.fed, x.index_select(0, self.fed_from).to(y.dtype))
        return y.t().contiguous()
