"""One small fit of the vae backend for all tests of the room."""

import pytest

from edge2torch.netmodules import fit_modules, transcript_data
from edge2torch.simulate import planted_modules

SMALL = {"vae.latent_dim": 2, "vae.hidden_dim": 16, "vae.max_epochs": 60, "decoys": 50}


@pytest.fixture(scope="session", name="data")
def _data():
    planted = planted_modules(n_modules=2, module_size=15, n_background=20, seed=0)
    return transcript_data(planted.counts, planted.transcripts, planted.samples)


@pytest.fixture(scope="session", name="fit")
def _fit(data):
    return fit_modules(data, backend="vae", config=SMALL, quiet=True)
