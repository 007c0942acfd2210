"""Whether the autoencoder learned anything is said, and no single sample decides when it stops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge2torch.netmodules import ModulesConfig
from edge2torch.netmodules._autoencoder import Fitted, _typical, new_pair, train


def fitted(values: NDArray[np.float64]) -> Fitted:
    names = [f"g{k}" for k in range(values.shape[1])]
    torch.manual_seed(0)
    z = (values - values.mean(0)) / values.std(0)
    return train(new_pair(names, 16, 2), z.astype(np.float32), ModulesConfig().vae, 0, range(80))


def test_a_fit_knows_whether_it_beats_the_mean_profile() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, 20))
    shared = noise + 3 * rng.normal(size=(120, 2)) @ rng.normal(size=(2, 20))
    learned, learned_nothing = fitted(shared), fitted(noise)
    assert learned.loss < 0.8 * learned.report["mean_profile_loss"]
    assert learned_nothing.loss > 0.98 * learned_nothing.report["mean_profile_loss"]


def test_one_sample_does_not_decide_the_held_out_loss() -> None:
    assert _typical(torch.tensor([2.0, 1.0, 3.0, 1e9])) == pytest.approx(2.5)
    assert np.isnan(_typical(torch.tensor([1.0, 2.0, 3.0, torch.nan])))
