"""What one of several processes does in test_processes.py; also run by torchrun, without pytest.

torchrun --nproc-per-node 2 tests/reliability/processes.py FOLDER
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import edge2torch as e2t

if TYPE_CHECKING:  # torchrun starts this file without the folder of the tests
    from tests.reliability.rows import Row

ACYCLIC = pd.DataFrame(
    {"source": ["a", "b", "c", "h", "g", "a"], "target": ["h", "h", "g", "y", "y", "y"]}
)
CYCLIC = pd.concat([ACYCLIC, pd.DataFrame({"source": ["h", "g"], "target": ["g", "h"]})])
BACKENDS = {
    "feedforward": (ACYCLIC, {}),
    "recurrent": (CYCLIC, {"steps": 4}),
    "gnn": (CYCLIC, {"steps": 3}),
}
_PARAMETERS = inspect.signature(DistributedDataParallel).parameters
_SYNC = next(n for n in ("forward_sync_buffers", "broadcast_buffers") if n in _PARAMETERS)


def make(backend: str) -> nn.Module:
    """Return the same customized model in every process."""
    edges, options = BACKENDS[backend]
    torch.manual_seed(0)
    model, _ = e2t.compile_graph(edges, backend=backend, quiet=True, **options)
    return e2t.customize_model(model, head=nn.Linear(1, 2)).double()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(8, 3, dtype=torch.float64, generator=generator),
        torch.randn(8, 2, dtype=torch.float64, generator=generator),
    )


def gradients(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the gradients of a mean squared error by parameter name."""
    nn.functional.mse_loss(model(x), y).backward()
    return {
        name.removeprefix("module."): parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def of_two(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Return the gradients that two processes under torchrun come to."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "0", "--standalone", __file__, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, dict[str, Tensor]] = torch.load(folder / "gradients.pt")
    return found


def rows() -> Iterator[Row]:
    from tests.reliability.rows import Row

    with tempfile.TemporaryDirectory() as folder:
        found = of_two(Path(folder))
    for backend in BACKENDS:
        expected = gradients(make(backend), *data())
        worst = max(float((found[backend][n] - g).abs().max()) for n, g in expected.items())
        figure = f"largest difference of a gradient {worst:.1e}"
        yield Row("two processes as one", backend, figure, held=worst <= 1e-6)


def main(folder: Path) -> None:
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    x, y = data()
    found = {}
    for backend in BACKENDS:
        # the index tensors are buffers that never change: they need not travel
        model = DistributedDataParallel(make(backend), **{_SYNC: False})
        found[backend] = gradients(model, x[rank::size], y[rank::size])
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    dist.barrier()  # or the first to leave closes a line on which the other still waits
    dist.destroy_process_group()
    # With torch 2.13 gloo's threads outlive the group once DistributedDataParallel has used it, and
    # one that lets go of its last work while Python shuts down aborts the process: about one run in
    # a hundred on a busy machine. Everything is on disk, so we leave without that shutdown.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
