"""Whether the autoencoder learned anything is said, and decoys leave it with all else unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge2torch.netmodules import ModulesConfig
from edge2torch.netmodules._vae import (
    Fitted,
    _part_of,
    new_vae,
    no_better_words,
    train,
)


def fitted(values: NDArray[np.float64]) -> Fitted:
    names = [f"g{k}" for k in range(values.shape[1])]
    z = (values - values.mean(0)) / values.std(0)
    return train(new_vae(names, 16, 2, 0), z.astype(np.float32), ModulesConfig().vae, 0)


@pytest.mark.parametrize("n_features", [12, 30, 100])
def test_a_fit_knows_whether_features_share_anything(n_features: int) -> None:
    """Of few features even noise is told better than by the mean profile: no sign of anything."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, n_features))
    shared = noise + 3 * rng.normal(size=(120, 2)) @ rng.normal(size=(2, n_features))
    learned, nothing = fitted(shared), fitted(noise)
    assert learned.loss < 0.8 * learned.report["mean_profile_loss"]
    assert no_better_words(learned.report) == ""
    assert "held-out sample" in no_better_words(nothing.report)


def test_a_model_without_some_features_is_the_same_for_the_others() -> None:
    """Features that are left out had no weight in the encoder, so nothing may change."""
    names = [f"g{k}" for k in range(6)]
    model = new_vae(names, 8, 3, seed=1)
    x = torch.randn(5, 6)
    x[:, [0, 3]] = 0
    kept = ["g5", "g1", "g2", "g4"]
    part = _part_of(model, kept)
    assert part.encoder_artifact.feature_names == kept
    places = [names.index(name) for name in part.decoder_artifact.output_names]
    with torch.no_grad():
        mean, spread = model.encode(x)
        found = part.encoder(x[:, [5, 1, 2, 4]])
        torch.testing.assert_close(found, torch.cat([mean, spread], dim=1))
        decoded = model.decoder.predict(mean)[:, places]
        torch.testing.assert_close(part.decoder(mean), decoded)
