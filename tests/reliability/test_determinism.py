"""The same seed on the same machine with the same threads: the same bits."""

import pytest
import torch

from tests.reliability.processes import BACKENDS, data, make


def trained(backend):
    model = make(backend).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = (part.float() for part in data())
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_twice_gives_the_same_bits(backend):
    first, second = trained(backend), trained(backend)
    assert all(torch.equal(first[name], second[name]) for name in first)
