"""Our Adam steps as torch's does, at the same rates, without loading torch's compiler."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from edge2torch.netmodules._adam import Adam, Plateau


def test_steps_and_rates_are_those_of_torch():
    torch.manual_seed(0)
    x, y = torch.randn(40, 7), torch.randn(40, 3)
    ours, theirs = nn.Linear(7, 3), nn.Linear(7, 3)
    theirs.load_state_dict(ours.state_dict())
    mine = Adam(ours.parameters(), 0.1)
    schedule = Plateau(mine, 1 / 3, patience=2)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.1, fused=True)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, factor=1 / 3, patience=2)
    for epoch in range(120):
        for model, optimizer, watch in ((ours, mine, schedule), (theirs, reference, plateau)):
            loss = (model(x) - y).square().sum() if epoch % 9 else model(x).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(float(loss.detach()))
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)
        assert mine.rate == reference.param_groups[0]["lr"]
    assert mine.rate < 0.01


@pytest.mark.skipif("EDGE2TORCH_FULL" not in os.environ, reason="a process of its own: seconds")
def test_a_fit_does_not_load_the_compiler_of_torch():
    code = (
        "import sys; from edge2torch.netmodules import fit_modules;"
        "from edge2torch.simulate import planted_modules;"
        "p = planted_modules(n_modules=2, module_size=8, n_background=8, seed=0);"
        "fit_modules(p.counts, p.transcripts, config={'vae.max_epochs': 2}, quiet=True);"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
