"""Genes and transcripts that are counted too little, and the odd sample that shows in them."""

import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.netmodules import fit_modules, load_modules, transcript_data
from edge2torch.netmodules._channels import samples_needed, well_counted
from edge2torch.simulate import planted_modules

ODD = "S007"


def contaminated(n_samples=30):
    """Planted modules, and 200 genes with hardly a read but in one odd sample."""
    data = planted_modules(2, n_background=40, n_samples=n_samples, seed=1)
    rng = np.random.default_rng(0)
    low = pd.DataFrame(
        rng.poisson(0.1, (200, n_samples)), [f"L{k}" for k in range(200)], data.counts.columns
    )
    low.loc[low.index[:80], ODD] += rng.poisson(8, 80) + 1
    counts = pd.concat([data.counts, low.astype(float)])
    own = pd.DataFrame({"transcript_id": low.index, "gene_id": low.index})
    return counts, pd.concat([data.transcripts, own], ignore_index=True), data.samples


def fit(parts, **settings):
    return fit_modules(*parts, backend="latent", config=settings, quiet=True)


def test_the_rule():
    counts = np.array([[10, 10, 10, 0], [10, 10, 9, 99], [10, 9, 9, 99], [0, 0, 0, 99]], np.float32)
    assert well_counted(counts, 10, 0.1).tolist() == [True, True, False, False]
    assert well_counted(counts, 0, 0.1).all()
    assert [samples_needed(n, 0.1) for n in (2, 8, 30, 31, 60)] == [2, 3, 3, 4, 6]


def test_genes_with_few_counts_are_left_out_and_gene_fate_says_so():
    parts = contaminated()
    found = fit(parts)
    fate = found.gene_fate.set_index("gene_id")["fate"]
    low = fate.index.str.startswith("L")
    assert set(fate[low]) == {"low counts"}
    assert "low counts" not in set(fate[~low])
    assert not found.features["gene_id"].str.startswith("L").any()
    alone = fit(tuple(part[~part["gene_id"].str.startswith("L")] if "gene_id" in part else part
                      for part in (parts[0].filter(regex="^G", axis=0), *parts[1:])))  # fmt: skip
    assert found.modules["gene_id"].tolist() == alone.modules["gene_id"].tolist()


def test_a_module_of_one_sample_is_warned_of_by_its_id():
    with pytest.warns(Edge2TorchWarning, match=f"one odd sample: .*% of M00. is sample '{ODD}'"):
        found = fit(contaminated(), min_count=0)
    checks = found.checks.set_index("module_id")
    odd = found.modules.groupby("module_id")["gene_id"].agg(lambda g: g.str.startswith("L").all())
    assert odd.sum() == 1
    assert (checks.loc[odd[odd].index, "leverage"] > 0.8).all()
    assert (checks.loc[odd[odd].index, "sample_id"] == ODD).all()
    assert (checks.loc[odd[~odd].index, "warning"] == "").all()
    expected = (found.eigengenes**2).max(axis=1)
    np.testing.assert_allclose(checks["leverage"], expected.loc[checks.index])


@pytest.mark.parametrize("n_samples", [8, 10, 14])
def test_planted_modules_in_few_samples_are_not_warned_of(n_samples):
    """A half is easily reached by chance there."""
    seen = 0.0
    for seed in range(4):
        data = planted_modules(3, module_size=15, n_background=20, n_samples=n_samples, seed=seed)
        found = fit_modules(data.counts, data.transcripts, min_samples=8, backend="latent", quiet=True)  # fmt: skip
        assert not found.checks["warning"].str.contains("is sample").any()
        seen = max(seen, found.checks["leverage"].max())
    assert n_samples > 10 or seen > 0.5


def test_low_transcripts_have_no_part_in_switching_and_new_samples_may_have_them(tmp_path):
    data = planted_modules(2, n_background=10, seed=0)
    gene = data.transcripts["gene_id"].iloc[0]
    rare = pd.DataFrame(0.0, [f"{gene}.rare"], data.counts.columns)
    rare.iloc[0, :2] = 50
    counts = pd.concat([rare, data.counts])
    more = pd.DataFrame({"transcript_id": rare.index, "gene_id": [gene]})
    parts = counts, pd.concat([more, data.transcripts]), data.samples
    found = load_modules(fit(parts).save(tmp_path / "m"))
    plain = fit((data.counts, data.transcripts, data.samples))
    assert f"{gene}.rare" not in set(found.loadings["transcript_id"])
    name = f"{gene}::switch"
    np.testing.assert_allclose(found.feature_scores[name], plain.feature_scores[name], atol=1e-6)
    scores = found.score(transcript_data(*parts))[found.feature_scores.columns]
    np.testing.assert_allclose(scores, found.feature_scores, atol=1e-4)
    strange = more.assign(transcript_id="strange")
    with pytest.raises(Edge2TorchError, match="'strange' that the fit did not see"):
        found.score(transcript_data(
            pd.concat([rare.set_axis(["strange"]), counts]), pd.concat([strange, parts[1]])
        ))  # fmt: skip


def test_the_order_of_the_input_changes_nothing():
    counts, transcripts, samples = contaminated()
    first = fit((counts, transcripts, samples))
    second = fit((counts.iloc[::-1, ::-1], transcripts.sample(frac=1, random_state=0), samples))
    pd.testing.assert_frame_equal(first.gene_fate, second.gene_fate)
    pd.testing.assert_frame_equal(first.checks, second.checks)
    pd.testing.assert_frame_equal(first.transform, second.transform)


def test_all_genes_low_is_an_error_with_the_way_out():
    counts = planted_modules(1, n_background=10, seed=0).counts / 1000
    with pytest.raises(Edge2TorchError, match=r"do not have 10 counts in 6 samples.*min_count=0"):
        fit_modules(counts, scale="counts", quiet=True)


def test_no_module_comes_with_advice(capsys):
    noise = planted_modules(0, n_background=60, n_samples=12, seed=3)
    fit_modules(noise.counts, noise.transcripts, backend="graph", config={"min_count": 1000})
    said = capsys.readouterr().out
    assert "No module was found. What may help: a smaller min_count (now 1000; " in said
    assert (
        "more samples (now 12; fewer than 30 say little), another backend (latent or vae)" in said
    )
    assert "covariates (" in said
    fit_modules(noise.counts, noise.transcripts, noise.samples, backend="graph",
                covariates=["degradation"], config={"min_module_size": 40, "alpha": 0.05,
                "alpha_abundance": 0.05, "alpha_switch": 0.05, "refine": False})  # fmt: skip
    said = capsys.readouterr().out
    assert "a smaller min_module_size (now 40; " in said
    assert "covariates" not in said
