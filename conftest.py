"""Settings that every test and doctest of the checkout shares."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

# Kernels for a GPU import Triton, which is only where PyTorch is built for CUDA; they have no examples.
collect_ignore = ["edge2torch/nn/_whole/_triton.py"]

# Several workers share the cores: one thread each, and sums come out in one order.
torch.set_num_threads(1)

# A graph may take long the first time (imports, warm caches) or on a busy machine, so neither a
# deadline nor a check of how fast examples are drawn. "ci" draws the same examples every time; "dev"
# keeps looking for new ones.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT)
settings.register_profile("ci", _PATIENT, derandomize=True)
settings.load_profile("dev")


@pytest.fixture(autouse=True)
def _doctests_run_in_an_empty_folder(request: pytest.FixtureRequest) -> None:
    """What an example writes does not land in the checkout."""
    if isinstance(request.node, pytest.DoctestItem):
        if request.node.name.endswith(".read_sbml_qual"):
            pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a terminal, whose user waits for no bar."""
    from edge2torch._core import console

    monkeypatch.setattr(console, "_PATIENCE", 0.0)
    monkeypatch.setattr(console, "_REFRESHED", 0.0)
    monkeypatch.setattr(console, "is_watched", lambda: True)


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Pyplot keeps every figure that is not, and warns of the twenty-first."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
