"""A fit starts where the data are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from edge2torch.vae import compile_vae
from edge2torch.vae._cells import open_cells, survey
from edge2torch.vae._start import mean_profile, start_from

GENES = [f"g{k}" for k in range(60)]


def started(data: pd.DataFrame, likelihood: str) -> torch.nn.Module:
    model, _ = compile_vae(features=GENES, latents=2, hidden_dim=4, likelihood=likelihood)
    cells = open_cells(data, model.design)
    found = survey(cells, likelihood)
    profile = mean_profile(model.likelihood, cells, np.arange(len(data)), found)
    start_from(model, profile, found)
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


def some_rare() -> pd.DataFrame:
    """Sixty genes of 500 cells: forty usual ones, ten that one cell shows, ten that none does."""
    rng = np.random.default_rng(0)
    data = np.where(rng.random((500, 60)) < 0.2, rng.normal(2, 0.3, (500, 60)), 0)
    data[:, 40:] = 0
    data[np.arange(10), np.arange(40, 50)] = 2
    return pd.DataFrame(data, columns=GENES)


def start_sd(data: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(started(data, "gaussian").decoder.log_sd.exp().detach().double())


def test_rare_genes_start_at_a_spread_from_the_data() -> None:
    data = some_rare()
    found = start_sd(data)
    farthest = np.square(data - data.mean()).max().to_numpy()
    typical = np.median(farthest[:40])
    np.testing.assert_allclose(found[50:], np.sqrt(typical / 501), rtol=1e-4)
    own = np.square(data.iloc[:, 40:50] - data.iloc[:, 40:50].mean()).sum().to_numpy()
    one = np.sqrt(farthest[40:50] * typical)
    np.testing.assert_allclose(found[40:50], np.sqrt((own + one) / 501), rtol=1e-4)
    np.testing.assert_allclose(start_sd(100 * data), 100 * found, rtol=1e-4)


def test_a_gene_of_a_small_scale_keeps_it() -> None:
    data = some_rare()
    data["g0"] = np.random.default_rng(1).normal(0, 1e-5, 500)
    assert start_sd(data)[0] == pytest.approx(data["g0"].std(), rel=0.05)


def test_training_leaves_a_rare_gene_the_spread_it_started_with() -> None:
    data = some_rare()
    model = started(data, "gaussian")
    cells = open_cells(data, model.design)
    found = survey(cells, "gaussian")
    profile = mean_profile(model.likelihood, cells, np.arange(500), found)
    log_sd = profile.own["log_sd"].clone().requires_grad_()
    values = cells.read(np.arange(500)).double()
    nll = -profile.log_likelihood(values, values[:, :1], {"log_sd": log_sd}).mean()
    (nll + profile.surprise_loss(log_sd)).backward()
    assert log_sd.grad is not None
    np.testing.assert_allclose(log_sd.grad, 0, atol=1e-5)


def test_rare_zeros_and_ones_start_at_their_share() -> None:
    data = pd.DataFrame(0, index=range(5000), columns=GENES)
    data.loc[0, "g1"] = 1
    data["g2"] = 1
    last = started(data, "bernoulli").decoder.network.base_model.blocks[-1].linear.bias
    odds = last.exp().detach().numpy()[:3]
    np.testing.assert_allclose(odds, [0.5 / 5000.5, 1.5 / 4999.5, 5000.5 / 0.5], rtol=1e-3)
