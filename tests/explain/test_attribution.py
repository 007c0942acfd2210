"""Through decoder and encoder: the Jacobian, completeness, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError
from edge2torch.errors import Edge2TorchWarning
from edge2torch.explain import ExplainConfig, ig_attributions, vae_drivers
from edge2torch.explain._latent import decoded_delta, find_latent
from edge2torch.explain._tables import tails


def latent_of(fit, module_id="M000"):
    return find_latent(fit.checkpoint, fit.feature_scores, fit.eigengenes.loc[module_id].to_numpy())


def test_a_small_step_gives_the_decoders_jacobian(fit):
    latent = latent_of(fit)
    found = decoded_delta(fit.checkpoint, latent, step=1e-4)
    decoder = fit.checkpoint.decoder.double()
    centre = torch.from_numpy(latent.mean.mean(axis=0))[None]
    jacobian = torch.autograd.functional.jacobian(lambda z: decoder(z)[0], centre)[:, 0]
    decoder.float()
    np.testing.assert_allclose(found.to_numpy(), jacobian[:, latent.index].numpy(), atol=1e-7)


def test_the_decoder_is_left_in_its_own_precision(fit):
    vae_drivers(fit, "M000")
    assert {p.dtype for p in fit.checkpoint.decoder.parameters()} == {torch.float32}


def test_the_latent_is_the_one_that_correlates_most(fit):
    latent = latent_of(fit)
    eigengene = fit.eigengenes.loc["M000"].to_numpy()
    r = [np.corrcoef(column, eigengene)[0, 1] for column in latent.mean.T]
    assert latent.index == np.argmax(np.abs(r))
    assert latent.r == pytest.approx(r[latent.index])


def test_a_latent_that_does_not_follow_is_told(fit):
    noise = np.random.default_rng(0).normal(size=len(fit.eigengenes.columns))
    other = pd.Series(noise, fit.eigengenes.columns)
    with pytest.warns(Edge2TorchWarning, match="no latent of the vae follows"):
        vae_drivers(fit, "M000", other)


def test_what_passes_satisfies_all_three_conditions(fit):
    config = ExplainConfig(vae_percentile_threshold=60, vae_fdr_threshold=0.01)
    table = vae_drivers(fit, "M000", config=config)
    assert set(table["gene_id"]) == set(fit.genes("M000"))
    agrees = np.sign(table["decoded_delta"] * np.sign(table["latent_r"])) == np.sign(table["r"])
    assert (agrees == table["sign_agreement"]).all()
    passes = agrees & (table["qvalue"] <= 0.01) & (table["decoded_delta_percentile"] >= 60)
    assert (passes == table["passes_filter"]).all()
    assert 0 < passes.sum() < len(table)
    everyone = vae_drivers(fit, "M000", config=dataclasses.replace(config, all_genes=True))
    assert len(everyone) == len(fit.features)


def test_integrated_gradients_sum_to_the_difference_between_the_tails(fit):
    table = ig_attributions(fit, "M000", config=ExplainConfig(all_genes=True))
    assert table.attrs["completeness_gap"] < 1e-3
    latent = latent_of(fit)
    output = latent.mean[:, latent.index] * np.sign(latent.r)
    high, low = tails(fit.eigengenes.loc["M000"].to_numpy(), 25)
    expected = output[high].mean() - output[low].mean()
    moved = fit.feature_scores[high].mean() - fit.feature_scores[low].mean()
    added = table["ig_score"] * np.sign(moved.loc[table["feature_id"]].to_numpy())
    assert added.sum() == pytest.approx(expected, abs=1e-3)


def test_too_few_steps_are_told(fit):
    with pytest.warns(Edge2TorchWarning, match="ig_n_steps=1"):
        ig_attributions(fit, "M000", config=ExplainConfig(ig_n_steps=1))


def test_baselines_differ_where_samples_are_not_the_whole_fit(fit):
    some = fit.eigengenes.loc["M000"].iloc[:30]
    zero, mean = (
        ig_attributions(fit, "M000", some, ExplainConfig(ig_baseline=kind))
        for kind in ("zero", "mean")
    )
    assert not np.allclose(
        zero.set_index("feature_id")["ig_score"],
        mean.set_index("feature_id")["ig_score"].loc[zero["feature_id"]],
    )


def test_a_missing_or_foreign_checkpoint(fit):
    with pytest.raises(Edge2TorchError, match="no vae_checkpoint"):
        vae_drivers(dataclasses.replace(fit, checkpoint=None), "M000")
    other = fit.feature_scores.rename(columns={fit.features["feature_id"][0]: "X::switch"})
    with pytest.raises(Edge2TorchError, match="belongs to another fit"):
        ig_attributions(dataclasses.replace(fit, feature_scores=other), "M000")


def test_a_collapsed_vae_is_told(fit):
    pair = fit.checkpoint
    still = pd.DataFrame(0.0, fit.feature_scores.index, fit.feature_scores.columns)
    with pytest.raises(Edge2TorchError, match="collapsed"):
        find_latent(pair, still, fit.eigengenes.loc["M000"].to_numpy())
