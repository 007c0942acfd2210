"""Edges that come back in subsamples; fits that fail are counted."""

import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import stability_selection, transcript_data
from tests.netmodules.conftest import planted


def test_stable_edges_join_genes_of_one_module():
    data = planted()
    checked = transcript_data(data.counts, data.transcripts, data.samples)
    found = stability_selection(checked, alphas=[0.02, 0.06], subsamples=4, backend="latent")
    assert found.failures == ()
    assert found.curve["stable"].is_monotonic_decreasing
    module = data.modules.set_index("gene_id")["module_id"]
    edges = found.edges[found.edges["alpha"] == 0.06]
    same = edges["source"].map(module) == edges["target"].map(module)
    assert same.mean() > 0.9


def test_failures_are_told():
    data = planted()
    samples = data.samples.assign(batch=["a"] + ["b"] * 59)
    checked = transcript_data(data.counts, data.transcripts, samples, covariates=["batch"])
    found = stability_selection(
        checked, alphas=[0.05], subsamples=8, fraction=0.5, backend="latent", seed=1
    )
    assert len(found.failures) == found.curve["failed"].sum() > 0
    with pytest.raises(Edge2TorchError, match="fraction must be"):
        stability_selection(checked, fraction=0)
