from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.vae import EdgeVAE, compile_vae, differential_activity, iVAE
from tests.vae.cells import SETS, three_types

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")


@pytest.fixture(scope="module")
def fitted() -> EdgeVAE:
    model, _ = compile_vae(decoder_edges=SETS, features=[f"g{k}" for k in range(14)], hidden_dim=32)
    model.fit(three_types(), max_epochs=40, lr=2e-2, warmup=5)
    return model


def test_each_type_has_its_own_pathway_first(
    fitted: EdgeVAE, counts: pd.DataFrame, types: list[str]
) -> None:
    table = differential_activity(fitted, counts, types)
    first = table.groupby("group").first()
    assert first["latent"].tolist() == ["P0", "P1", "P2"]
    assert (first["log_bayes_factor"] > 2).all()
    assert (first["effect_size"] > 1).all()
    assert (first["fdr"] < 1e-6).all()
    pd.testing.assert_frame_equal(table, differential_activity(fitted, counts, types))


def test_labels_that_name_the_cells_are_put_into_their_order(
    fitted: EdgeVAE, counts: pd.DataFrame, types: list[str]
) -> None:
    turned = pd.Series(types, index=counts.index).iloc[::-1]
    pd.testing.assert_frame_equal(
        differential_activity(fitted, counts, turned), differential_activity(fitted, counts, types)
    )
    assert fitted.diagnose(counts, turned).clustering == fitted.diagnose(counts, types).clustering
    with pytest.raises(Edge2TorchError, match=r"labels has no value for 1 sample"):
        fitted.diagnose(counts, turned.rename({"cell0": "cell00"}))
    with pytest.raises(Edge2TorchError, match=r"groupby has 2 labels"):
        differential_activity(fitted, counts, types[:2])


def test_a_pathway_s_genes_have_one_sign(fitted: EdgeVAE) -> None:
    top = fitted.explain_latent("P0", top=4)
    assert len(top) == 4
    assert abs(top["weight"].sum()) == pytest.approx(top["weight"].abs().sum(), rel=0.1)


def test_diagnostics(fitted: EdgeVAE, counts: pd.DataFrame, types: list[str]) -> None:
    report = fitted.diagnose(counts, types)
    assert report.clustering["ari"] > 0.9
    assert not report.latents["collapsed"].any()
    np.testing.assert_allclose(report.genes["observed"], counts.mean())
    assert report.genes["correlation"].iloc[:12].min() > 0.5
    assert report.genes["log_likelihood"].sum() == pytest.approx(report.log_likelihood)
    assert report.elbo < report.log_likelihood
    assert report.disentanglement["dip"] >= 0
    blind, _ = compile_vae(features=list(counts), latents=2, hidden_dim=4)
    alike = counts * 0 + np.random.default_rng(0).poisson(4, counts.shape)  # nothing to tell
    blind.fit(alike, max_epochs=20, lr=5e-2, beta=200.0, warmup=0)
    assert blind.diagnose(alike).latents["collapsed"].all()


def test_ivae_gives_the_same_twice_and_is_saved_whole(counts: pd.DataFrame, tmp_path: Path) -> None:
    model = iVAE(counts, percent=0.5, latent_dim=4, i_dim=2, hidden_dim=16, lr=1e-2)
    model.fit(5)
    np.testing.assert_array_equal(model.get_latent(), model.get_latent())
    again = iVAE.load(model.save(tmp_path / "ivae"), counts)
    np.testing.assert_array_equal(model.get_iembed(), again.get_iembed())
    assert again.fit(1).best_epoch == 0
    with pytest.raises(Edge2TorchError, match="no cells of its own"):
        iVAE.load(tmp_path / "ivae").get_latent()


def test_the_bottleneck_is_trained_by_default(counts: pd.DataFrame, types: list[str]) -> None:
    from sklearn.metrics import silhouette_score

    model = iVAE(counts, latent_dim=4, i_dim=2, hidden_dim=32, lr=2e-2)
    report = model.fit(40, warmup=5)
    assert report.history["train_irecon"].iloc[-1] < report.history["train_irecon"].iloc[0]
    assert silhouette_score(model.get_iembed(), types) > 0.4
