"""Logarithms are told from counts, and turned back on demand."""

import warnings

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.netmodules import fit_modules, transcript_data
from tests.netmodules.conftest import planted

LOGS = {"log2": lambda x: np.log2(x + 1), "log1p": np.log1p}


@pytest.mark.parametrize("scale", LOGS)
def test_logarithms_are_refused_and_turned_back(scale):
    data = planted()
    logs = data.counts.apply(LOGS[scale])
    with pytest.raises(Edge2TorchError, match=r"look like logarithms.*scale='log2'") as caught:
        transcript_data(logs, data.transcripts)
    assert "The data have 1 problem:" in str(caught.value)
    expected = transcript_data(data.counts, data.transcripts)
    found = transcript_data(logs, data.transcripts, scale=scale)
    np.testing.assert_allclose(found.counts, expected.counts, rtol=1e-5, atol=1e-4)
    cells = AnnData(sparse.csr_matrix(logs.T.to_numpy()))
    cells.var_names, cells.obs_names = logs.index, logs.columns
    with pytest.raises(Edge2TorchError, match="look like logarithms"):
        transcript_data(cells, data.transcripts)
    same = transcript_data(cells, data.transcripts, scale=scale)
    np.testing.assert_allclose(same.counts, expected.counts, rtol=1e-5, atol=1e-4)


def test_logarithms_below_zero_have_nothing_added():
    data = planted()
    shares = (data.counts + 0.5) / data.counts.sum() * 1e6
    found = transcript_data(np.log2(shares / 100), scale="log2")
    expected = transcript_data(shares / 100)
    np.testing.assert_allclose(found.counts, expected.counts, rtol=1e-5)


def test_gene_counts_are_on_the_same_scale():
    data = planted()
    genes = data.counts.groupby(data.transcripts["gene_id"].to_numpy()).sum()
    with pytest.raises(Edge2TorchError, match="gene_counts look like logarithms"):
        transcript_data(data.counts, data.transcripts, gene_counts=np.log2(genes + 1))
    logs = np.log2(data.counts + 1), data.transcripts
    found = transcript_data(*logs, gene_counts=np.log2(genes + 1), scale="log2")
    np.testing.assert_allclose(found.gene_counts, genes.sort_index(), rtol=1e-5)


def test_whole_numbered_logarithms_are_pointed_out():
    data = planted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transcript_data(data.counts, data.transcripts)
        logs = np.log2(data.counts * 100 + 1).round()
        transcript_data(logs, data.transcripts, scale="log2")
        with pytest.raises(Edge2TorchWarning, match=r"whole numbers.*name them in scale="):
            transcript_data(logs, data.transcripts)


def test_estimated_and_small_counts_are_counts():
    data = planted()
    assert len(transcript_data(data.counts * 0.37).samples) == 60
    small = np.ceil(data.counts / data.counts.to_numpy().max() * 9)
    assert len(transcript_data(small).samples) == 60


def test_nearly_all_genes_left_out_is_a_warning():
    data = planted()
    logs = data.counts.apply(LOGS["log2"]) / 2
    logs.iloc[:3] = data.counts.iloc[:3].to_numpy()
    with pytest.warns(Edge2TorchWarning, match=r"genes have fewer than 10 counts .*scale="):
        found = fit_modules(logs, scale="counts", backend="latent", quiet=True)
    assert (found.gene_fate["fate"] == "low counts").mean() > 0.9
    with pytest.raises(Edge2TorchError, match=r"scale must be one of .*found .log10."):
        transcript_data(logs, scale="log10")


@pytest.mark.parametrize(("scale", "limit"), [("log2", "30"), ("log1p", "20.8")])
def test_counts_are_no_logarithms(scale, limit):
    data = planted()
    told = rf"not logarithms as scale='{scale}' says: the largest .* over {limit}\. Give scale='counts'"
    with pytest.raises(Edge2TorchError, match=told) as caught:
        transcript_data(data.counts, data.transcripts, scale=scale)
    assert "The data have 1 problem:" in str(caught.value)
