"""What holds for every backend: one row in the registry enrols it here."""

from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.netmodules import (
    BACKENDS,
    ModuleBackend,
    NetworkModules,
    fit_modules,
    load_modules,
    modules_to_edgelist,
    score_modules,
    transcript_data,
)
from edge2torch.netmodules._similarity import Similarity, Thresholds, standardised
from edge2torch.simulate import planted_modules
from tests.netmodules.conftest import SMALL, fitted, planted, spare_r

TABLES = [
    "modules", "edges", "eigengenes", "traits", "feature_scores", "features", "loadings",
    "module_loadings", "module_gene_roles", "gene_fate", "checks", "residualization", "samples",
    "transform",
]  # fmt: skip


def assert_same(a: NetworkModules, b: NetworkModules) -> None:
    for name in TABLES:
        # from pandas 3 on, text of a file has a type of its own
        one, two = (getattr(result, name).infer_objects() for result in (a, b))
        pd.testing.assert_frame_equal(
            one, two, check_exact=True, check_index_type=False,
            check_column_type=False, check_names=False,
        )  # fmt: skip


def test_the_same_seed_and_any_order_give_the_same_result(backend):
    data, found = planted(), fitted(backend)
    spare_r(backend)
    again = fit_modules(
        data.counts.sample(frac=1, random_state=3).sample(frac=1, axis=1, random_state=4),
        data.transcripts.sample(frac=1, random_state=5),
        data.samples.sample(frac=1, random_state=6),
        backend=backend,
        config=SMALL,
        quiet=True,
    )
    assert_same(found, again)


def test_a_saved_result_comes_back(backend, tmp_path):
    found = fitted(backend)
    again = load_modules(found.save(tmp_path / "modules"))
    assert_same(found, again)
    assert again.config == found.config
    found.save(tmp_path / "modules")  # in the same place
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


def test_the_compiled_result_gives_the_eigengenes(backend):
    found = fitted(backend)
    if not found.module_ids:
        with pytest.raises(e2t.Edge2TorchError, match="nothing to compile"):
            found.compile()
        return
    model, artifact = found.compile()
    assert artifact.output_names == found.module_ids
    x = e2t.align_features_to_input_nodes(data=found.feature_scores, artifact=artifact)
    with torch.no_grad():
        eigengenes = model(x).numpy().T
    np.testing.assert_allclose(eigengenes, found.eigengenes.to_numpy(), atol=1e-6)
    nodes = e2t.interpret_model(
        model=model, artifact=artifact, data=found.feature_scores, target="nodes",
        method="LayerConductance", output=found.module_ids[0],
    )  # fmt: skip
    assert np.isfinite(nodes["layer_1"].to_numpy()).all()


def test_new_samples_are_scored_by_the_fit(backend):
    data, found = planted(), fitted(backend)
    some = data.counts.columns[5:17]
    again = found.score(transcript_data(data.counts[some], data.transcripts))
    np.testing.assert_allclose(again, found.feature_scores.loc[some], atol=2e-4)
    whole = found.eigengenes_of(transcript_data(data.counts, data.transcripts))
    np.testing.assert_allclose(whole, found.eigengenes, atol=1e-4)


def test_pure_noise_has_no_modules(backend):
    fitted(backend)  # skips where the backend cannot run
    spare_r(backend)
    noise = planted_modules(n_modules=0, n_background=80, n_samples=40, seed=2)
    found = fit_modules(
        noise.counts, noise.transcripts, noise.samples, backend=backend, config=SMALL, quiet=True
    )
    assert found.module_ids == []
    assert set(found.gene_fate["fate"]) <= {"isolated", "down-weighted", "below size"}


@pytest.mark.parametrize("name", ["latent", "graph", "vae"])
def test_planted_modules_are_found_and_their_genes_play_their_roles(name):
    data, found = planted(), fitted(name)
    both = data.modules.merge(found.module_gene_roles, on="gene_id", suffixes=("_true", ""))
    assert len(both) >= 34
    assert (both.groupby("module_id")["module_id_true"].nunique() == 1).all()
    assert both["module_id"].nunique() == 3
    assert (both["role_true"] == both["role"]).mean() >= 0.8
    background = set(found.modules["gene_id"]) - set(data.modules["gene_id"])
    assert len(background) <= 2
    first = found.traits[found.traits["trait"] == "trait"].sort_values("pvalue").iloc[0]
    truth = both.loc[both["module_id"] == first["module_id"], "module_id_true"].iloc[0]
    assert truth == "T0"
    assert first["qvalue"] < 1e-4


def test_an_edge_list_trains(backend):
    found = fitted(backend)
    if not found.module_ids:
        pytest.skip("baseline finds nothing in data so small")
    edges = modules_to_edgelist(found, ["trait"], features=True)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    x = e2t.align_features_to_input_nodes(data=found.feature_scores, artifact=artifact)
    assert model(x).shape == (60, 1)


def test_a_new_backend_is_one_row(monkeypatch):
    """What it returns sets its own thresholds; nothing else knows of it."""

    class Plain(Similarity):
        def thresholds(self, *_):
            return Thresholds(switch=0.5, abundance=0.6, cross=0.7)

    row = ModuleBackend(
        "plain", "correlations", lambda request: Plain(standardised(request.values), {})
    )
    monkeypatch.setitem(BACKENDS, "plain", row)
    data = planted()
    found = fit_modules(data.counts, data.transcripts, backend="plain", quiet=True)
    assert [found.calibration[name] for name in ("alpha_switch", "alpha_abundance", "alpha")] == [
        0.5, 0.6, 0.7,
    ]  # fmt: skip
    same = found.edges[found.edges["source_type"] == found.edges["target_type"]]
    least = same["source_type"].map({"switch": 0.5, "abundance": 0.6})
    assert len(same) > 0
    assert (same["weight"] >= least - 1e-6).all()
    assert score_modules(found, data.modules)["recovery"] > 0.9


def test_the_versions_that_decide_stay_with_the_result(tmp_path):
    data = planted()
    by = {}
    for community in ("leiden", "components"):
        found = fit_modules(
            data.counts,
            data.transcripts,
            backend="baseline",
            config={"community": community},
            quiet=True,
        )
        by[community] = load_modules(found.save(tmp_path / community)).calibration["versions"]
    assert by["leiden"]["igraph"] == version("igraph")
    assert by["leiden"]["leidenalg"] == version("leidenalg")
    assert set(by["leiden"]) - set(by["components"]) == {"igraph", "leidenalg"}
