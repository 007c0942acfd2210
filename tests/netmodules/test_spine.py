"""Similarity, thresholds, communities, membership, traits: each against its definition."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.covariance import ledoit_wolf

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.netmodules import (
    ModulesConfig,
    fit_modules,
    modules_to_edgelist,
    override,
    read_config,
)
from edge2torch.netmodules._correlation import (
    ledoit_wolf_shrinkage,
    partial_correlations,
    smoothed,
)
from edge2torch.netmodules._modules import core_of, correlations, eigengenes, named_by_size
from edge2torch.netmodules._tables import trait_table
from tests.netmodules.conftest import fitted, planted

RNG = np.random.default_rng(0)


def test_partial_correlations_are_those_of_the_dense_inverse():
    x = RNG.normal(size=(30, 50)) @ RNG.normal(size=(50, 50))
    vectors, delta = partial_correlations(x)
    sigma, expected = ledoit_wolf(x)
    centred = x - x.mean(axis=0)
    assert ledoit_wolf_shrinkage(centred, centred @ centred.T) == pytest.approx(expected)
    assert delta == pytest.approx(expected)
    theta = np.linalg.inv(sigma)
    s = -theta / np.sqrt(np.outer(np.diag(theta), np.diag(theta)))
    off = ~np.eye(50, dtype=bool)
    np.testing.assert_allclose((vectors @ vectors.T)[off], s[off], atol=1e-4)


def test_smoothing_solves_its_equation_and_zero_gamma_is_latent():
    a = sparse.random(40, 40, 0.1, random_state=0, data_rvs=RNG.standard_normal)
    a = (a + a.T).tolil()
    a.setdiag(0)
    a = a.tocsr()
    x = RNG.normal(size=(12, 40)).astype(np.float32)
    y, _ = smoothed(x, a, 0.7)
    degree = np.asarray(abs(a).sum(axis=1)).ravel()
    root = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-12)), 0)
    laplacian = np.diag((degree > 0).astype(float)) - root[:, None] * a.toarray() * root
    np.testing.assert_allclose(y @ (np.eye(40) + 0.7 * laplacian).T, x, atol=1e-4)
    data, plain = planted(), fitted("latent")
    same = fit_modules(
        data.counts, data.transcripts, data.samples, backend="graph",
        config={"graph.gamma": 0, "vae.max_epochs": 60}, quiet=True,
    )  # fmt: skip
    pd.testing.assert_frame_equal(same.edges, plain.edges)


def test_an_eigengene_is_the_first_right_singular_vector():
    x = RNG.normal(size=(20, 6)).astype(np.float32)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    found = eigengenes(x, [np.arange(6)])
    right = np.linalg.svd(x.T.astype(float), full_matrices=False)[2][0]
    assert abs(found.values[0] @ right) == pytest.approx(1)
    assert found.values[0] @ x.mean(axis=1) > 0
    np.testing.assert_allclose(x @ found.loadings[0], found.values[0], atol=1e-6)
    r = correlations(x, [np.arange(6)])[2, 0]
    rest = found.values[0] - found.loadings[0][2] * x[:, 2]
    assert r == pytest.approx(np.corrcoef(rest, x[:, 2])[0, 1], abs=1e-5)


def test_modules_are_numbered_by_size_and_cores_leave_tails_out():
    labels, old = named_by_size(np.array([2, 2, 0, 0, 0, 1, -1]), 2)
    assert labels.tolist() == [1, 1, 0, 0, 0, -1, -1]
    assert old.tolist() == [0, 2]
    edges = pd.DataFrame({"source": ["a", "b", "a", "c"], "target": ["b", "c", "c", "d"]})
    genes = np.array(list("abcd"), dtype=object)
    assert core_of(np.zeros(4, int), edges, genes, 2).tolist() == [0, 0, 0, -1]


def test_traits_are_tested_by_their_kind():
    samples = pd.DataFrame({
        "age": RNG.normal(size=30), "sex": ["f", "m"] * 15, "site": ["x", "y", "z"] * 10,
        "flat": 1.0, "few": [1.0, 2.0] + [np.nan] * 28,
    })  # fmt: skip
    e = pd.DataFrame([samples["age"] + RNG.normal(size=30)], index=["M000"])
    table = trait_table(e, samples).set_index("trait")
    assert table["kind"].to_dict() == {
        "age": "pearson", "sex": "welch", "site": "anova", "flat": "pearson", "few": "pearson",
    }  # fmt: skip
    assert table.loc["age", "pvalue"] == pytest.approx(
        stats.pearsonr(samples["age"], e.loc["M000"])[1]
    )
    groups = [e.loc["M000"].to_numpy()[k::3] for k in range(3)]
    assert table.loc["site", "pvalue"] == pytest.approx(stats.f_oneway(*groups)[1])
    assert table.loc[["flat", "few"], "pvalue"].isna().all()


@pytest.mark.parametrize("config", [
    {"alpha_switch": "grid", "alpha_abundance": "grid"},
    {"alpha_switch": 0.5, "alpha_abundance": 0.5, "alpha": 0.5, "community": "components"},
    {"core": 2, "refine": False, "merge": 1.0},
])  # fmt: skip
def test_other_thresholds_and_communities(config):
    data = planted()
    found = fit_modules(
        data.counts,
        data.transcripts,
        data.samples,
        config={"vae.max_epochs": 40, **config},
        quiet=True,
    )
    assert len(found.modules) == (found.gene_fate["fate"] == "module").sum()
    if "alpha" in config:
        assert found.edges["weight"].min() >= 0.5


def test_pairs_keep_the_rules_of_the_channels():
    edges = fitted("vae").edges
    assert (edges["source"] < edges["target"]).all()
    assert not edges.duplicated(["source", "target"]).any()
    assert (edges["source_type"] == edges["target_type"]).all()  # every gene has a switch here
    data = planted()
    alone = fit_modules(
        data.counts, data.transcripts, data.samples, backend="latent",
        config={"allow_abundance_abundance": False}, quiet=True,
    )  # fmt: skip
    assert set(alone.edges["source_type"]) == {"switch"}


def test_settings_are_checked():
    config = override(ModulesConfig(), ["vae.latent_grid=2,4", "alpha=none", "core=1"])
    assert (config.vae.latent_grid, config.alpha, config.core) == ((2, 4), None, 1)
    for change, told in (
        ("min_module_sise=3", "Nearest to 'min_module_sise': 'min_module_size'"), ("core=x", "expected int"),
        ("false_genes=2", "must lie above 0"), ("community=louvain", "'leiden' or 'components'"),
        ("core", "write key=value"), ("vae.max_epochs=0", "at least 1"),
    ):  # fmt: skip
        with pytest.raises(Edge2TorchError, match=told):
            override(ModulesConfig(), [change])
    with pytest.raises(Edge2TorchError, match="backend must be one of"):
        fit_modules(planted().counts, backend="wgcnaa")


def test_former_names_of_settings_are_read(tmp_path):
    (tmp_path / "old.yaml").write_text("vae:\n  epochs: 7\n  held_out: 0.3\n")
    with pytest.warns(Edge2TorchWarning) as caught:
        config = read_config(tmp_path / "old.yaml")
    assert (config.vae.max_epochs, config.vae.validation_fraction) == (7, 0.3)
    assert [str(one.message).partition(";")[0] for one in caught] == [
        "config: 'vae.epochs' is called 'vae.max_epochs' now",
        "config: 'vae.held_out' is called 'vae.validation_fraction' now",
    ]
    with pytest.warns(Edge2TorchWarning, match="'vae.epochs' is called"):
        assert override(ModulesConfig(), ["vae.epochs=9"]).vae.max_epochs == 9


def test_what_cannot_be_asked_is_told(tmp_path):
    found = fitted("latent")
    with pytest.raises(Edge2TorchError, match="no such module"):
        found.genes("M999")
    with pytest.raises(Edge2TorchError, match="not columns of the samples"):
        modules_to_edgelist(found, ["weight"])
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(Edge2TorchError, match="something other than modules"):
        found.save(tmp_path)
