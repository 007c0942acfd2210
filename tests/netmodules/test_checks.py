"""A batch effect that is not named is found as modules; they are told apart from programs."""

import warnings

import pytest

from edge2torch.errors import Edge2TorchWarning
from edge2torch.netmodules import ModulesConfig, fit_modules
from edge2torch.netmodules._config import as_config
from edge2torch.simulate import planted_modules


def fit(data, covariates=()):
    return fit_modules(
        data.counts, data.transcripts, data.samples, covariates=covariates, backend="graph",
        quiet=True,
    )  # fmt: skip


def test_modules_that_many_genes_follow_are_warned_of_until_the_covariate_is_named():
    data = planted_modules(4, n_background=60, confound=0.5, seed=100)
    with pytest.warns(Edge2TorchWarning, match="may be a batch effect.*follow M00") as caught:
        checks = fit(data).checks
    assert len(caught) == 1
    flagged = checks[checks["warning"] != ""]
    assert set(flagged["trait"]) & {"degradation", "composition"}
    assert (flagged["reach"] > 1 / 3).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mended = fit(data, ("degradation", "composition"))
    assert (mended.checks["warning"] == "").all()
    assert mended.checks["genes"].tolist() == [20, 20, 20, 20]


def test_a_module_that_moves_with_depth_is_warned_of():
    data = planted_modules(2, n_background=70, seed=100)
    depth = 3.0 ** data.latents.loc["T0"]
    deep = (data.counts * depth).round()
    samples = data.samples.drop(columns="trait")
    with pytest.warns(Edge2TorchWarning, match="moves with sequencing depth"):
        found = fit_modules(deep, data.transcripts, samples, backend="graph", quiet=True)
    assert found.checks["depth_r"].abs().max() > 0.8


def test_settings_within_settings_are_those_with_dots():
    assert as_config({"vae": {"beta": 2.5}}) == as_config({"vae.beta": 2.5}) != ModulesConfig()
    assert as_config(as_config({"alpha": 0.01}).as_dict()) == as_config({"alpha": 0.01})
