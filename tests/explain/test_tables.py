"""Drivers, polarity and contrast of a module; ids decide, and bad input is told."""

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.explain import gene_driver_table, high_vs_low_table, transcript_polarity_table

SAMPLES = [f"s{k:02d}" for k in range(24)]


@pytest.fixture(name="inputs")
def _inputs():
    rng = np.random.default_rng(1)
    y = pd.Series(rng.normal(size=24), SAMPLES)
    noise = rng.normal(size=(24, 6))
    table = pd.DataFrame(noise, SAMPLES, ["A.1", "A.2", "A.3", "B.1", "A::abundance", "C.1"])
    table["A.1"] += 5 * y
    table["A.2"] -= 3 * y
    table["C.1"] = 1.0
    table.loc[SAMPLES[:6], "A.3"] = np.nan
    meta = pd.DataFrame({"feature_id": table.columns, "gene_id": list("AAABAC")})
    meta["feature_type"] = ["switch"] * 4 + ["abundance", "switch"]
    meta["transcript_id"] = ["A.1", "A.2", "A.3", "B.1", None, "C.1"]
    return table, meta, y


def test_the_best_channel_speaks_for_a_gene(inputs):
    found = gene_driver_table(*inputs)
    assert found.columns.to_list() == [
        "gene_id",
        "feature_id",
        "feature_type",
        "tested_against",
        "r",
        "pvalue",
        "qvalue",
        "n_samples",
        "missing_fraction",
    ]
    assert found["gene_id"].to_list() == ["A", "B", "C"]
    assert found["feature_id"][0] == "A.1"
    assert np.isnan(found["r"][2])
    assert gene_driver_table(*inputs, genes=["B"])["gene_id"].to_list() == ["B"]


def test_switch_strength_spans_the_genes_transcripts(inputs):
    found = transcript_polarity_table(*inputs).set_index("feature_id")
    assert "A::abundance" not in found.index
    r = found.loc[["A.1", "A.2", "A.3"], "r"]
    assert found["switch_strength"]["A.3"] == pytest.approx(r.max() - r.min())
    assert found["switch_strength"]["B.1"] == 0
    assert found["switch_strength"]["C.1"] == 0
    assert np.isnan(found["r"]["C.1"])
    assert found["missing_fraction"]["A.3"] == 0.25
    assert found["n_samples"]["A.3"] == 18


def test_without_transcripts_switch_features_have_a_polarity(inputs):
    table, meta, y = inputs
    found = transcript_polarity_table(table, meta.drop(columns="transcript_id"), y)
    assert "transcript_id" not in found
    assert set(found["feature_id"]) == {"A.1", "A.2", "A.3", "B.1", "C.1"}


def test_both_tails_and_samples_without_an_eigengene(inputs):
    table, meta, y = inputs
    y = y.copy()
    y[SAMPLES[:4]] = np.nan
    found = high_vs_low_table(table, meta, y, percentile=20).set_index("feature_id")
    assert found.loc["A.1", ["n_high", "n_low"]].to_list() == [4, 4]
    high, low = y.nlargest(4).index, y.nsmallest(4).index
    assert found["mean_high"]["A.2"] == pytest.approx(table.loc[high, "A.2"].mean())
    assert found["mean_low"]["A.2"] == pytest.approx(table.loc[low, "A.2"].mean())
    with pytest.raises(Edge2TorchError, match="below 50"):
        high_vs_low_table(*inputs, percentile=50)


@pytest.mark.parametrize(
    "ask",
    [gene_driver_table, transcript_polarity_table, high_vs_low_table],
    ids=lambda ask: ask.__name__,
)
def test_the_order_of_rows_and_columns_does_not_matter(inputs, ask):
    table, meta, y = inputs
    pd.testing.assert_frame_equal(
        ask(table, meta, y),
        ask(table.iloc[::-1, ::-1], meta[::-1], y.sample(frac=1, random_state=0)),
    )


def test_bad_input_is_told(inputs):
    table, meta, y = inputs
    with pytest.raises(Edge2TorchError, match=r"0 sample\(s\) in common.*'s00'"):
        gene_driver_table(table, meta, y.add_prefix("x"))
    with pytest.raises(
        Edge2TorchError, match=r"9 sample\(s\) in common with the eigengenes; at least 10"
    ):
        gene_driver_table(table[:9], meta, y)
    with pytest.raises(Edge2TorchError, match=r"1 feature\(s\) without a gene: 'B.1'"):
        gene_driver_table(
            table, meta.assign(gene_id=meta["gene_id"].where(meta["gene_id"] != "B")), y
        )
    with pytest.raises(Edge2TorchError, match=r"no row for 1 feature\(s\).*'A.1'"):
        gene_driver_table(table, meta[1:], y)
    with pytest.raises(Edge2TorchError, match=r"lacks column\(s\) 'gene_id'"):
        gene_driver_table(table, meta.drop(columns="gene_id"), y)
    with pytest.raises(Edge2TorchError, match=r"sample id more than once: 's00'"):
        gene_driver_table(pd.concat([table, table[:1]]), meta, y)
    with pytest.raises(Edge2TorchError, match=r"not numbers: 'A.1'"):
        gene_driver_table(table.assign(**{"A.1": "x"}), meta, y)
    with pytest.raises(Edge2TorchError, match=r"infinite values in 'A.2'"):
        gene_driver_table(table.assign(**{"A.2": np.inf}), meta, y)
