"""What one of several processes does in test_processes.py; also run by torchrun, without pytest.

torchrun --nproc-per-node 2 tests/reliability/processes.py FOLDER
"""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import edge2torch as e2t

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
    dist.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
