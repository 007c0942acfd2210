"""Switch coordinates and abundances, against their equations gene by gene."""

import numpy as np
import pytest

from edge2torch.netmodules import ModulesConfig, ReliabilityConfig, transcript_data
from edge2torch.netmodules._channels import abundances
from edge2torch.netmodules._features import make_features
from tests.netmodules.conftest import planted


def table(covariates=(), reliability=None, library="robust"):
    data = planted()
    checked = transcript_data(data.counts, data.transcripts, data.samples, covariates=covariates)
    config = ModulesConfig(reliability=reliability or ReliabilityConfig(), library=library)
    return data, make_features(checked, config)


@pytest.mark.parametrize("covariates", [(), ("degradation", "composition")])
def test_the_switch_coordinate_is_the_first_singular_vector(covariates):
    data, features = table(covariates)
    names = features.table["feature_id"].tolist()
    d = np.column_stack([np.ones(60), *(data.samples[name] for name in covariates)])
    for gene in data.transcripts["gene_id"].unique()[:8]:
        rows = data.transcripts.loc[data.transcripts["gene_id"] == gene, "transcript_id"]
        c = data.counts.loc[sorted(rows)].to_numpy().T
        u = (c + 0.5) / (c + 0.5).sum(axis=1, keepdims=True)
        clr = np.log(u) - np.log(u).mean(axis=1, keepdims=True)
        left = clr - d @ np.linalg.lstsq(d, clr, rcond=None)[0]
        score = left @ np.linalg.svd(left, full_matrices=False)[2][0]
        score = (score - score.mean()) / score.std()
        mine = features.values[:, names.index(f"{gene}::switch")]
        assert abs(mine @ score) / 60 == pytest.approx(1, abs=1e-5)
        loading = features.loadings[features.loadings["gene_id"] == gene]
        assert (loading["loading"] ** 2).sum() == pytest.approx(1)
        used = u.mean(axis=0)
        reference = sorted(rows)[int((used >= 0.8 * used.max()).argmax())]
        assert loading.set_index("transcript_id")["loading"][reference] > 0


@pytest.mark.parametrize("library", ["total", "robust"])
def test_abundance_is_the_z_score_of_log_cpm(library):
    data, features = table(library=library)
    genes = data.counts.groupby(data.transcripts.set_index("transcript_id")["gene_id"]).sum()
    size = genes.sum()
    if library == "robust":
        ratios = np.log2(1e6 * genes[genes.mean(axis=1) >= 10] / size + 0.5)
        ratios = ratios.sub(ratios.mean(axis=1), axis=0)
        spread = ratios.sub(ratios.median(), axis=1).var(axis=1)
        size = size * 2 ** ratios[spread <= spread.quantile(0.25)].median()
    logs = np.log2(1e6 * genes / size + 0.5)
    z = (logs.sub(logs.mean(axis=1), axis=0)).div(logs.std(axis=1, ddof=0), axis=0)
    mine = features.values[:, ~features.is_switch].T
    np.testing.assert_allclose(mine, z.to_numpy(), atol=1e-4)


def test_a_few_loud_genes_do_not_move_the_others_in_a_robust_library():
    rng = np.random.default_rng(0)
    counts = rng.poisson(100, (40, 50)).astype(np.float32)
    loud = np.exp(rng.normal(size=50))
    counts[:3] = rng.poisson(5000 * loud, (3, 50))
    basis = np.full((50, 1), 50**-0.5)
    found = {
        robust: abundances(counts, basis, basis, robust=robust).scores[3:]
        for robust in (True, False)
    }
    r = {key: np.abs(np.corrcoef(np.vstack([loud, x]))[0, 1:]).mean() for key, x in found.items()}
    assert r[True] < 0.2
    assert r[False] > 0.7


def test_covariates_are_taken_out_and_reported():
    _, features = table(("degradation",))
    report = features.residualization
    assert report["r2_after"].max() < 1e-8
    assert report["r2_before"].between(-1e-9, 1).all()
    np.testing.assert_allclose(report["variance_kept"], 1 - report["r2_before"])


def test_reliability_lies_between_its_floor_and_one():
    for kind in ("degradation", "estimability"):
        wanted = ReliabilityConfig(kind=kind, column="degradation", power=2.0, floor=0.3)
        _, features = table((), wanted)
        assert features.reliability.min() >= 0.3
        assert features.reliability.max() <= 1
        assert (features.reliability[~features.is_switch] == 1).all()
