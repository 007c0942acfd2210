"""A fit starts where the data are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch.vae import compile_vae
from edge2torch.vae._cells import open_cells, survey
from edge2torch.vae._start import start_from

GENES = [f"g{k}" for k in range(60)]


def started(data: pd.DataFrame, likelihood: str) -> torch.nn.Module:
    model, _ = compile_vae(features=GENES, latents=2, hidden_dim=4, likelihood=likelihood)
    cells = open_cells(data, model.design)
    start_from(model, cells, np.arange(len(data)), survey(cells, likelihood))
    return model


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_dispersions_are_those_of_the_data(likelihood: str) -> None:
    rng = np.random.default_rng(0)
    wanted = np.tile([0.3, 1.0, 3.0], 20)
    library = rng.uniform(200, 800, (3000, 1))
    mean = np.broadcast_to(library / 60, (3000, 60))
    counts = pd.DataFrame(rng.poisson(mean * rng.gamma(wanted, 1 / wanted, mean.shape)))
    counts.columns = GENES
    found = started(counts, likelihood).decoder.disp.exp().detach().numpy()
    assert np.corrcoef(np.log(found), np.log(wanted))[0, 1] > 0.95
    assert np.abs(np.log(found / wanted)).mean() < 0.3


def test_constant_genes_have_finite_starts() -> None:
    counts = pd.DataFrame(0, index=range(20), columns=GENES)
    counts["g0"] = 5
    disp = started(counts, "nb").decoder.disp
    assert torch.isfinite(disp).all()
    log_sd = started(counts.astype(float), "gaussian").decoder.log_sd
    assert torch.isfinite(log_sd).all()


def test_a_gaussian_starts_at_mean_and_standard_deviation() -> None:
    rng = np.random.default_rng(0)
    sd = np.linspace(0.5, 3, 60)
    data = pd.DataFrame(rng.normal(3, sd, (4000, 60)), columns=GENES)
    model = started(data, "gaussian")
    np.testing.assert_allclose(model.decoder.log_sd.exp().detach(), sd, rtol=0.05)
    last = model.decoder.network.base_model.blocks[-1].linear.bias
    np.testing.assert_allclose(last.detach(), data.mean(), rtol=1e-4)
