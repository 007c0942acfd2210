"""A gene is tested against its module without it: in noise nothing follows, what is planted does."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.explain import ExplainConfig, explain_module, gene_driver_table, vae_drivers
from edge2torch.explain._statistics import correlate
from edge2torch.netmodules._modules import eigengenes, leave_one_out

WHOLE, WITHOUT = "eigengene", "eigengene without the gene"


def standard(rng, n, m):
    values = rng.normal(size=(n, m))
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize(("n", "m"), [(40, 12), (12, 40), (20, 20)])
def test_it_is_the_eigengene_of_the_other_genes(n, m):
    values = standard(np.random.default_rng(0), n, m) + np.linspace(-2, 2, n)[:, None]
    gene = np.arange(m) % 5
    found = leave_one_out(values, gene, 6)
    whole = eigengenes(values.astype(np.float32), [np.arange(m)]).values[0]
    for k in range(6):
        u = np.linalg.svd(values[:, gene != k], full_matrices=False)[0][:, 0]
        np.testing.assert_allclose(found[k], u * np.sign(u @ whole), atol=1e-9)


def test_a_gene_that_is_the_whole_module_has_none():
    assert np.isnan(leave_one_out(standard(np.random.default_rng(0), 12, 2), np.zeros(2), 1)).all()


def test_in_noise_p_values_are_uniform_only_without_the_gene():
    gene = np.arange(30) % 15  # two channels of each gene
    without, whole = [], []
    for seed in range(100):
        values = standard(np.random.default_rng(seed), 60, 30)
        own = leave_one_out(values, gene, 15)
        without.append(correlate(values, own.T[:, gene]).pvalue)
        module = eigengenes(values.astype(np.float32), [np.arange(30)]).values[0]
        whole.append(correlate(values, module).pvalue)
    quantiles = np.quantile(without, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(quantiles, [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.03)
    found = [[(benjamini_hochberg(p) < 0.05).any() for p in way] for way in (without, whole)]
    assert np.mean(found[0]) < 0.12  # at most 5 % of the modules, but for chance
    assert np.mean(found[1]) > 0.9  # what circular values claim of the same noise


@pytest.fixture(name="shuffled", scope="module")
def _shuffled(fit):
    """The fit's modules on scores in which every feature has its samples in another order."""
    rng = np.random.default_rng(1)
    scores = fit.feature_scores.apply(rng.permutation)
    loadings, rows = [], []
    for name in fit.module_ids:
        own = fit.module_loadings[fit.module_loadings["module_id"] == name]
        found = eigengenes(scores.to_numpy(), [scores.columns.get_indexer(own["feature_id"])])
        loadings.append(own.assign(loading=found.loadings[0]))
        rows.append(found.values[0])
    return dataclasses.replace(
        fit,
        feature_scores=scores,
        module_loadings=pd.concat(loadings),
        eigengenes=pd.DataFrame(rows, fit.eigengenes.index, fit.eigengenes.columns),
    )


def test_shuffled_features_are_no_drivers(fit, shuffled):
    def significant(result, **settings):
        found = explain_module(result, config=ExplainConfig(**settings)).values()
        return np.mean([(one.gene_driver_table["qvalue"] < 0.05).mean() for one in found])

    assert significant(shuffled) == 0
    assert significant(shuffled, leave_gene_out=False) > 0.3
    assert significant(fit) == 1  # what is planted is found


def test_tables_say_what_a_gene_was_tested_against(fit):
    config = ExplainConfig(all_genes=True, vae_attribution=True)
    found = explain_module(fit, config=config)["M000"]
    names = ("gene_driver_table", "transcript_polarity_table", "high_vs_low_table", "vae_drivers")
    own = set(fit.genes("M000"))
    for name in names:
        table = found.tables()[name]
        expected = np.where(table["gene_id"].isin(own), WITHOUT, WHOLE)
        assert (table["tested_against"] == expected).all(), name
    other = explain_module(fit, config=dataclasses.replace(config, leave_gene_out=False))["M000"]
    for name in names:
        assert set(other.tables()[name]["tested_against"]) == {WHOLE}
    outside = ~found.gene_driver_table["gene_id"].isin(own)
    pd.testing.assert_series_equal(
        found.gene_driver_table[outside].set_index("feature_id")["r"],
        other.gene_driver_table.set_index("feature_id")["r"].loc[
            found.gene_driver_table[outside]["feature_id"]
        ],
    )
    pd.testing.assert_frame_equal(vae_drivers(fit, "M000", config=config), found.vae_drivers)


def test_the_contrast_divides_samples_by_the_eigengene_without_the_gene(fit):
    gene = fit.genes("M000")[0]
    table = explain_module(fit)["M000"].high_vs_low_table.set_index("feature_id")
    left = fit.eigengenes_without_genes("M000").loc[gene]
    scores = fit.feature_scores[f"{gene}::switch"]
    high, low = left >= left.quantile(0.75), left <= left.quantile(0.25)
    assert table.loc[scores.name, "delta"] == pytest.approx(
        scores[high].mean() - scores[low].mean()
    )


def test_given_eigengenes_are_taken_as_they_are(fit):
    found = explain_module(fit, eigengenes=fit.eigengenes)["M000"].gene_driver_table
    assert set(found["tested_against"]) == {WHOLE}


def test_samples_that_without_gene_lacks_are_told(fit):
    some = fit.eigengenes_without_genes("M000").iloc[:, 1:]
    with pytest.raises(Edge2TorchError, match=r"without_gene lacks 1 sample"):
        gene_driver_table(
            fit.feature_scores, fit.features, fit.eigengenes.loc["M000"], without_gene=some
        )


def test_new_samples_are_centred_on_themselves(fit):
    some = fit.feature_scores.iloc[:30]
    gene = fit.genes("M001")[2]
    found = fit.eigengenes_without_genes("M001", some)
    own = fit.module_loadings.query("module_id == 'M001' and gene_id != @gene")["feature_id"]
    values = some[own].to_numpy(dtype=float)
    u = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[0][:, 0]
    assert abs(found.loc[gene] @ u) == pytest.approx(1)
    assert found.columns.equals(some.index)
