"""What a newcomer gets wrong first: every message says which argument, what is at fault, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.study import read_dataset
from edge2torch.study._ask import read_samples
from edge2torch.study._features import repeated_samples, repeats_words
from edge2torch.study._other_scale import other_scale
from edge2torch.study._saved import read_saved
from edge2torch.study._task import choose_task
from edge2torch.train import fit_scaler

GENES = [f"g{k}" for k in range(8)]
EDGES = pd.DataFrame(
    [(gene, f"set{k % 2}") for k, gene in enumerate(GENES)] + [("set0", "A"), ("set1", "B")],
    columns=["source", "target"],
)
QUICK: Any = {"seeds": 1, "max_epochs": 1, "replicates": 0, "quiet": True}


def samples(n: int = 40) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(n, len(GENES)))
    return pd.DataFrame(values, columns=GENES, index=[f"s{k}" for k in range(n)])


KINDS = pd.Series(["A", "B"] * 20, index=samples().index, name="kind")


def cohort() -> pd.DataFrame:
    return samples().add_prefix("t", axis=0).assign(kind=KINDS.to_numpy())


def ensembl() -> ad.AnnData:
    """Data that call genes by another name, with the graph's in a column of var."""
    var = pd.DataFrame({"symbol": GENES}, index=[f"ENSG{k}" for k in range(len(GENES))])
    return ad.AnnData(samples().to_numpy(), obs=KINDS.to_frame(), var=var)


def study(data: Any = None, label: Any = KINDS, edges: Any = EDGES, **options: Any) -> Any:
    return e2t.run_study(edges, samples() if data is None else data, label, **QUICK, **options)


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "names of another database": (
        lambda: study(ensembl(), "kind"),
        "8 of the graph's names stand in the column 'symbol' of var. Give feature_names='symbol'.",
    ),
    "the same, to a model": (
        lambda: e2t.align_features_to_input_nodes(
            ensembl(), e2t.compile_graph(EDGES, quiet=True)[1]
        ),
        "column 'symbol' of var has such names: set data.var_names = data.var['symbol'].",
    ),
    "the same, to a prior": (
        lambda: e2t.prepare_prior(EDGES, ensembl()),
        "The column 'symbol' of var has such names: pass data.var['symbol'].",
    ),
    "a path for data": (
        lambda: e2t.prepare_prior(EDGES, "cells.csv"),
        "One text was given: read the file first",
    ),
    "a feature that is empty": (
        lambda: study(samples().assign(g1=np.nan)),
        "data: 1 feature(s) have no value: 'g1'. Leave their columns out",
    ),
    "the same, to be filled": (
        lambda: study(samples().assign(g1=np.nan), impute=True),
        "data: 1 feature(s) have no value: 'g1'. Leave their columns out",
    ),
    "the same, of several graphs": (
        lambda: e2t.compare_priors(
            {"a": EDGES}, samples().assign(g1=np.nan), KINDS, impute=True, quiet=True
        ),
        "X: 1 feature(s) have no value: 'g1'. Leave their columns out",
    ),
    "a feature that another cohort alone has": (
        lambda: study(
            samples().assign(g1=np.nan, kind=KINDS), "kind", test_data=cohort(), impute=True
        ),
        "data: 1 feature(s) have no value in the part that seed 0 trains with: 'g1'. Leave",
    ),
    "labels alone": (
        lambda: study(KINDS.to_frame(), "kind"),
        "data has no feature: no column of numbers beside the label",
    ),
    "decimal commas": (
        lambda: study(samples().assign(g1="0,5")),
        "not numbers: 'g1'. 'g1' holds '0,5', of sample 's0': write decimals with a point.",
    ),
    "decimal commas with an exponent": (
        lambda: study(samples().assign(g1="-,5E-3")),
        "'g1' holds '-,5E-3', of sample 's0': write decimals with a point.",
    ),
    "words among numbers": (
        lambda: study(samples().assign(g1=["low", *["1.5"] * 39])),
        "'g1' holds 'low', of sample 's0': leave cells empty where a value is missing",
    ),
    "one donor": (
        lambda: study(groups=pd.Series("d", index=KINDS.index)),
        "groups: all samples are of one group, and a group is held out as a whole for testing.",
    ),
    "no label at all": (
        lambda: e2t.run_study(EDGES, samples(), None, **QUICK),
        "label is missing: name the column of data to predict",
    ),
    "labels in a list": (
        lambda: study(label=KINDS.tolist()),
        "found a list. Of values in the order of the samples make one: pd.Series(values",
    ),
    "features in rows": (
        lambda: study(samples().T),
        "These are the data's columns: pass data.T.",
    ),
    "a wrong column": (
        lambda: study(samples().assign(kind=KINDS, donor="d"), "kinds"),
        "no column 'kinds'. Nearest to 'kinds': 'kind'. It has 'kind', 'donor', 'g0'",
    ),
    "a cycle": (
        lambda: study(edges=pd.concat([EDGES, EDGES[-1:].set_axis(["target", "source"], axis=1)])),
        "edges has a cycle, which the feedforward backend cannot compute: 'B' -> 'set1' -> 'B'.",
    ),
    "source in the index": (
        lambda: e2t.compile_graph(EDGES.set_index("source")),
        "edgelist has 'source' in its index, not among its columns. Pass edgelist.reset_index().",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_remedy(mistake: str) -> None:
    run, said = MISTAKES[mistake]
    with pytest.raises(Edge2TorchError) as error:
        run()
    assert said in str(error.value)


def test_samples_that_come_twice_are_told() -> None:
    data = samples()
    twice = pd.concat([data, data[3:5].rename(lambda name: f"{name}_again")])
    label = pd.concat([KINDS, KINDS[3:5].rename(lambda name: f"{name}_again")])
    table = read_dataset(twice, label, GENES).table
    none = pd.DataFrame(index=table.index)
    (said,) = repeats_words(table, none)
    assert (
        "2 sample(s) have the values of another in every feature ('s3_again', 's4_again')" in said
    )
    assert repeats_words(read_dataset(data, KINDS, GENES).table, none.iloc[: len(data)]) == []
    # copies of one donor are on one side; s4 and its copy are of two
    donor = pd.DataFrame({"donor": [f"d{k}" for k in range(len(data))] + ["d3", "another"]})
    (said,) = repeats_words(table, donor.set_axis(table.index))
    assert "1 sample(s) have the values of another in every feature ('s4_again')" in said
    # where values are few, many samples are alike and nobody was copied
    coarse = (data > 0).astype(float)
    assert coarse[GENES[:3]].duplicated().any()
    assert repeated_samples(coarse[GENES[:3]]) == []


def test_new_samples_may_lack_what_the_study_has_a_median_of() -> None:
    found = study(impute=True)
    median = found.results.first.scaler.as_frame().loc["g1", "fill"]
    with pytest.warns(e2t.Edge2TorchWarning, match="1 feature has no value in any sample: 'g1'"):
        lacking = found.predict(samples().assign(g1=np.nan))
    pd.testing.assert_frame_equal(lacking, found.predict(samples().assign(g1=median)))


def test_new_samples_on_another_scale_are_warned_of_and_others_are_not(tmp_path) -> None:
    found = study(folder=tmp_path / "out")
    with pytest.warns(e2t.Edge2TorchWarning, match="data: .* of 320 lie over ten .* scale"):
        found.predict(1000 * samples())
    with pytest.warns(e2t.Edge2TorchWarning, match="most in 'g2'. Are they"):
        found.predict(samples().assign(g2=lambda t: t["g2"] + 100))
    found.predict(samples().iloc[:1].assign(g2=100.0))  # an outlier
    saved = read_saved(tmp_path / "out", "model")
    asked = (
        read_samples(saved, one, None, None, None).notes for one in (samples(), samples() + 99)
    )
    assert ["another scale" in " ".join(notes) for notes in asked] == [False, True]
    notes = study(samples().assign(kind=KINDS), "kind", test_data=cohort()).notes
    assert "another scale" not in " ".join(notes)
    far = cohort().assign(**dict(1000 * samples().set_axis(cohort().index)))
    said = " ".join(study(samples().assign(kind=KINDS), "kind", test_data=far).notes)
    assert "WARNING: the test data: " in said
    assert "another scale" in said


def test_held_out_samples_of_one_distribution_are_never_said_to_be_on_another_scale() -> None:
    draw = np.random.default_rng(0)
    makes = (
        lambda n: draw.normal(size=(n, 30)),
        lambda n: draw.lognormal(size=(n, 30)),
        lambda n: draw.lognormal(0, 2, size=(n, 30)),  # raw amounts
        lambda n: np.log1p(draw.poisson(draw.gamma(0.5, 1.0, (n, 30)))),
    )
    for make in makes:
        for _ in range(100):
            first, new = (pd.DataFrame(make(n)) for n in (20, 40))
            assert not other_scale(fit_scaler(first, np.arange(20)), new, "data")
    logs = pd.DataFrame(draw.normal(8, 1, (40, 30)))
    assert "1,200 values of 1,200" in other_scale(fit_scaler(logs, np.arange(40)), 2**logs, "data")


def test_ids_that_repeat_are_named() -> None:
    table = samples().assign(kind=KINDS).reset_index(names="Patient ID")
    assert "more than once" not in " ".join(read_dataset(table, "kind", GENES).notes)
    table.loc[3, "Patient ID"] = "s7"
    (said,) = [one for one in read_dataset(table, "kind", GENES).notes if "more than once" in one]
    assert said.startswith("WARNING: 'Patient ID' would name the samples, but holds 's7' more than")
    donors = table.assign(**{"Patient ID": [f"s{k // 2}" for k in range(len(table))]})
    assert "more than once" not in " ".join(read_dataset(donors, "kind", GENES).notes)


def test_a_study_that_cannot_begin_leaves_no_folder(tmp_path):
    for label in (KINDS.where(KINDS == "A"), KINDS[:3]):  # one class, and samples too few
        with pytest.raises(Edge2TorchError):
            study(label=label, folder=tmp_path / "out")
    missing = samples()
    missing.iloc[0, 0] = np.nan  # is told after all else was read
    with pytest.raises(Edge2TorchError, match="impute=True"):
        study(missing, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classes_that_are_spelled_twice_are_told():
    """Two spellings of one class were two classes, and nothing said so."""
    sick = ["sick"] * 12
    label = pd.Series(["Healthy control"] * 12 + ["healthy  Control"] * 9 + sick, name="kind")
    task = choose_task(label, "auto", 8)
    (said,) = [note for note in task.notes if note.startswith("WARNING")]
    assert "'Healthy control' (12 samples) and 'healthy  Control' (9 samples). If they are" in said
    apart = pd.concat([label[:12], label[21:]])
    assert not any("WARNING" in note for note in choose_task(apart, "auto", 8).notes)
    other = pd.Series(["HEALTHY CONTROL", "sick"])
    _, known, (left_out,) = task.outcome.of_cohort(other, task)
    assert known.tolist() == [False, True]
    assert "but for upper and lower case ('HEALTHY CONTROL' -> 'Healthy control')" in left_out
    with pytest.raises(Edge2TorchError, match=r"no sample has a class .* upper and lower case"):
        task.outcome.of_cohort(other[:1], task)
