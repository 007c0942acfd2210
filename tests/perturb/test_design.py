"""Designs: both forms, MIDAS row for row, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.perturb import read_design, read_midas
from edge2torch.priors import add_inhibitors
from edge2torch.priors import read_midas as read_file

EDGES = pd.DataFrame(
    {"source": ["EGF", "Ras", "Raf", "PI3K"], "target": ["Ras", "Raf", "Erk", "Akt"]}
)
MIDAS = """TR:mock:CellLine,TR:EGF,TR:Rafi, TR:PI3Ki,DA:Akt,DA:Erk,DV:Akt,DV:Erk
1,1,0,0,0,0,0.2,0
1,0,1,0,0,0,0.4,0

1,1,0,0,10,10,0.91,0.8
1,1,1,0,10,10,NaN,0.1
1,1,1,1,10,30,0.5,0.3
"""

LONG = pd.DataFrame(
    {
        "condition": ["none", "a", "ab", "ab"],
        "treatment": ["", "A", "A", "B"],
        "kind": ["", "stimulus", "stimulus", "inhibitor"],
        "target": ["", "", "", "n1; n2"],
        "dose": [np.nan, 2.0, 2.0, np.nan],
    }
)
READ = pd.DataFrame({"y": [0.0, 1.0, 0.5]}, index=["none", "a", "ab"])


def test_midas_row_for_row(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIDAS.replace("\n", "\r\n"))
    midas = read_file(path, EDGES, quiet=True)
    assert midas.inhibited == ["Raf", "PI3K"]
    by_hand = [  # EGF, Raf_inhibitor, PI3K_inhibitor, time, Akt, Erk
        (1, 0, 0, 0, 0.2, 0),
        (0, 1, 0, 0, 0.4, 0),
        (1, 0, 0, 10, 0.91, 0.8),
        (1, 1, 0, 10, np.nan, 0.1),
        (1, 1, 1, 10, 0.5, np.nan),
        (1, 1, 1, 30, np.nan, 0.3),
    ]
    found = pd.concat([midas.cues, midas.times, midas.readouts], axis=1)
    np.testing.assert_array_equal(found.to_numpy(float), np.array(by_hand))
    assert set(midas.contexts) == {"mock"}


def test_a_design_of_a_midas_file(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIDAS)
    design = read_midas(path, EDGES, quiet=True)
    assert design.samples["time"].tolist() == [10, 10, 10, 30]
    assert design.samples["condition"].iloc[-1] == "EGF + Raf_inhibitor + PI3K_inhibitor"
    assert design.targets["PI3K_inhibitor"] == ["PI3K"]
    assert design.treatments["kind"].tolist() == ["stimulus", "inhibitor", "inhibitor"]
    assert design.at_rest.loc["mock"].tolist() == pytest.approx([0.3, 0.0])
    relative = read_midas(path, EDGES, relative_to="control", quiet=True)
    assert relative.readouts.iloc[0].tolist() == pytest.approx([0.61, 0.8])


@pytest.mark.parametrize(
    ("inhibitors", "inhibited"),
    [(None, []), (["Rafi"], ["Raf"]), (["Rafi", "PI3Ki"], ["Raf", "PI3K"])],
)
def test_without_a_network_the_user_says_what_inhibits(
    tmp_path: Path, inhibitors: list[str] | None, inhibited: list[str]
) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIDAS)
    assert read_file(path, inhibitors=inhibitors, quiet=True).inhibited == inhibited


def test_an_i_that_could_be_both_is_refused_and_another_case_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIDAS)
    both = pd.concat([EDGES, pd.DataFrame({"source": ["Rafi"], "target": ["Raf"]})])
    with pytest.raises(Edge2TorchError, match=r"'Rafi': with and without the final i"):
        read_file(path, both)
    small = EDGES.apply(lambda column: column.str.lower())
    midas = read_file(path, small)
    assert midas.inhibited == []
    assert "'Rafi (raf?)'" in capsys.readouterr().out


def test_long_and_wide_say_the_same() -> None:
    long = read_design(LONG, READ)
    wide = read_design(
        pd.DataFrame({"A": [0, 2, 2], "B": [0, 0, 1]}, index=["none", "a", "ab"]),
        READ,
        kinds={"B": "inhibitor"},
        targets={"B": "n1; n2"},
    )
    pd.testing.assert_frame_equal(long.doses, wide.doses, check_dtype=False)
    assert long.targets == wide.targets == {"A": ["A"], "B": ["n1", "n2"]}
    assert long.controls == ["none"]
    again = read_design(long.to_frame(), READ)
    pd.testing.assert_frame_equal(again.doses, long.doses)
    pd.testing.assert_frame_equal(again.treatments, long.treatments)


def test_a_knock_down_says_what_is_left() -> None:
    given = LONG.assign(kind=LONG["kind"].replace("inhibitor", "knock_down"))
    given.loc[3, "dose"] = 0.25
    design = read_design(given, READ)
    assert design.doses.loc["ab", "B"] == 0.75
    assert design.to_frame()["dose"].tolist()[-1] == 0.25


def test_a_wide_column_inhibits_by_its_name() -> None:
    given = pd.DataFrame({"EGF": [1, 1], "Rafi": [0, 1], "Akt_inhibitor": [1, 0]}, list("ab"))
    design = read_design(given, READ.iloc[1:].set_axis(list("ab")), edges=EDGES)
    assert design.treatments["target"].tolist() == ["", "Raf", "Akt"]


def test_what_the_others_are_given_on() -> None:
    doses = pd.DataFrame(np.eye(5), [f"c{k}" for k in range(5)], list("ABCDE"))
    with_lps = pd.concat(
        [doses.assign(LPS=0), doses.assign(LPS=1).set_axis([f"l{k}" for k in range(5)])]
    )
    assert read_design(with_lps).background == ["LPS"]
    assert read_design(LONG).background == []  # of two treatments one is half of them


REFUSED = [
    (LONG.assign(dose=-1.0), READ, r"negative dose.*'A'"),
    (LONG.assign(kind="poison"), READ, "kind must be one of"),
    (LONG.assign(share=1.5), READ, r"between 0 and 1.*'A'"),
    (LONG.assign(kind="knock_down"), READ, r"knock-down\(s\) 'B' lack a dose"),
    (LONG.assign(kind="knock_down", dose=2.0), READ, "between 0 and 1"),
    (LONG.rename(columns={"condition": "cond"}), READ, "no column 'condition'.*it has 'cond'"),
    (
        LONG.rename(columns={"treatment": "drug"}).assign(kind="stimulus"),
        READ,
        "no column 'treatment'",
    ),
    (LONG.assign(size=1), READ, r"does not know: 'size'"),
    (LONG.assign(context=["", "x", "x", "y"]), READ, r"'ab' are there twice with different"),
    (LONG, READ.rename({"none": "other"}), r"lacks: 'other'"),
    (LONG, READ.iloc[:2], r"without readouts: 'ab'"),
    (LONG, READ.assign(y=np.nan), r"'y' hold no value"),
    (LONG, READ.assign(y=["a", "b", "c"]), "not finite numbers"),
    (LONG, READ.assign(y=np.inf), "not finite numbers"),
    (LONG, READ.assign(time=0), "all rows are at time 0"),
    (LONG, READ.assign(time=[-1, 1, 1]), "below 0"),
    (LONG[LONG["treatment"] == ""], None, "no condition has a treatment"),
    (pd.DataFrame({"A": [0.0, 0.0]}, list("ab")), None, "all doses are 0"),
    (pd.DataFrame({"A": [1.0, 2.0]}, list("aa")), None, r"'a' are there twice"),
    (pd.DataFrame({"time": [1.0]}, ["a"]), None, "no column of doses"),
    ("no file", None, "no file"),
    (3, None, "must be a DataFrame or the path"),
]


def test_conditions_of_a_wide_table_may_be_called_treatment() -> None:
    design = read_design(pd.DataFrame({"treatment": ["none", "a"], "A": [0.0, 1.0]}))
    assert design.doses.index.tolist() == ["none", "a"]


@pytest.mark.parametrize(("given", "read", "words"), REFUSED)
def test_what_is_refused(given: object, read: pd.DataFrame | None, words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        read_design(given, read)  # type: ignore[arg-type]


def test_relative_to_the_control() -> None:
    with pytest.raises(Edge2TorchError, match="no control"):
        read_design(LONG.iloc[1:], READ.iloc[1:], relative_to="control")
    twice = pd.concat([READ, READ + 1]).assign(time=[1, 1, 1, 2, 2, 2])
    found = read_design(LONG, twice, relative_to="control")
    assert found.readouts["y"].tolist() == [0.0, 1.0, 0.5, 0.0, 1.0, 0.5]
    with pytest.raises(Edge2TorchError, match=r"no control at '2\.0 '"):
        read_design(LONG, twice.iloc[[0, 1, 2, 4, 5]], relative_to="control")


def test_spoiled_designs_end_in_an_error_of_ours_or_are_read() -> None:
    rng = np.random.default_rng(0)
    cells = ["", "x", -1, 0, 1, 2.5, np.nan, np.inf, "1e400", "inhibitor", None, True, "a;b", "ab"]
    read = n = 0
    for _ in range(60):
        table = LONG.astype(object)
        for _ in range(rng.integers(1, 4)):
            table.iloc[rng.integers(len(table)), rng.integers(table.shape[1])] = cells[
                rng.integers(len(cells))
            ]
        n += 1
        try:
            design = read_design(table, READ if rng.random() < 0.5 else None)
        except Edge2TorchError:
            continue
        assert (design.doses >= 0).all(axis=None)
        read += 1
    assert 0 < read < n


def test_inhibitors_get_a_node_once() -> None:
    signed = EDGES.assign(sign=1)
    found = add_inhibitors(signed, ["Raf", "PI3K", "Raf"])
    assert found.iloc[4:].to_numpy().tolist() == [
        ["Raf_inhibitor", "Raf", -1],
        ["PI3K_inhibitor", "PI3K", -1],
    ]
    assert len(add_inhibitors(found, ["Raf"])) == 6
    with pytest.raises(Edge2TorchError, match="'Mek' are not nodes"):
        add_inhibitors(signed, ["Mek"])


def test_an_inhibitor_has_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIDAS)
    wide = read_design(pd.DataFrame({"EGF": [1, 1], "Rafi": [0, 1]}, list("ab")), edges=EDGES)
    of_file = read_midas(path, EDGES, quiet=True)
    assert wide.names == ["EGF", "Raf_inhibitor"] == of_file.names[:2]
    assert wide.doses["Raf_inhibitor"].tolist() == [0, 1]
    twice = pd.DataFrame({"Rafi": [0, 1], "Raf_inhibitor": [1, 1]}, list("ab"))
    with pytest.raises(Edge2TorchError, match="two treatments that are 'Raf_inhibitor'"):
        read_design(twice, edges=EDGES)
    read_midas(path)
    assert "taken for stimuli: 'Rafi', 'PI3Ki' (inhibitors" in capsys.readouterr().out
    path.write_text("TR:x:CellLine,DA:ALL,DV:Erk\n1,10,0.5")
    with pytest.raises(Edge2TorchError, match=r"m\.csv: the file has no TR: column"):
        read_midas(path, quiet=True)


def test_what_takes_nothing_away_is_refused() -> None:
    plain = LONG.assign(kind="")
    for kind, nothing, words in (
        ("knock_out", 0.0, r"knock-out\(s\) 'B' have dose 0"),
        ("knock_down", 1.0, r"knock-down\(s\) 'B' leave all"),
    ):
        plain.loc[3, "dose"] = nothing
        with pytest.raises(Edge2TorchError, match=words):
            read_design(plain, READ, kinds={"B": kind})
    plain.loc[3, "dose"] = 0.0  # nothing is left
    assert read_design(plain, READ, kinds={"B": "knock_down"}).doses.loc["ab", "B"] == 1.0
