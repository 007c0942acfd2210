"""Genes that move together are seen, whether or not a latent says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edge2torch.vae import compile_vae

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")

SIZES = {"moves_few": 5, "moves_many": 30, "rests_few": 5, "rests_many": 30, "in no set": 130}


def planted(sd: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts in which two of four sets move, and the sets."""
    rng = np.random.default_rng(0)
    owner = np.repeat(list(SIZES), list(SIZES.values()))
    genes = [f"g{k}" for k in range(len(owner))]
    log_rate = np.full((800, len(genes)), np.log(4.0))
    for name in ("moves_few", "moves_many"):
        log_rate += rng.normal(0, sd, (800, 1)) * (owner == name)
    rate = np.exp(log_rate) * rng.gamma(5, 1 / 5, log_rate.shape)
    counts = pd.DataFrame(rng.poisson(rate), columns=genes)
    sets = pd.DataFrame({"source": owner, "target": genes})
    return counts, sets[owner != "in no set"]


@pytest.mark.parametrize("epochs", [1, 30], ids=["collapsed", "trained"])
def test_activity_is_the_shared_log_change(epochs: int) -> None:
    counts, sets = planted(0.5)
    model, _ = compile_vae(decoder_edges=sets, features=list(counts), hidden_dim=16)
    # one step moves nothing: the latents say nothing, and the genes move all the same
    model.fit(counts, max_epochs=epochs, batch_size=100 if epochs > 1 else 800, lr=2e-2)
    found = model.diagnose(counts).latents
    effect = found.loc["moves_many", "effect"]
    assert effect < 0.1 if epochs == 1 else effect > 0.3
    assert found.loc[["moves_few", "moves_many"], "activity"].between(0.35, 0.65).all()
    assert found.loc[["rests_few", "rests_many"], "activity"].abs().max() < 0.2


@pytest.mark.parametrize("likelihood", ["zinb", "poisson", "gaussian", "bernoulli"])
def test_activity_under_every_likelihood(likelihood: str) -> None:
    counts, sets = planted(0.5)
    data = {"gaussian": np.log1p(counts), "bernoulli": (counts > 4).astype(int)}
    model, _ = compile_vae(
        decoder_edges=sets, features=list(counts), hidden_dim=4, likelihood=likelihood
    )
    model.fit(data.get(likelihood, counts), max_epochs=1, batch_size=800)
    found = model.diagnose(data.get(likelihood, counts)).latents["activity"]
    assert found[["moves_few", "moves_many"]].min() > 2 * found[["rests_few", "rests_many"]].max()
