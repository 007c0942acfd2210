from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.vae import compile_vae, mirror

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")

GENES = [f"g{k}" for k in range(14)]


def jacobian(model: torch.nn.Module, size: int) -> np.ndarray:
    net = model.decoder.network  # type: ignore[union-attr]
    at = torch.rand(1, size)
    return torch.autograd.functional.jacobian(net, at)[0, :, 0].numpy()


def test_a_latent_reaches_its_own_genes_and_no_other(sets: pd.DataFrame) -> None:
    model, artifact = compile_vae(decoder_edges=sets, features=GENES)
    support = jacobian(model, 4) != 0  # three pathways, and the baseline node
    wanted = np.zeros((14, 4), bool)
    for source, target in sets.to_numpy():
        wanted[int(target[1:]), artifact.latent_names.index(source)] = True
    np.testing.assert_array_equal(support, wanted)


def test_genes_in_no_pathway_keep_a_bias(sets: pd.DataFrame, counts: pd.DataFrame) -> None:
    model, _ = compile_vae(decoder_edges=sets, features=GENES)
    model.fit(counts, max_epochs=1)
    share = counts["g13"].sum() / counts.to_numpy().sum()
    found = model.decoder(torch.zeros(1, 3))[0, 13].item()
    assert found == pytest.approx(share, rel=0.1)


def test_mirrored_halves(sets: pd.DataFrame) -> None:
    one, _ = compile_vae(encoder_edges=mirror(sets), decoder_edges="mirror")
    two, _ = compile_vae(encoder_edges="mirror", decoder_edges=sets)
    assert one.artifact.encoder.fingerprint == two.artifact.encoder.fingerprint
    assert one.artifact.decoder.fingerprint == two.artifact.decoder.fingerprint
    assert one(torch.rand(5, 12)).q_m.shape == (5, 3)


def test_a_hierarchy_names_its_hidden_nodes(sets: pd.DataFrame) -> None:
    top = pd.DataFrame({"source": ["S1", "S1", "S2"], "target": ["P0", "P1", "P2"]})
    model, artifact = compile_vae(decoder_edges=pd.concat([top, sets]), features=GENES)
    assert artifact.latent_names == ["S1", "S2"]
    assert artifact.hidden_names("decoder") == ["P0", "P1", "P2"]
    explained = model.explain_latent("S2")
    assert set(explained["gene"]) == {"g8", "g9", "g10", "g11"}
    assert explained["in_prior"].all()
    z = pd.DataFrame(np.eye(2, 3), columns=artifact.decoder.feature_names)
    scores = e2t.interpret_model(
        model.decoder.network, artifact.decoder, z, target="nodes", output="g9", quiet=True
    )
    assert "P2" in str(scores)


def test_path_weights_are_products_of_edges(sets: pd.DataFrame) -> None:
    model, artifact = compile_vae(decoder_edges=sets, features=GENES)
    weights = e2t.edge_weights(model.decoder.network, artifact.decoder).set_index("target")[
        "weight"
    ]
    table = model.explain_latent("P1").set_index("gene")["weight"]
    assert table.to_dict() == pytest.approx(weights[table.index].to_dict())


def test_units_and_dense_latents(sets: pd.DataFrame) -> None:
    model, artifact = compile_vae(decoder_edges=sets, features=GENES, units=2, dense_latents=1)
    assert artifact.latent_names[:2] == ["P0.1", "P0.2"]
    assert artifact.latent_names[-1] == "dense_1"
    assert set(artifact.annotated_names) == {f"P{k}.{u}" for k in range(3) for u in (1, 2)}
    assert set(model.explain_latent("P0.2")["gene"]) == {"g0", "g1", "g2", "g3"}
    assert len(model.explain_latent("dense_1")) == 14


def test_a_soft_mask_reports_what_it_let_in(sets: pd.DataFrame, counts: pd.DataFrame) -> None:
    light, _ = compile_vae(decoder_edges=sets, features=GENES, soft_mask=1e-6)
    heavy, _ = compile_vae(decoder_edges=sets, features=GENES, soft_mask=100.0)
    assert len(light.outside_edges()) == 3 * 14 - 12
    for model in (light, heavy):
        report = model.fit(counts, max_epochs=30, lr=2e-2)
        assert report.history["train_soft_mask"].iloc[-1] > 0
        torch.testing.assert_close(
            model.outside_l1().item(),
            model.outside_edges()["weight"].abs().sum(),
            rtol=1e-4,
            atol=0,
        )
    assert heavy.outside_l1() < 0.5 * light.outside_l1()
    assert not heavy.explain_latent("P0")["in_prior"].all()


def test_positive_edges_stay_positive(sets: pd.DataFrame, counts: pd.DataFrame) -> None:
    model, artifact = compile_vae(decoder_edges=sets, features=GENES, positive=True)
    model.fit(counts, max_epochs=5, lr=0.05)
    table = e2t.edge_weights(model.decoder.network, artifact.decoder)
    assert (table["weight"] >= 0).all()


@pytest.mark.parametrize("prior", [True, False], ids=["pathways", "dense"])
def test_covariates_condition_both_halves(
    prior: bool, sets: pd.DataFrame, counts: pd.DataFrame
) -> None:
    model, artifact = compile_vae(
        decoder_edges=sets if prior else None,
        encoder_edges="mirror" if prior else None,
        features=GENES,
        covariates={"batch": ["x", "y"]},
    )
    assert artifact.condition_names == ["batch=x", "batch=y"]
    for half in (artifact.encoder, artifact.decoder):
        assert set(artifact.condition_names) <= set(half.feature_names)
    obs = pd.DataFrame({"batch": ["x", "y"] * 45})
    model.fit(counts, obs=obs, max_epochs=2)
    one = model.latent_table(counts, obs=obs)
    other = model.latent_table(counts, obs=obs.assign(batch="x"))
    assert (one.iloc[1] != other.iloc[1]).all()
    with pytest.raises(Edge2TorchError, match="levels that the model was not compiled with: 'z'"):
        model.latent_table(counts, obs=obs.assign(batch="z"))


def test_a_learned_library_is_near_the_observed_one(counts: pd.DataFrame) -> None:
    model, artifact = compile_vae(features=GENES, latents=2, library="learned")
    assert "(library)" in artifact.encoder.output_names
    model.fit(counts, max_epochs=1)
    assert model.library_prior[0].item() == pytest.approx(
        np.log(counts.sum(axis=1)).mean(), rel=1e-3
    )
    assert model.latent_table(counts).shape == (90, 2)


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson", "gaussian", "bernoulli"])
def test_every_likelihood_trains(likelihood: str, counts: pd.DataFrame) -> None:
    data = counts
    if likelihood == "gaussian":
        data = np.log1p(counts)
    if likelihood == "bernoulli":
        data = (counts > 4).astype(int)
    model, _ = compile_vae(features=GENES, latents=2, likelihood=likelihood, hidden_dim=16)
    history = model.fit(data, max_epochs=6, lr=1e-2, warmup=0).history
    assert history["train_recon"].iloc[-1] < history["train_recon"].iloc[0]
