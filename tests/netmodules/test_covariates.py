"""Codes of batches are categories, amounts are numbers, and the user has the last word."""

import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.netmodules import fit_modules, load_modules, score_modules, transcript_data
from edge2torch.netmodules._tables import trait_table
from edge2torch.simulate import planted_modules
from tests.netmodules.conftest import SMALL, planted


def batches():
    """Planted modules, and four batches that pull every gene in a direction of its own."""
    data = planted_modules(n_modules=3, module_size=12, n_background=150, seed=1)
    rng = np.random.default_rng(0)
    batch = rng.permutation(np.repeat([1, 2, 3, 4], 15))
    genes, at = np.unique(data.transcripts["gene_id"].to_numpy(), return_inverse=True)
    pull = np.exp(rng.normal(0, 0.6, (len(genes), 5)))[at][:, batch]
    return data, (data.counts * pull).round(), data.samples.assign(batch=batch)


def fit(covariates, **options):
    data, counts, samples = batches()
    found = fit_modules(
        counts, data.transcripts, samples, covariates=covariates, config=SMALL, **options
    )
    return found, score_modules(found, data.modules)


def test_batches_by_number_are_removed_as_categories(tmp_path, capsys):
    found, score = fit(["batch"])
    assert (
        "Covariates: 'batch' as 4 categories ('1', '2', '3', '4'); NAME:number or NAME:category"
        in capsys.readouterr().out
    )
    assert found.config["covariates"] == ["batch:category"]
    assert score["background"] <= 0.02
    assert score["recovery"] > 0.95
    with pytest.warns(Edge2TorchWarning, match="may be a batch effect"):
        _, straight = fit(["batch:number"], quiet=True)
    assert straight["background"] > 0.5
    data, counts, samples = batches()
    again = load_modules(found.save(tmp_path / "m"))
    new = transcript_data(counts, data.transcripts, samples.assign(batch=samples["batch"] * 1.0))
    np.testing.assert_allclose(again.score(new), found.feature_scores, atol=2e-4)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.tile([1, 2, 3, 4], 15), "category"),
        (np.tile([1.0, 2.0, np.nan, 4.0], 15), "category"),
        (np.tile([20230114, 20230115, 20230302], 20), "category"),
        (np.tile(np.arange(1, 21), 3), "category"),  # plates
        (np.tile(np.arange(21, 41), 3), "number"),  # years
        (np.arange(60), "number"),
        (np.tile([7.1, 7.4, 8.3, 8.9], 15), ""),  # RNA integrity
        (np.tile([0, 1], 30), ""),  # the same either way
        (np.tile(["a", "b", "c"], 20), ""),
    ],
)
def test_the_kind_follows_from_the_values(values, kind):
    data = planted()
    samples = data.samples.assign(x=values)
    suffix = f":{kind}" if kind else ""
    found = transcript_data(data.counts, data.transcripts, samples, covariates=["x"])
    assert found.covariates == (f"x{suffix}",)
    if kind:
        found = transcript_data(data.counts, data.transcripts, samples, covariates=["x:number"])
        assert found.covariates == ("x:number",)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("run_date", np.repeat(20210100 + 3 * np.arange(12), 5), "category"),  # no day 0
        ("x", np.repeat(20210101 + 2 * np.arange(12), 5), "category"),
        ("date", 20210101 + np.arange(60), "number"),  # none twice: a drift
        ("plate", np.tile(np.arange(101, 113), 5), "category"),
        ("Batch2", np.tile(np.arange(2, 13), 6)[:60], "category"),
        ("age", np.tile(np.arange(16), 4)[:60], "number"),
        ("RIN", np.tile([7, 8, 9], 20), "number"),
        ("run_time", np.tile([1, 2, 4], 20), "number"),
        ("age_group", np.tile([1, 2, 3], 20), "category"),
    ],
)
def test_the_kind_follows_from_the_name(name, values, kind):
    data = planted()
    samples = data.samples.assign(**{name: values})
    found = transcript_data(data.counts, data.transcripts, samples, covariates=[name])
    assert found.covariates == (f"{name}:{kind}",)


def test_more_batches_than_can_be_removed_are_refused():
    data = planted()
    samples = data.samples.assign(batch=np.tile(np.arange(40), 2)[:60])
    with pytest.raises(Edge2TorchError, match=r"'batch' has 40 levels.*NAME:number, if they are"):
        transcript_data(data.counts, data.transcripts, samples, covariates=["batch"])


def test_traits_of_codes_are_categories():
    codes = np.tile([3, 1, 2, 4], 15)
    values = pd.DataFrame([np.where(codes == 2, 1.0, 0) + np.linspace(0, 0.1, 60)], ["M1"])
    samples = pd.DataFrame({"batch": codes, "age": codes, "x": codes, "y": codes * 1.0})
    samples.loc[3, "batch"] = np.nan
    kinds = trait_table(values, samples, ["x:category"]).set_index("trait")["kind"]
    assert kinds.to_dict() == {"batch": "anova", "age": "pearson", "x": "anova", "y": "pearson"}
    table = trait_table(values, samples, ["batch:number"]).set_index("trait")
    assert table["kind"]["batch"] == "pearson"
    assert table["n"]["batch"] == 59


def test_codes_beside_gaps_are_the_same_levels():
    data = planted()
    whole = data.samples.assign(b=np.tile([1, 2, 3], 20))
    gaps = whole.assign(b=whole["b"].where(whole.index > 1))
    fits = [
        fit_modules(data.counts, data.transcripts, samples, covariates=["b"], backend="latent",
                    config=SMALL, quiet=True)
        for samples in (whole, gaps)
    ]  # fmt: skip
    assert fits[0].design["b"]["levels"] == ["1", "2", "3"]
    assert fits[1].design["b"]["levels"] == ["1", "2", "3", "<missing>"]


def test_a_column_whose_own_name_ends_so():
    data = planted()
    samples = data.samples.assign(**{"x:number": np.tile(["a", "b", "c"], 20), "x": 1})
    found = transcript_data(data.counts, data.transcripts, samples, covariates=["x:number"])
    assert found.covariates == ("x:number",)


def test_what_cannot_be_is_told():
    data = planted()
    samples = data.samples.assign(sex=["f", "m"] * 30, age=np.arange(60), batch=[1, 2, 3] * 20)
    with pytest.raises(Edge2TorchError) as caught:
        transcript_data(
            data.counts, data.transcripts, samples,
            covariates=["sex:number", "age:category", "batch", "batch:number"],
        )  # fmt: skip
    for told in (
        "'sex' is not a number in every sample, such as 'f'",
        "'age' has 60 levels in 60 samples",
        "given more than once: 'batch'",
    ):
        assert told in str(caught.value)
    with pytest.raises(Edge2TorchError, match="must be a list of columns"):
        transcript_data(data.counts, data.transcripts, samples, covariates="age")
    checked = transcript_data(data.counts, data.transcripts, samples)
    with pytest.raises(Edge2TorchError, match="'absent' are not columns of samples"):
        fit_modules(checked, covariates=["absent"], quiet=True)
