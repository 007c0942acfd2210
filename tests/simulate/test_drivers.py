"""Planted drivers trade places; bystanders and background do not."""

import numpy as np
import pandas as pd

from edge2torch.simulate import planted_drivers


def usage(planted):
    genes = planted.transcripts["gene_id"].to_numpy()
    logs = np.log(planted.counts + 0.5)
    return logs - logs.groupby(genes).transform("mean")


def test_usage_follows_the_latent_as_planted():
    planted = planted_drivers(n_modules=2, n_background=20, seed=3)
    logs = usage(planted)
    for name, own in planted.drivers.groupby("module_id"):
        r = logs.loc[own["transcript_id"]].T.corrwith(planted.latents.loc[name])
        moved = own["direction"].to_numpy() != 0
        assert (np.sign(r)[moved] == own["direction"].to_numpy()[moved]).all()
        assert r[moved].abs().min() > 0.6 > r[~moved].abs().max()
    outside = ~planted.transcripts["gene_id"].isin(planted.drivers["gene_id"])
    others = logs.loc[planted.transcripts["transcript_id"][outside]]
    assert others.T.corrwith(planted.latents.loc["T0"]).abs().max() < 0.5


def test_same_seed_same_counts():
    first, again, other = (planted_drivers(n_samples=12, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.counts, again.counts)
    assert not first.counts.equals(other.counts)
