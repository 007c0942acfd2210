"""Scores as AnnData and as a networkx graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import networkx as nx
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.interpret import score_graph
from tests.interpret.settings import SETTINGS, SKIPS, Setting


@pytest.fixture
def skips() -> Setting:
    return SETTINGS["skips"]()


def test_anndata_carries_names(skips: Setting, tmp_path: Path) -> None:
    cells = skips.ask("nodes", to="anndata")
    tables = skips.ask("nodes")
    assert list(cells.obsm) == [f"attribution_{site}" for site in tables]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    for site, table in tables.items():
        pd.testing.assert_frame_equal(again.obsm[f"attribution_{site}"], table)
    assert again.uns["attribution"]["method"] == "LayerConductance"
    assert again.uns["attribution"]["outputs"].tolist() == ["deep"]
    assert again.obs_names.tolist() == skips.data.index.tolist()
    np.testing.assert_allclose(again[:, ["a", "b", "c"]].X, skips.x)


def test_anndata_of_the_data_is_kept(skips: Setting) -> None:
    own = anndata.AnnData(
        skips.data.to_numpy(np.float32),
        obs=pd.DataFrame({"donor": list("xyxy")}, index=skips.data.index),
        var=pd.DataFrame(index=skips.data.columns),
    )
    asked = replace(skips, data=own)
    cells = asked.ask("nodes", to="anndata", level="summary", output=["deep", "late"])
    assert cells.obs["donor"].tolist() == list("xyxy")
    assert list(cells.obsm) == ["attribution_nodes_deep", "attribution_nodes_late"]
    assert not own.obsm
    features = asked.ask("features", to="anndata").obsm["attribution_features"]
    pd.testing.assert_frame_equal(features, skips.ask("features"))
    edges = asked.ask("edges", to="anndata")
    pd.testing.assert_frame_equal(edges.uns["attribution_edges"], skips.ask("edges"))
    each = asked.ask("edges", to="anndata", level="samples")
    assert each.obsm["attribution_edges"].shape == (4, len(SKIPS))
    assert each.uns["attribution_edges"]["source"].tolist() == SKIPS["source"].tolist()


def test_a_graph_with_scores(skips: Setting) -> None:
    graph = skips.ask("nodes", to="networkx")
    scores = skips.ask("nodes", level="summary").mean()
    assert nx.get_node_attributes(graph, "score") == pytest.approx(scores.to_dict())
    assert graph.nodes["a"] == {"role": "input"}
    edges = skips.ask("edges")
    why = e2t.attribute(skips.model, skips.data, "nodes", output="deep", quiet=True)
    both = why.to_networkx(edges=edges)
    assert nx.get_node_attributes(both, "score") == nx.get_node_attributes(graph, "score")
    assert set(both.edges) == set(zip(SKIPS["source"], SKIPS["target"], strict=True))
    for source, target, score in edges.itertuples(index=False):
        assert both.edges[source, target]["attribution"] == score
    several = skips.ask("edges", to="networkx", output=["deep", "late"])
    assert set(several.edges["a", "p"]) == {"attribution_deep", "attribution_late"}
    named = skips.ask("nodes", to="networkx", output=["deep", "late"])
    assert set(named.nodes["r"]) == {"role", "score_deep", "score_late"}


def test_forms_that_do_not_go_together(skips: Setting) -> None:
    with pytest.raises(e2t.Edge2TorchError, match="to must be one of"):
        skips.ask("nodes", to="csv")
    with pytest.raises(e2t.Edge2TorchError, match="leave out to='anndata'"):
        skips.ask("nodes", to="anndata", return_convergence_delta=True)
    with pytest.raises(e2t.Edge2TorchError, match="columns 'source' and 'target'"):
        score_graph(skips.artifact, edges=pd.DataFrame({"from": ["a"]}))
    other = pd.DataFrame({"source": ["x"], "target": ["y"], "weight": [1.0]})
    with pytest.raises(e2t.Edge2TorchError, match=r"none of its 1 is an edge.*x → y"):
        score_graph(skips.artifact, edges=other)
    with pytest.raises(e2t.Edge2TorchError, match="no column of numbers"):
        score_graph(
            skips.artifact, edges=other[["source", "target"]].assign(source="a", target="p")
        )
    why = e2t.attribute(skips.model, skips.data, "edges", output="deep", quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match=r"edges must be a table, found Attribution"):
        e2t.attribute(skips.model, skips.data, quiet=True, output="deep").to_networkx(edges=why)
    with pytest.raises(e2t.Edge2TorchError, match="these are of edges"):
        why.to_networkx(edges=why.frame())


def test_activations_of_every_node(skips: Setting) -> None:
    values = e2t.activations(skips.model, skips.artifact, skips.data)
    assert values.columns.tolist() == ["a", "b", "c", "early", "p", "q", "r", "deep", "late"]
    pd.testing.assert_frame_equal(values[["c", "a", "b"]], skips.data.astype("float32"))
    expected = skips.ask("nodes", "LayerActivation", level="summary")
    pd.testing.assert_frame_equal(values[expected.columns], expected)
