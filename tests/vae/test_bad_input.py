from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.vae import compile_vae, differential_activity, iVAE, mirror

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")

GENES = [f"g{k}" for k in range(14)]


def refuse(match: str, data: object, likelihood: str = "nb", **options: object) -> None:
    model, _ = compile_vae(features=GENES, latents=2, hidden_dim=4, likelihood=likelihood)
    with pytest.raises(Edge2TorchError, match=match):
        model.fit(data, max_epochs=1, **options)


def test_negative_counts(counts: pd.DataFrame) -> None:
    counts.loc["cell3", "g1"] = -1
    refuse(r"negative under likelihood='nb', in cell\(s\) 'cell3'.*gaussian", counts)


def test_counts_that_are_no_whole_numbers(counts: pd.DataFrame) -> None:
    refuse("no whole numbers under likelihood='nb'.*raw counts", np.log1p(counts))


def test_nan(counts: pd.DataFrame) -> None:
    data = counts.astype(float)
    data.loc["cell8", "g2"] = np.nan
    for likelihood in ("nb", "gaussian", "bernoulli"):
        refuse("NaN or infinite.*'cell8'", data, likelihood)


def test_values_that_are_no_zeros_and_ones(counts: pd.DataFrame) -> None:
    refuse("neither 0 nor 1", counts, "bernoulli")


def test_cells_without_counts(counts: pd.DataFrame) -> None:
    counts.loc[["cell4", "cell5"]] = 0
    refuse(r"2 cell\(s\) have no count.*'cell4', 'cell5'", counts)


def test_an_unknown_layer(counts: pd.DataFrame) -> None:
    data = anndata.AnnData(counts.astype("f4"), layers={"raw": counts.astype("f4")})
    refuse("layer='count' is not in the AnnData. Its layers: 'raw'", data, layer="count")
    refuse("only an AnnData has layers", counts, layer="count")


def test_a_single_cell_cannot_be_held_out(counts: pd.DataFrame) -> None:
    refuse("holds 1 cell", counts.iloc[:1])


def test_a_batch_of_one_and_one_latent_train(counts: pd.DataFrame) -> None:
    model, _ = compile_vae(features=GENES, latents=1, hidden_dim=4)
    report = model.fit(counts.iloc[:6], max_epochs=1, batch_size=1, dip=1.0, tc=1.0, info=1.0)
    assert np.isfinite(report.best_elbo)
    assert model.latent_table(counts.iloc[:1]).shape == (1, 1)


def test_latents_without_genes(sets: pd.DataFrame) -> None:
    lost = pd.concat([sets, pd.DataFrame({"source": ["P9"], "target": ["unmeasured"]})])
    with pytest.raises(Edge2TorchError, match=r"1 latent\(s\) have no gene.*'P9'"):
        compile_vae(decoder_edges=lost, features=GENES)
    with pytest.raises(Edge2TorchError, match=r"1 have no gene.*'P7'"):
        compile_vae(decoder_edges=sets, features=GENES, latents=["P0", "P1", "P2", "P7"])


def test_edges_that_run_the_wrong_way(sets: pd.DataFrame) -> None:
    with pytest.raises(Edge2TorchError, match="wrong way"):
        compile_vae(decoder_edges=mirror(sets), features=GENES)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "features is missing"),
        ({"features": ["a", "a"]}, "each gene once.*'a'"),
        ({"features": ["a", "b"], "latents": 0}, "latents must be a whole number"),
        ({"features": ["a", "b"], "latents": ["a"]}, "differ in name: 'a'"),
        ({"features": ["a"], "library": "guess"}, "library must be .*found 'guess'"),
        ({"features": ["a"], "hidden_dim": 0}, "hidden_dim"),
        ({"features": ["a"], "positive": True}, "need decoder_edges"),
        ({"features": ["a"], "decoder_edges": "miror"}, "'mirror'"),
    ],
    ids=str,
)
def test_designs_that_cannot_be(options: dict[str, object], match: str) -> None:
    with pytest.raises(Edge2TorchError, match=match):
        compile_vae(**options)  # type: ignore[arg-type]


def test_settings_out_of_range(counts: pd.DataFrame) -> None:
    refuse("batch_size", counts, batch_size=0)
    refuse("validation", counts, validation=1.0)
    refuse("beta must be", counts, beta=-1.0)
    refuse("resume=True needs folder", counts, resume=True)
    with pytest.raises(Edge2TorchError, match="percent"):
        iVAE(counts, percent=3)


def test_groups_that_cannot_be_compared(counts: pd.DataFrame) -> None:
    model, _ = compile_vae(features=GENES, latents=2, hidden_dim=4)
    with pytest.raises(Edge2TorchError, match="not a column"):
        differential_activity(model, counts, "kind")
    with pytest.raises(Edge2TorchError, match="at least two of each"):
        differential_activity(model, counts, ["a"] * 89 + ["b"])
