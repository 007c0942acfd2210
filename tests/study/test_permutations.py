"""The whole procedure with survival times exchanged: what stays with whom, and what p says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError, load_study, run_study
from edge2torch.study._methods import methods_text
from edge2torch.study._outcomes._survival_report import _of_permuted, _pvalue, risk_statistics
from edge2torch.study._permutations import cells_of, exchanged, with_what_can_be_exchanged
from edge2torch.survival import TimeToEvent, harrell_c, logrank
from tests.study.test_survival import EDGES, QUICK, _task, cohort


def test_outcomes_change_places_within_strata_and_covariates_only() -> None:
    table = cohort(160)
    task = _task(table, strata="site")
    arm, age = np.arange(160) // 2 % 2, np.random.default_rng(0).normal(60, 9, 160)
    beside = pd.DataFrame({"arm": np.where(arm, "new", "old"), "age": age}, table.index)
    cells = cells_of(replace(task, covariates=beside), np.arange(160) > 140)
    known = pd.DataFrame({"arm": arm, "site": table["site"], "test": np.arange(160) > 140})
    thirds = np.digitize(age, np.quantile(age, [1 / 3, 2 / 3]))
    order = exchanged(cells, np.random.default_rng(1))
    assert sorted(order) == list(range(160))
    assert (known.to_numpy() == known.to_numpy()[order]).all()
    assert (thirds == thirds[order]).mean() > 0.97  # the ends of a third
    assert (age != age[order]).mean() > 0.7
    assert len(np.unique(cells)) > 18
    # an outcome is exchanged as a whole: time, event and stratum of one patient stay together
    rows = {tuple(row) for row in task.values}
    assert {tuple(row) for row in task.values[order]} == rows
    assert len(np.unique(cells_of(_task(table), None))) == 1


def test_the_statistics_are_those_of_the_report() -> None:
    rng, n = np.random.default_rng(0), 60
    table = pd.DataFrame(
        {
            "time": rng.exponential(size=n),
            "event": (rng.random(n) < 0.7).astype(int),
            "log hazard": rng.normal(size=n),
            "median when fitted": 0.1,
            "seed": np.repeat([0, 1], n // 2),
        },
        index=[f"p{k}" for k in range(n)],
    )
    found = risk_statistics(table)
    each = [harrell_c(p["time"], p["event"], p["log hazard"]) for _, p in table.groupby("seed")]
    assert found["harrell_c"] == pytest.approx(np.mean(each))
    high = (table["log hazard"] > 0.1).to_numpy()
    strata = table["seed"].astype(str).to_numpy()
    test = logrank(high, table["time"].to_numpy(), table["event"].to_numpy(), strata=strata)
    assert found["chi_squared"] == pytest.approx(test.statistic)
    assert risk_statistics(table.assign(**{"log hazard": 1.0}))["chi_squared"] == 0
    # the data are one draw of their own: of 19 none as good is 1 of 20
    assert _pvalue(3.0, pd.Series(np.linspace(0, 2.9, 19))) == pytest.approx(0.05)
    assert _pvalue(1.0, pd.Series([0.5, 1.0, 2.0])) == pytest.approx(0.75)


@pytest.mark.usefixtures("no_figures")
def test_a_report_says_what_permuted_outcomes_reach(tmp_path: Path) -> None:
    label = TimeToEvent("years", "died", permutations=4)
    how = {**QUICK, "seeds": 1, "max_epochs": 15, "learning_rate": 0.03}
    lines: list[str] = []
    result = run_study(EDGES, cohort(), label, folder=tmp_path, progress=lines.append, **how)
    table = pd.read_csv(tmp_path / "permutations.csv", index_col=0)
    assert table.columns.tolist() == ["harrell_c", "chi_squared"]
    assert len(table) == 4
    own = result.scores["harrell_c"].iloc[0]
    assert own > 0.7
    assert (table["harrell_c"] < own).all()
    assert table["harrell_c"].nunique() == 4
    report = (tmp_path / "report.html").read_text()
    assert "With outcomes exchanged among samples and all else done alike, 4 times," in report
    assert f"{own:.3f} with outcomes as they are: p = 0.2." in report
    assert "log-rank p = 0.2, by 4 permutations of the outcomes." in report
    again = load_study(tmp_path).results.permuted
    pd.testing.assert_frame_equal(again, result.results.permuted)
    # without them what an earlier study left goes
    run_study(EDGES, cohort(), TimeToEvent("years", "died"), folder=tmp_path, quiet=True, **how)
    assert not (tmp_path / "permutations.csv").exists()


def test_what_cannot_be_exchanged_is_refused() -> None:
    with pytest.raises(Edge2TorchError, match="permutations= need patients who were watched from"):
        TimeToEvent("years", "died", entry="since", permutations=9)
    label = TimeToEvent("years", "died", permutations=9)
    table = cohort().assign(donor=[f"d{k // 4}" for k in range(160)])
    with pytest.raises(Edge2TorchError, match="permutations= exchange outcomes of single samples"):
        run_study(EDGES, table, label, groups="donor", quiet=True, **QUICK)


def test_a_study_says_which_outcomes_cannot_be_exchanged() -> None:
    """An outcome of a sample that is alone in its cell stays where it is, however often all is done again."""
    table, label = cohort(), TimeToEvent("years", "died", permutations=30)
    task = replace(_task(table), options={**_task(table).options, "permutations": 30})
    beside = pd.DataFrame({"ward": [f"w{k}" for k in range(160)]}, table.index)
    alone = with_what_can_be_exchanged(replace(task, covariates=beside), None)
    assert alone.options["permutations"] == 0
    assert "alike in 'ward'. 160 of 160 samples have none that is alike" in alone.notes[-1]
    assert "1 arrangement of all outcomes can be made in place of 20 at least" in alone.notes[-1]
    beside.iloc[:4] = "w"  # 24 arrangements
    some = with_what_can_be_exchanged(replace(task, covariates=beside), None)
    assert some.options["permutations"] == 30
    assert some.notes[-1].endswith(
        "156 of 160 samples have none that is alike, so their outcomes stay where they are."
    )
    beside.iloc[:3], beside.iloc[3] = "w", "z"  # 6
    assert (
        with_what_can_be_exchanged(replace(task, covariates=beside), None).options["permutations"]
        == 0
    )
    assert (
        with_what_can_be_exchanged(replace(task, covariates=beside.iloc[:, :0]), None).notes
        == task.notes
    )
    how = {**QUICK, "seeds": 1, "max_epochs": 2, "learning_rate": 0.03}
    lines: list[str] = []
    covariates = pd.DataFrame({f"c{k}": (np.arange(160) >> k) & 1 for k in range(8)}, table.index)
    result = run_study(EDGES, table, label, covariates=covariates, progress=lines.append, **how)
    assert result.results.permuted.empty
    assert sum("none of the 30 permutations was done" in line for line in lines) == 1
    assert "permutations of the outcomes" not in methods_text(result.results)


def test_p_of_what_is_not_known_is_not_the_least() -> None:
    """NaN is above nothing, so that no permutation would do as well."""
    assert np.isnan(_pvalue(np.nan, pd.Series([0.5, 0.6])))
    assert np.isnan(_pvalue(0.6, pd.Series([np.nan])))
    assert _pvalue(0.6, pd.Series([0.5, np.nan])) == pytest.approx(0.5)
    n = 8  # nobody has the event: no two can be compared
    held_out = pd.DataFrame(
        {
            "time": np.arange(1.0, n + 1),
            "event": 0,
            "log hazard": np.arange(n),
            "median when fitted": 3.5,
            "seed": 0,
        }
    )
    permuted = pd.DataFrame({"harrell_c": [0.5, 0.6], "chi_squared": [0.1, 0.2]})
    words = _of_permuted(held_out, permuted)
    assert "no concordance, and of the 2 permutations no p-value" in words
