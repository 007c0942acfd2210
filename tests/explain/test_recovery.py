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
    planted = planted_drivers(n_modules=2, n_background=25, seed=seed)
    data = transcript_data(planted.counts, planted.transcripts, planted.samples)
    small = {"vae.latent_dim": 2, "decoys": 50}
    fit = fit_modules(data, backend="vae", config=small, seed=seed, quiet=True)
    config = ExplainConfig(all_genes=True, vae_attribution=True, integrated_gradients=True)
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
        genes = truth.groupby(own.set_index("transcript_id")["gene_id"]).size().index
        switches = [f"{gene}::switch" for gene in genes]
        loading = fit.loadings.set_index("transcript_id")["loading"].loc[own["transcript_id"]]
        along = (loading.to_numpy() * own["direction"]).groupby(own["gene_id"]).sum().loc[genes]
        decoded = found[module].vae_drivers.set_index("feature_id").loc[switches]
        delta = decoded["decoded_delta"] * np.sign(decoded["latent_r"]) * turned
        assert (np.sign(delta.to_numpy()) == np.sign(along.to_numpy())).all()
        gradients = found[module].ig_attributions.set_index("feature_id")["ig_score"]
        agree = np.sign(gradients[switches].to_numpy()) * turned == np.sign(along.to_numpy())
        assert agree.mean() >= 0.9
        assert auroc(gradients, gradients.index.isin(switches)) >= 0.95
