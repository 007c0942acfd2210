"""What results show in a notebook: a line, a small table, and names that are text, not markup."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from edge2torch.data import AlignmentReport
from edge2torch.explain import explain_module
from edge2torch.interpret import Replicates
from edge2torch.netmodules import fit_modules
from edge2torch.simulate import planted_modules
from edge2torch.vae import VAEDiagnostics

MARKUP = "<b>TP53</b>"


@pytest.fixture(scope="module", name="found")
def _found():
    planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    return fit_modules(
        planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True
    )


def rows(page: str) -> int:
    return page.count("<tr") - page.count("<thead")


def clean(page: str) -> bool:
    return MARKUP not in page and "&lt;b&gt;TP53&lt;/b&gt;" in page


def test_replicates_show_their_highest_nodes():
    scores = pd.DataFrame([[3.0 - k / 10 for k in range(15)]] * 3)
    scores.columns = [MARKUP, *(f"tf_{k}" for k in range(14))]
    good = pd.Series([0.9] * 3)
    page = Replicates(scores, scores, good, good > 0, (), None)._repr_html_()
    assert "3 networks" in page
    assert rows(page) == 10
    assert clean(page)


def test_modules_show_size_genes_and_warnings(found):
    gene = found.module_loadings["gene_id"].iloc[0]
    loadings = found.module_loadings.assign(loading=0.1).replace(gene, MARKUP)
    loadings.loc[loadings["gene_id"] == MARKUP, "loading"] = -9.0
    checks = found.checks.assign(warning="a batch effect?")
    page = replace(found, module_loadings=loadings, checks=checks)._repr_html_()
    assert rows(page) == len(found.module_ids)
    assert str(len(found.genes("M000"))) in page
    assert "a batch effect?" in page
    assert clean(page)


def test_no_modules_at_all(found):
    empty = replace(
        found,
        eigengenes=found.eigengenes[:0],
        modules=found.modules[:0],
        module_loadings=found.module_loadings[:0],
        checks=found.checks[:0],
    )
    assert "0 modules" in empty._repr_html_()


def test_an_explained_module_shows_its_drivers(found):
    result = explain_module(found, module_ids=["M000"])["M000"]
    drivers = result.gene_driver_table.assign(gene_id=MARKUP)
    page = replace(result, gene_driver_table=drivers)._repr_html_()
    assert rows(page) == min(10, len(drivers))
    assert "high_vs_low_table" in page
    assert clean(page)


def test_diagnostics_show_the_most_active_latents():
    latents = pd.DataFrame(
        {"kl": 1.0, "variance": 1.0, "effect": 0.5, "activity": range(12), "collapsed": False},
        index=[*(f"latent {k}" for k in range(11)), MARKUP],
    )
    genes = pd.DataFrame({"observed": [1.0, 2.0]})
    report = VAEDiagnostics(latents, genes, -1.5, -1.75, {"dip": 0.5}, {"ari": 0.25})
    assert repr(report) == (
        "VAEDiagnostics(12 latents, 0 collapsed, 2 genes, log likelihood -1.5 and ELBO -1.75 per "
        "cell)"
    )
    page = report._repr_html_()
    assert rows(page) == 10
    assert "latent 0" not in page
    assert "ari 0.25" in page
    assert clean(page)


def test_an_alignment_shows_what_was_filled_and_left_out():
    report = AlignmentReport("DataFrame", 2, 3, (MARKUP,), 0.0, ("age",))
    page = report._repr_html_()
    assert page.count("<li>") == 2
    assert clean(page)
    assert "<ul>" not in AlignmentReport("array", 2, 3)._repr_html_()
