"""Many processes: the gradients of one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.reliability.processes import BACKENDS, data, gradients, make


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    script = Path(__file__).with_name("processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "0", "--standalone", str(script), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # whole: the cause stands first, torchrun's last
    return torch.load(folder / "gradients.pt")


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_processes_give_the_gradients_of_one(of_two, backend):
    expected = gradients(make(backend), *data())
    assert set(of_two[backend]) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(of_two[backend][name], gradient, rtol=1e-10, atol=1e-12)
