"""The benchmark's own machinery, on a graph of a few edges and without any peer."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch

from benchmarks import contenders, measure, worker
from benchmarks.cases import Case
from benchmarks.contenders import CONTENDERS, Contender, GaveUpError, Worker
from benchmarks.measure import Settings, digits, rotated
from benchmarks.own import limit, ours
from benchmarks.report import markdown, with_ratios
from edge2torch.simulate import layered_graph

PATIENT = 500  # seconds that a machine with no time to spare may take to start a process
SMALL = Settings(threads=(1,), repeats=2, limit=PATIENT, gigabytes=8)


def small(_: Path | None) -> pd.DataFrame:
    return layered_graph([30, 10, 2], [60, 20], seed=0, skip_edges=5)


def test_a_case_yields_a_row_for_everyone_and_they_compute_the_same(capsys) -> None:
    case = Case("d1", "a small graph", small, keep=True)
    rows = {
        row["contender"]: row
        for row in measure.measure(case, ["limit", "ours", "dense"], (8,), SMALL, None)
    }
    assert set(rows) == {"limit", "ours", "dense"}
    assert rows["ours"]["parameters"] == 85 + 12  # an edge or a bias each
    assert rows["dense"]["parameters"] > 85 + 12
    assert "other values" not in rows["dense"]["note"]
    assert {f"{phase}_ms" for phase in worker.PHASES} <= set(rows["ours"])
    assert rows["ours"]["step_mb"] < 50  # more would be memory of something else
    assert rows["limit"]["bytes"] == 4 * 8 * (2 * 85 + 2 * 30)
    assert "load" in rows["ours"]["note"]
    text = markdown(with_ratios(rows.values()))
    assert "torch, masked dense" in text
    assert not capsys.readouterr().out


def test_a_step_is_timed_phase_by_phase() -> None:
    told: list[str] = []

    def clock() -> float:
        told.append("clock")
        return float(told.count("clock"))

    model = torch.nn.Linear(2, 1)
    model.register_forward_hook(lambda *_: told.append("forward"))
    model.weight.register_post_accumulate_grad_hook(lambda _: told.append("backward"))
    session = worker.Session(ModuleType("contender"))
    session.model, session.x, session.target = model, torch.ones(3, 2), 1.0
    session.optimizer = worker._adam(model)
    session.optimizer.register_step_post_hook(lambda *_: told.append("optimizer"))
    session.clock = clock
    assert session.turn(1) == {"forward": 1, "forward_backward": 2, "step": 3}
    assert told == ["clock", "forward", "clock", "backward", "clock", "optimizer", "clock"]


def test_steps_with_the_inputs_written_in_again_are_the_same_for_dense_and_ours(capsys) -> None:
    cyclic = pd.DataFrame(
        {"source": ["x", "a", "b", "b", "a"], "target": ["a", "b", "a", "y", "z"]}
    )
    case = Case("c", "a small cycle", lambda _: cyclic, steps=3)
    settings = Settings(threads=(1,), repeats=1, limit=PATIENT, gigabytes=8, memory=False)
    rows = measure.measure(case, ["ours", "dense"], (4,), settings, None)
    assert not [row for row in rows if "other values" in row["note"]]
    assert not capsys.readouterr().out


BAD = {
    "grows": ("bytearray(10**12)", "compile: more than 8 GB of memory"),
    "breaks": ("raise ValueError('no such graph')", "compile: ValueError: no such graph"),
    "dies": ("import os; os._exit(3)", "compile: its process died"),
    "prints": ("print('{')", "compile: TypeError"),  # what it prints is no reply
}


@pytest.mark.parametrize("kind", BAD)
def test_a_contender_that_fails_gets_a_row_that_says_why(
    kind: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    script = tmp_path / "bad.py"
    script.write_text(f"def build(edges, case):\n    {BAD[kind][0]}\n")
    monkeypatch.setitem(CONTENDERS, "bad", Contender("bad", "a bad one", script))
    settings = Settings(threads=(1,), repeats=1, limit=PATIENT, gigabytes=8)
    (row,) = measure.measure(Case("d1", "a small graph", small), ["bad"], (8,), settings, None)
    assert row["note"].startswith(BAD[kind][1])
    assert BAD[kind][1] in capsys.readouterr().out


def test_a_contender_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ndef build(edges, case):\n    time.sleep(3600)\n")
    table = tmp_path / "edges.npz"
    measure.write_table(table, small(None))
    slow_one = Contender("slow", "a slow one", script)
    with Worker(slow_one, threads=1, gigabytes=8, limit=PATIENT) as slow:
        slow.ask("load", table=str(table), case={"steps": 0})
        with pytest.raises(GaveUpError, match=r"compile: not finished in 0\.5 s"):
            slow.ask("compile", limit=0.5)
        assert slow.process.poll() is not None


def test_a_peer_that_is_not_installed_is_said_to_be(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "ENVIRONMENTS", tmp_path)
    with pytest.raises(GaveUpError, match=r"not installed: .*setup_peers"):
        Worker(CONTENDERS["kpnn2"], threads=1, gigabytes=8, limit=10)


def test_scripts_of_ours_run_where_the_driver_runs() -> None:
    assert CONTENDERS["ours"].python == Path(sys.executable)
    assert CONTENDERS["kpnn2"].python != Path(sys.executable)
    assert all(contender.script.is_file() for contender in CONTENDERS.values())


def test_ratios_are_to_ours_or_to_what_a_contender_is_held_against() -> None:
    where = {"case": "a", "batch": 64, "threads": 1}
    figures = {"limit": 1.0, "ours": 2.0, "kpnn2": 20.0, "ours_like_binn": 4.0, "binn": 8.0}
    rows = [
        {**where, "contender": name, "forward_backward_ms": value}
        for name, value in figures.items()
    ]
    table = with_ratios([*rows, {"case": "g", "note": "skipped"}]).set_index("contender")
    ratios = table["x_forward_backward"].dropna().to_dict()
    assert ratios == {"ours": 1.0, "kpnn2": 10.0, "ours_like_binn": 2.0, "binn": 2.0}
    assert table.loc["kpnn2", "x_limit"] == 20.0


def test_everyone_begins_once() -> None:
    assert [rotated("abc", turn)[0] for turn in range(3)] == ["a", "b", "c"]
    assert rotated([], 5) == []


def test_figures_keep_three_digits() -> None:
    assert [digits(v) for v in (0.01234, 1.234, 123.4, 12345.6)] == [
        "0.0123",
        "1.23",
        "123",
        "12,346",
    ]


def test_a_row_says_what_computes_its_batch() -> None:
    edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    small, *_ = ours.build(edges, {"steps": None})
    rehearsed, *_ = ours.build(edges, {"steps": None, "rehearsal": True})
    x = torch.ones(8, 1)
    assert (ours.way(small, x), ours.way(rehearsed, x)) == ("", "one pass")


def test_the_limit_is_timed_by_the_clock_of_who_is_held_against_it() -> None:
    of_model, of_limit = worker.Session(ModuleType("contender")), limit.Session(None)
    of_model.edges = pd.DataFrame({"source": ["a"], "target": ["y"]})
    of_model.contender, of_model.case, of_model.features = ours, {"steps": None}, ["a"]
    of_model.compile()
    of_limit.repeats, of_limit.single, of_limit.n, of_limit.n_in, of_limit.n_out = 1, False, 2, 1, 1
    of_limit.by_target = of_limit.by_source = torch.zeros(1, dtype=torch.int32)
    of_limit.inner_edges = 0
    before = torch.get_num_threads()
    for threads in (1, 2):
        for session in (of_model, of_limit):
            session.prepare(4, threads)
        assert of_model.clock is of_limit.clock
    torch.set_num_threads(before)
