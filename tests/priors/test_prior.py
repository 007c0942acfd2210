"""``Prior``: steps in a chain, what it remembers, and where it stands in place of a table."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import edge2torch as e2t
from edge2torch import Edge2TorchError, Prior, priors, simulate, vae

SETS = pd.DataFrame(
    {
        "source": ["g1", "g2", "g3", "g4", "p", "q", "r", "g9"],
        "target": ["p", "p", "q", "r", "q", "r", "top", "z"],
    }
)
GENES = ["g1", "g2", "g3", "g4"]
# "b" is read and also leads on to "y", so the ends alone do not say what is read
LOOP = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(edges["source"], edges["target"], strict=True))


def test_a_chain_gives_what_the_options_give() -> None:
    chain = (
        Prior(SETS)
        .map_identifiers({"g9": "g3"})
        .keep_between([*GENES, "x"])
        .filter_sets(min_genes=2)
        .collapse_chains()
        .merge_identical()
        .propagate_memberships()
        .limit_layers(2)
        .add_latent(1)
        .connect_outputs(["B", "T"])
    )
    edges, report = e2t.prepare_prior(
        SETS,
        [*GENES, "x"],
        ["B", "T"],
        connect=True,
        mapping={"g9": "g3"},
        min_genes=2,
        collapse=True,
        merge=True,
        propagate=True,
        layers=2,
        latent=1,
    )
    pd.testing.assert_frame_equal(chain.edges, edges)
    assert chain.report == report
    assert [step.step for step in chain.steps][:2] == ["map_identifiers", "keep_between"]


def test_fit_is_the_call_in_short_and_takes_tables_and_anndata() -> None:
    data = pd.DataFrame(0.0, index=["c1", "c2"], columns=[*GENES, "x"])
    wanted, report = e2t.prepare_prior(SETS, GENES, root="root")
    for features in (data, AnnData(data)):
        fitted = Prior(SETS).fit(features, root="root")
        pd.testing.assert_frame_equal(fitted.edges, wanted)
        assert fitted.features == (*GENES, "x")
        assert fitted.report.outputs == report.outputs == ("root",)
    with pytest.raises(Edge2TorchError, match="edges have cycles"):
        Prior(LOOP).fit(["u"])
    assert pairs(Prior(LOOP).fit(["u"], cycles="break").edges) == {
        ("u", "a"),
        ("a", "b"),
        ("b", "y"),
    }


def test_a_prior_of_a_prior_goes_on() -> None:
    prior = Prior(SETS).keep_between(GENES, ["p", "top"])
    again = Prior(prior)  # type: ignore[arg-type]
    assert again.edges is prior.edges
    assert (again.steps, again.features, again.outputs) == (
        prior.steps,
        prior.features,
        ("p", "top"),
    )


def test_it_unpacks_and_stays_as_it_was() -> None:
    before = Prior(SETS)
    after = before.keep_between(GENES)
    edges, report = after
    assert edges is after.edges is after[0]
    assert report is after.report is after[1]
    assert before.steps == ()
    assert len(before.edges) == len(SETS)
    with pytest.raises(FrozenInstanceError):
        after.edges = SETS  # type: ignore[misc]


def test_the_compiler_takes_it_and_reads_its_outputs() -> None:
    prior = e2t.prepare_prior(LOOP, ["u"], ["b"], cycles="keep")
    _, artifact = e2t.compile_graph(prior, backend="recurrent", quiet=True)
    assert (artifact.feature_names, artifact.output_names) == (["u"], ["b"])
    with pytest.raises(Edge2TorchError, match="outputs=\\["):  # the table alone does not say
        e2t.compile_graph(prior.edges, backend="recurrent", quiet=True)
    _, other = e2t.compile_graph(prior, backend="recurrent", outputs=["a"], quiet=True)
    assert other.output_names == ["a"]
    summary = e2t.graph_summary(prior)
    assert (summary.outputs, summary.inputs) == (1, 1)
    assert priors.to_pyg(prior).node_names_dict["output"] == ["b"]


def test_it_stands_wherever_a_table_does(tmp_path: Path) -> None:
    prior = Prior(SETS).keep_between(GENES)
    edges = prior.edges
    for given in (prior, SimpleNamespace(edges=edges)):
        assert e2t.rewire(given, seed=1).equals(e2t.rewire(edges, seed=1))
        assert priors.mirror(given).equals(priors.mirror(edges))
        assert priors.cut_depth(given, 1)[0].equals(priors.cut_depth(edges, 1)[0])
        assert priors.union_edges(given, SETS)[0].equals(priors.union_edges(edges, SETS)[0])
        assert set(priors.to_networkx(given).edges) == pairs(edges)
        assert priors.add_names(given, {"g1": "one"}).equals(priors.add_names(edges, {"g1": "one"}))
        assert pairs(e2t.read_edges(priors.write_edges(given, tmp_path / "e.csv"))) == pairs(edges)
        assert simulate.planted_nodes(given, how="values").edges.equals(edges)
        ones = {name: [1.0] for name in GENES}
        assert simulate.evaluate(given, ones, np.ones(7))["top"].tolist() == [4.0]
        by_step = simulate.evaluate_steps(given, ones, 5, np.ones(7))
        assert by_step[-1]["top"].tolist() == [4.0]
    model, _ = vae.compile_vae(encoder_edges=prior, features=GENES)
    assert list(model.artifact.latent_names) == ["top"]
    assert vae.mirror is priors.mirror


def test_named_outputs_stay_whatever_a_step_leaves_out() -> None:
    prior = Prior(SETS).keep_between(GENES, ["p", "top"])
    for after in (
        prior.filter_sets(min_genes=3),
        prior.collapse_chains(),
        prior.merge_identical(),
        prior.cut_depth(0),
    ):
        assert {"p", "top"} <= set(after.edges["target"])
        assert after.outputs == ("p", "top")
    free, _ = priors.filter_sets(prior.edges, min_genes=3)
    assert "p" not in set(free["target"])
    assert prior.map_identifiers({"p": "pathway"}).outputs == ("pathway", "top")
    gone = Prior(SETS).keep_between(GENES, ["top", "z"])
    assert gone.outputs == gone.report.outputs == ("top",)


def test_loose_ends_are_cut_by_the_names_it_remembers() -> None:
    prior = Prior(SETS).keep_between(GENES, ["top"]).union_edges(SETS)
    assert "z" in set(prior.edges["target"])
    assert pairs(prior.keep_between().edges) == pairs(SETS) - {("g9", "z")}
    with pytest.raises(Edge2TorchError, match="features is missing"):
        Prior(SETS).keep_between()


def test_every_step_is_explained_before_anything_is_compiled() -> None:
    new = Prior(SETS)
    assert repr(new) == "Prior: 5 inputs, 2 outputs"
    assert new.explain() == "given: 10 nodes, 8 edges\nnow: 5 inputs, 2 outputs"
    prior = new.fit([*GENES, "x"], ["B"], connect=True)
    text = prior.explain().splitlines()
    assert text[0] == "given: 10 nodes, 8 edges"
    assert text[1] == "1. keep_between: 10 -> 8 nodes, 8 -> 7 edges"
    assert "paths from measured features to wanted outputs" in text[2]
    assert "   - 1 of 5 feature(s) are not in the graph: 'x'." in text
    assert text[-1] == "now: 9 nodes, 8 edges; 4 of 5 features covered (80 %), 1 output"
    assert repr(prior).startswith("Prior: 9 nodes")
    html = prior._repr_html_()
    assert html.startswith("<b>Prior</b>")
    assert html.count("<table") == 2


def test_what_is_not_a_table_is_refused_at_once() -> None:
    with pytest.raises(Edge2TorchError, match="has no column 'source'"):
        Prior(pd.DataFrame({"from": ["a"], "target": ["b"]}))
    with pytest.raises(Edge2TorchError, match=r"found tuple.*Prior\(edges\)"):
        Prior(priors.keep_between(SETS, GENES))  # type: ignore[arg-type]
    with pytest.raises(Edge2TorchError, match=r"its ends are none\. connect=True"):
        e2t.prepare_prior(
            pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"]}), ["a"], ["y"], cycles="keep"
        )
