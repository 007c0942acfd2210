"""A fit says whether it beats the mean profile, and no single cell decides it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import mstats, trim_mean

from edge2torch._core.trimmed import trimmed_mean
from edge2torch.errors import Edge2TorchWarning
from edge2torch.vae import EdgeVAE, FitReport, ProfileGain, compile_vae
from edge2torch.vae._gain import gain_of

NO_GAIN = "does not beat the mean profile"
TYPE = np.repeat(["a", "b", "c"], 100)


def log_normalised(*, rare: int = 0, structure: bool = True) -> pd.DataFrame:
    """Three hundred cells of three types by 60 genes, and rare ones that one or two cells show."""
    rng = np.random.default_rng(0)
    share = np.full((300, 60), 0.1)
    for k, name in enumerate("abc"):
        share[np.ix_(name == TYPE, range(20 * k, 20 * k + 20))] = 0.8 if structure else 0.1
    values = np.where(rng.random(share.shape) < share, rng.normal(2, 0.4, share.shape), 0)
    more = np.zeros((300, rare))
    for k in range(rare):
        more[rng.choice(300, 1 + k % 2, replace=False), k] = rng.normal(2, 0.4)
    names = [*(f"g{k}" for k in range(60)), *(f"rare{k}" for k in range(rare))]
    return pd.DataFrame(np.hstack([values, more]).clip(0), columns=names)


def fitted(
    data: pd.DataFrame, likelihood: str = "gaussian", **options: object
) -> tuple[EdgeVAE, FitReport]:
    sets = pd.DataFrame(
        [(f"P{k}", name) for k in range(3) for name in data.columns[20 * k : 20 * k + 20]],
        columns=["source", "target"],
    )
    rare = [("P0", name) for name in data.columns[60:]]  # and an edge to every rare gene
    edges = pd.concat([sets, pd.DataFrame(rare, columns=sets.columns)])
    model, _ = compile_vae(
        decoder_edges=edges, features=list(data), hidden_dim=16, likelihood=likelihood
    )
    asked = {"max_epochs": 30, "lr": 2e-2, "batch_size": 64, "warmup": 5, **options}
    return model, model.fit(data, progress=False, **asked)  # type: ignore[arg-type]


def test_rare_genes_do_not_spoil_a_fit() -> None:
    _, without = fitted(log_normalised())
    data = log_normalised(rare=200)
    with pytest.warns(Edge2TorchWarning, match="200 of 260 genes are nearly constant.*'rare0', "):
        model, report = fitted(data)
    assert without.gain is not None
    assert report.gain is not None
    assert report.best_epoch > 10
    assert report.gain.gain == pytest.approx(without.gain.gain, rel=0.4)
    assert abs(report.best_elbo) < 5 * abs(without.best_elbo)
    found = model.diagnose(data, TYPE)
    assert found.clustering["ari"] > 0.8
    assert found.gain is not None
    assert found.gain.beats_mean_profile


def cells_of(likelihood: str, *, structure: bool = True, rare: int = 0) -> pd.DataFrame:
    data = log_normalised(structure=structure, rare=rare)
    if likelihood == "gaussian":
        return data
    if likelihood == "bernoulli":
        return (data > 0).astype(int)
    rates = np.ones((300, 60))
    for k, name in enumerate("abc"):
        rates[np.ix_(name == TYPE, range(20 * k, 20 * k + 20))] = 6 if structure else 1
    counts = np.random.default_rng(0).poisson(rates)
    return pd.DataFrame(counts, columns=data.columns[:60]).join((data.iloc[:, 60:] > 0).astype(int))


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson", "gaussian", "bernoulli"])
def test_every_fit_is_held_against_the_mean_profile(likelihood: str) -> None:
    _, report = fitted(cells_of(likelihood), likelihood)
    assert report.gain is not None
    assert report.gain.beats_mean_profile
    independent = cells_of(likelihood, structure=False)
    with pytest.warns(Edge2TorchWarning, match=NO_GAIN) as caught:
        _, report = fitted(independent, likelihood)
    assert report.gain is not None
    assert not report.gain.beats_mean_profile
    assert f"{report.gain.elbo:,.5g}" in str(caught[0].message)
    assert f"{report.gain.mean_profile:,.5g}" in str(caught[0].message)


def test_one_held_out_cell_does_not_decide() -> None:
    data = log_normalised()
    odd = data.copy()
    held_out = np.random.default_rng(0).permutation(300)[:30]  # as a fit of seed 0 splits
    odd.iloc[held_out[4]] = 80.0
    (_, report), (_, spoilt) = fitted(data), fitted(odd)
    assert report.gain is not None
    assert spoilt.gain is not None
    assert spoilt.best_elbo < 10 * report.best_elbo
    assert spoilt.gain.gain == pytest.approx(report.gain.gain, rel=0.1)
    assert abs(spoilt.best_epoch - report.best_epoch) < 10


def test_gain_and_interval_are_those_of_the_trimmed_mean() -> None:
    gains = np.random.default_rng(0).standard_t(2, 40) + 1
    found = ProfileGain.of(torch.from_numpy(gains), torch.zeros(40))
    assert found.gain == pytest.approx(trim_mean(gains, 0.1))
    low, high = mstats.trimmed_mean_ci(gains, limits=(0.1, 0.1), alpha=0.05)
    assert found.interval == pytest.approx((low, high), rel=0.02)


def test_the_best_of_many_epochs_by_chance_is_no_gain() -> None:
    chance = 0.1 * torch.randn(200, 1, 40, generator=torch.Generator().manual_seed(0))
    epochs = list(chance.expand(-1, 2, -1))
    best = max(epochs, key=lambda gains: float(trimmed_mean(gains[0])))[0]
    assert ProfileGain.of(best, torch.zeros(40)).beats_mean_profile  # which it is not
    part = {"elbo": best, "from data": torch.zeros(40), "from the model": torch.zeros(40)}
    assert not gain_of([part], epochs).beats_mean_profile
    assert gain_of([part], [gains + 0.2 for gains in epochs]).beats_mean_profile


def test_a_value_that_is_not_a_number_is_not_trimmed_away() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, torch.nan])
    assert trimmed_mean(values).isnan()
    assert trimmed_mean(values[:3]) == 2.0
    assert not ProfileGain.of(values, torch.zeros(4)).beats_mean_profile


def test_few_cells_prove_nothing() -> None:
    found = ProfileGain.of(torch.full((3,), 5.0), torch.zeros(3))
    assert found.gain == 5.0
    assert not found.beats_mean_profile


def test_genes_of_counts_and_of_few_cells_are_not_called_rare() -> None:
    counts = cells_of("nb", rare=40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*" + NO_GAIN)
        fitted(counts, "nb", max_epochs=1)
        fitted(log_normalised().iloc[:5, :8].add(np.arange(5.0), axis=0), max_epochs=1)
