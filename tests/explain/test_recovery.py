"""Planted drivers are found, with their direction; genes outside the module are the control."""

import numpy as np
import pytest
from scipy.stats import rankdata

from edge2torch.explain import ExplainConfig, explain_module, usage_features
from edge2torch.netmodules import fit_modules, transcript_data
from edge2torch.simulate import planted_drivers


def auroc(score, truth):
    rank, n = rankdata(np.abs(score)), truth.sum()
    return (rank[truth].sum() - n * (n + 1) / 2) / (n * (~truth).sum())


@pytest.mark.parametrize("seed", [0, 1])
def test_drivers_and_their_directions(seed):
    planted = planted_drivers(n_modules=2, module_size=12, n_background=25, n_samples=60, seed=seed)
    data = transcript_data(planted.counts, planted.transcripts, planted.samples)
    small = {"vae.latent_dim": 2, "vae.hidden_dim": 16, "decoys": 50}
    fit = fit_modules(data, backend="vae", config=small, seed=seed, quiet=True)
    config = ExplainConfig(all_genes=True, vae_attribution=True)
    found = explain_module(fit, *usage_features(data), config=config)
    for name, latent in planted.latents.iterrows():
        r = fit.eigengenes[planted.latents.columns].T.corrwith(latent)
        module, turned = r.abs().idxmax(), np.sign(r[r.abs().idxmax()])
        polarity = found[module].transcript_polarity_table.set_index("transcript_id")["r"]
        own = planted.drivers[planted.drivers["module_id"] == name]
        truth = own.set_index("transcript_id")["direction"].reindex(polarity.index).fillna(0)
        assert auroc(polarity, (truth != 0).to_numpy()) >= 0.95
        right = np.sign(polarity[truth != 0]) * turned == truth[truth != 0]
        assert right.mean() >= 0.99
        decoded = found[module].vae_drivers.set_index("feature_id")
        assert decoded.loc[
            [f"{gene}::switch" for gene in set(own["gene_id"])], "sign_agreement"
        ].all()
