"""Tables that a study cannot take as they are."""

from types import SimpleNamespace

import pandas as pd
import pytest

import edge2torch as e2t


@pytest.mark.parametrize("column", ["g0", "unused"])
def test_a_column_that_is_there_twice_is_named(column):
    edges = pd.DataFrame({"source": ["g0", "g1"], "target": ["y", "y"]})
    table = pd.DataFrame({"g0": range(40), "g1": range(40), "unused": 1.0, "y": range(40)})
    twice = pd.concat([table, table[[column]]], axis=1)
    with pytest.raises(e2t.Edge2TorchError, match=f"1 column name.* more than once: '{column}'"):
        e2t.run_study(edges, twice, "y", quiet=True)


def test_a_mudata_is_told_which_of_its_parts_is_an_anndata():
    """It has what an AnnData has, and no matrix: it ended in errors of Python's own."""
    table = pd.DataFrame({"a": [1.0]})
    whole = SimpleNamespace(
        obs=table, var=table, X=None, layers=None, var_names=["a"], mod={"rna": None}
    )
    edges = pd.DataFrame({"source": ["a"], "target": ["y"]})
    for read in (
        lambda: e2t.run_study(edges, whole, label="kind"),
        lambda: e2t.vae.iVAE(whole),
        lambda: e2t.netmodules.fit_modules(whole, quiet=True),
    ):
        with pytest.raises(e2t.Edge2TorchError, match=r"\(an AnnData is its \.mod\['rna'\]\)"):
            read()
