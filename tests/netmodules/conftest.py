"""Small counts with planted modules, and what each backend makes of them."""

from __future__ import annotations

import os
from functools import cache

import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import BACKENDS, NetworkModules, fit_modules
from edge2torch.netmodules._config import WgcnaConfig
from edge2torch.netmodules._wgcna import find_wgcna
from edge2torch.simulate import PlantedModules, planted_modules

SMALL = {"vae.max_epochs": 60, "vae.hidden_dim": 16}


@cache
def planted() -> PlantedModules:
    return planted_modules(n_modules=3, module_size=12, n_background=30, seed=1)


@cache
def fitted(backend: str) -> NetworkModules:
    if backend == "wgcna":
        try:
            find_wgcna(WgcnaConfig())
        except Edge2TorchError as error:
            pytest.skip(str(error))
    data = planted()
    return fit_modules(
        data.counts, data.transcripts, data.samples, backend=backend, config=SMALL, quiet=True
    )


def spare_r(backend: str) -> None:
    """Skip a second fit by R, which takes ten seconds to start each time, unless all is asked."""
    if backend == "wgcna" and os.environ.get("EDGE2TORCH_FULL") != "1":
        pytest.skip("R starts slowly, and one fit has been tested: EDGE2TORCH_FULL=1 runs the rest")


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
