import torch
from torch import nn

from edge2torch._core.wrappers import plain_state, unwrap


def test_names_without_wrappers_at_any_depth():
    plain = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3)))
    plain.module = nn.Linear(3, 3)  # a child of that name is not a wrapper
    expected = dict(plain.state_dict())
    plain[1] = torch.compile(nn.DataParallel(plain[1]), backend="eager")
    wrapped = nn.DataParallel(torch.compile(plain, backend="eager"))
    assert unwrap(wrapped) is plain
    found = plain_state(wrapped)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
