"""Modules that act on nodes."""

import numpy as np
import torch
from torch import nn

from edge2torch.nn import NodeBatchNorm, OnNodes, SkipSum


def test_batch_norm_equals_torchs_and_keeps_the_layout():
    torch.manual_seed(0)
    ours, theirs = NodeBatchNorm(5), nn.BatchNorm1d(5)
    for _ in range(3):
        x = torch.randn(5, 16).t().mul(3).add(1)
        y = ours(x)
        torch.testing.assert_close(y, theirs(x))
        assert y.stride() == (1, 16)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x))


def test_groups_of_nodes_get_their_own_module():
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    module = OnNodes([([0, 2], nn.Tanh()), ([3], nn.ReLU())])
    expected = torch.stack([x[:, 0].tanh(), x[:, 1], x[:, 2].tanh(), x[:, 3].relu()], 1)
    torch.testing.assert_close(module(x), expected)
    assert torch.autograd.gradcheck(module, x)


def test_skip_sums_equal_index_add():
    torch.manual_seed(0)
    positions = np.array([3, 0, 3, 1, 3])
    pieces = torch.randn(6, 2), torch.randn(6, 3)
    expected = torch.zeros(6, 5).index_add(1, torch.from_numpy(positions), torch.cat(pieces, 1))
    torch.testing.assert_close(SkipSum(positions, 5)(*(piece.t() for piece in pieces)), expected)
