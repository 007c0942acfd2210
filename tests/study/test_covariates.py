"""Covariates beside a network: what they explain is theirs, and not that of a node."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.study._covariates import covariates_alone, fit_encoding, telling
from edge2torch.study._task import choose_task
from tests.cli.running import run

PATHWAYS = {"signal": range(4), "other": range(4, 8), "noise": range(8, 12)}
QUICK = {"seeds": 1, "max_epochs": 100, "input_dropout": 0.1, "learning_rate": 0.01}
QUICK |= {"replicates": 0, "quiet": True}


def confounded(n: int = 240) -> pd.DataFrame:
    """A batch raises the genes of "other", and the risk, which "signal" raises as well."""
    rng = np.random.default_rng(0)
    x, batch = rng.normal(size=(n, 12)), rng.integers(0, 3, n)
    effect = np.array([-1.0, 0.0, 1.0])[batch]
    x[:, 4:8] += effect[:, None]
    risk = 0.5 * x[:, :4].sum(axis=1) + 2 * effect + rng.normal(size=n)
    table = pd.DataFrame(x.round(4), columns=[f"g{k}" for k in range(12)])
    table.index = [f"s{k}" for k in range(n)]
    table["batch"], table["age"] = [f"b{k}" for k in batch], rng.integers(30, 80, n)
    table["kind"] = np.where(risk > 0, "T", "B")
    return table.assign(dose=risk.round(4))


def pathway_edges(*ends: str) -> pd.DataFrame:
    pairs = [(f"g{k}", name) for name, genes in PATHWAYS.items() for k in genes]
    pairs += [(name, end) for name in PATHWAYS for end in ends]
    return pd.DataFrame(pairs, columns=["source", "target"])


def shares(study: e2t.StudyResult) -> pd.Series:
    size = study.attribution.nodes.abs().mean(axis=1)
    return size / size.sum()


@pytest.mark.parametrize(("label", "ends"), [("kind", "BT"), ("dose", "y")])
def test_a_confounder_beside_the_network_leaves_its_pathway_nothing(label, ends):
    table = confounded(600).drop(columns={"kind": "dose", "dose": "kind"}[label])
    bare = e2t.run_study(pathway_edges(*ends), table, label, metadata=("batch", "age"), **QUICK)
    study = e2t.run_study(pathway_edges(*ends), table, label, covariates=["batch", "age"], **QUICK)
    assert shares(bare).idxmax() == "other"
    assert shares(study).idxmax() == "signal"
    assert shares(study)["other"] < 0.5 * shares(bare)["other"]
    assert study.results.learned["KPNN", 12].loss.mean > 0  # beyond the covariates alone
    assert study.scores["model"].tolist()[-1] == "covariates alone"
    by, linear = {"kind": "log_loss", "dose": "rmse"}[label], study.results.outcome.linear
    before, after = (one.scores.set_index("model").loc[linear, by] for one in (bare, study))
    assert after < before  # the batch itself is known better than from four genes
    said = " ".join(verdict.text for verdict in study.verdicts)
    assert "Against the covariates alone" in said
    assert "The covariates alone ('batch', 'age') reach" in said
    assert "A linear function of 'batch', 'age'" in study.summary()["methods"]


def test_a_network_that_adds_nothing_to_covariates_has_learned_nothing():
    table = confounded().drop(columns="dose")
    rng = np.random.default_rng(1)
    table[[f"g{k}" for k in range(4)]] = rng.normal(size=(240, 4))  # only the batch is left
    edges = pathway_edges("B", "T")
    assert e2t.run_study(edges, table, "kind", metadata=("batch", "age"), **QUICK).learned
    study = e2t.run_study(edges, table, "kind", covariates=["batch"], **QUICK)
    assert not study.learned
    assert study.nodes.empty
    said = study.verdicts[0].text
    assert (
        "whether it predicts held-out ones better than the covariates alone cannot be told" in said
    )


def test_covariates_are_kept_and_asked_for(tmp_path):
    table = confounded().drop(columns="kind")
    edges = pathway_edges("y")
    study = e2t.run_study(
        edges, table, "dose", covariates=["batch", "age"], folder=tmp_path, **QUICK
    )
    loaded = e2t.load_study(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(table), study.predict(table))
    weights = pd.read_csv(tmp_path / "covariates.csv", index_col="covariate")
    assert weights.index.tolist() == ["batch=b1", "batch=b2", "age"]
    assert 0 < weights.loc["batch=b1", "dose"] < weights.loc["batch=b2", "dose"]
    assert loaded.results.study.task.covariates.empty  # of the samples only names and labels
    # the linear part is what predictions of two batches differ by
    one, other = (table[:1].assign(batch=name) for name in ("b0", "b2"))
    apart = study.predict(other).iloc[0, 0] - study.predict(one).iloc[0, 0]
    assert apart == pytest.approx(
        weights.loc["batch=b2", "dose"] * study.results.first.goal.scale, rel=1e-4
    )
    apart = table[["batch", "age"]].sample(frac=1, random_state=0)
    bare = table.drop(columns=["batch", "age"])
    pd.testing.assert_frame_equal(study.predict(bare, covariates=apart), study.predict(table))
    with pytest.raises(e2t.Edge2TorchError, match=r"^covariates: .* no column 'age'"):
        study.predict(table.drop(columns="age"))
    with pytest.raises(
        e2t.Edge2TorchError, match=r"^covariates: values are missing of 'age', in 1 sample: 's3'"
    ):
        study.predict(table.assign(age=table["age"].where(table.index != "s3")))
    with pytest.warns(e2t.Edge2TorchWarning, match="batch=b9"):
        study.predict(table.assign(batch="b9"))
    with pytest.raises(e2t.Edge2TorchError, match="'age' was a number in the fit, and holds 'old'"):
        study.predict(table.assign(age="old"))


def test_covariates_come_as_columns_or_beside(files, edges, cells):
    quick = QUICK | {"max_epochs": 5}
    cells["sex"] = ["f", "m", "m"] * 40
    first = e2t.run_study(edges, cells, "kind", covariates=["sex"], **quick)
    beside = cells.set_index("cell")[["sex"]].sample(frac=1, random_state=0)
    other = e2t.run_study(edges, cells.drop(columns="sex"), "kind", covariates=beside, **quick)
    genes = cells.set_index("cell").filter(regex=r"^g\d").astype(np.float32)
    obs = cells.set_index("cell")[["kind", "sex"]]
    of_anndata = anndata.AnnData(genes, obs=obs)
    third = e2t.run_study(edges, of_anndata, "kind", covariates=["sex"], **quick)
    pd.testing.assert_frame_equal(first.scores, other.scores)
    assert third.scores["model"].tolist() == first.scores["model"].tolist()
    cells.to_csv(files / "cells.csv", index=False)
    printed = run(files, "--covariates", "sex", "--replicates", "0")
    assert "Covariates beside the network: 'sex' as 2 categories ('f', 'm')." in printed
    assert "covariates alone (1 feature)" in printed


@pytest.mark.parametrize(
    ("covariates", "said"),
    [
        (["agee"], r"^covariates: .* no column 'agee'.*'age'"),
        ("age", r"^covariates must be a list of columns"),
        (["g3"], r"^covariates: what is a node of the graph .*: 'g3'"),
        (["same"], r"^covariates: covariate 'same' is constant"),
        (["age", "age"], r"^covariates: given twice: 'age'"),
        (["gap"], r"^covariates: values are missing of 'gap', in 1 sample: 's7'"),
    ],
)
def test_covariates_that_cannot_be_are_refused(covariates, said):
    table = confounded().drop(columns="dose").assign(same="x", gap="y")
    table.loc["s0", "gap"], table.loc["s7", "gap"] = "z", None
    with pytest.raises(e2t.Edge2TorchError, match=said):
        e2t.run_study(pathway_edges("B", "T"), table, "kind", covariates=covariates, **QUICK)


def test_another_cohort_may_have_other_batches():
    table = confounded().drop(columns="kind")
    cohort = table[:60].assign(batch="b7").set_axis([f"n{k}" for k in range(60)])
    with pytest.warns(e2t.Edge2TorchWarning, match="batch=b7"):
        study = e2t.run_study(
            pathway_edges("y"), table, "dose", covariates=["batch"], test_data=cohort,
            **(QUICK | {"max_epochs": 3}),
        )  # fmt: skip
    assert len(study.predictions) == 60


def test_the_start_is_the_fit_of_covariates_alone():
    rng = np.random.default_rng(0)
    samples = pd.DataFrame({"age": rng.normal(50, 9, 80), "sex": ["f", "m"] * 40})
    y = 0.3 * samples["age"] + 2.0 * (samples["sex"] == "m") + 1
    task = choose_task(y.rename("y"), "regression", 2)
    rows = np.arange(60)
    encoding = fit_encoding(samples, rows)
    z = torch.from_numpy(encoding(samples).to_numpy())
    assert z[rows, 0].mean() == pytest.approx(0, abs=1e-6)
    goal = task.outcome.goal(task, rows, balanced=False)
    weight, bias = covariates_alone(z, goal, rows, 1)
    np.testing.assert_allclose(goal.answer(z @ weight + bias)[:, 0], y, atol=0.02)
    strange = encoding(samples.assign(sex="other"))["sex=m"]
    np.testing.assert_allclose(strange, 0.5)


@pytest.mark.parametrize("covariates", [["kind"], ["batch", "kind"]])
def test_what_is_predicted_is_no_covariate(covariates):
    with pytest.raises(Edge2TorchError, match="what is to be predicted is none: 'kind'"):
        e2t.run_study(
            pathway_edges("B", "T"), confounded(60).drop(columns="dose"), "kind",
            covariates=covariates, **QUICK
        )  # fmt: skip


def twins(n: int = 80) -> pd.DataFrame:
    table = confounded(n).drop(columns="dose")
    is_t = table["kind"] == "T"
    return table.assign(
        twin=is_t.map({True: "yes", False: "no"}),
        coded=is_t.map({True: 7, False: 3}),
        site=[f"{'t' if one else 'b'}{k % 3}" for k, one in enumerate(is_t)],
        score=np.where(is_t, 5.0, 1.0) + np.linspace(0, 1, n),
    )


@pytest.mark.parametrize("name", ["twin", "coded"])
def test_the_label_under_another_name_is_no_covariate(name):
    with pytest.raises(
        Edge2TorchError, match=f"^covariates: the same as the label 'kind'.*'{name}'"
    ):
        e2t.run_study(pathway_edges("B", "T"), twins(), "kind", covariates=[name], **QUICK)


def test_a_covariate_that_tells_the_label_is_warned_of():
    table = twins()
    label = table["kind"]
    assert telling(table[["age", "batch", "site", "score"]], label) == ["site", "score"]
    names = pd.DataFrame({"id": [f"s{k}" for k in range(80)]}, index=table.index)
    assert telling(names, label) == []  # names tell everything, and say nothing of new samples
    times = pd.DataFrame({"time": np.arange(80.0), "event": (label == "T").astype(int)})
    cause = np.where(label == "B", "alive", np.where(np.arange(80) % 2, "heart", "cancer"))
    assert telling(pd.DataFrame({"cause": cause}, index=table.index), times) == ["cause"]
    said = []
    e2t.run_study(
        pathway_edges("B", "T"), table.drop(columns=["twin", "coded", "score"]), "kind",
        covariates=["site"], progress=said.append, **(QUICK | {"max_epochs": 2, "quiet": False}),
    )  # fmt: skip
    assert any("WARNING" in line and "'site'" in line for line in said)
