"""A run that was stopped goes on, with the same bits; another run does not."""

import contextlib

import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError
from edge2torch._core import console
from edge2torch.study._progress import identity_of, open_progress
from edge2torch.study._settings import StudySettings
from edge2torch.train import _loop, fit


def train(folder, epochs, *, stop=None, resume=False):
    progress = open_progress(folder, {"a": 1}, resume=resume)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
    begun = []

    def before(epoch):
        begun.append(epoch)
        if epoch == stop:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        fit(
            model,
            lambda rows: model(torch.ones(len(rows), 3)).square().mean(),
            range(5),
            max_epochs=epochs,
            checkpoint=progress.file("net, seed 0"),
            on_checkpoint=progress.note_time,
            before_epoch=before,
            progress=False,
        )
    return begun[0], model.state_dict()


def test_a_training_goes_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(_loop, "_PAUSE", -1.0)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _, whole = train(tmp_path / "one", 8)
    train(tmp_path / "two", 8, stop=5)
    first, resumed = train(tmp_path / "two", 8, resume=True)
    assert first == 5
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert train(tmp_path / "two", 8)[0] == 0  # without resume it begins anew


def test_time_goes_on_where_a_run_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(_loop, "_PAUSE", -1.0)
    assert open_progress(tmp_path, {"a": 1}, resume=False).before == 0
    train(tmp_path, 4, stop=2)
    once = open_progress(tmp_path, {"a": 1}, resume=True)
    assert 0 < once.before < 60
    assert once.seconds > once.before
    once.note_time()
    assert open_progress(tmp_path, {"a": 1}, resume=True).before > once.before


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(now)))
    for _ in console.Console().count(4, "10 replicates", "epochs"):
        pass
    printed = capsys.readouterr().out
    assert printed == "  10 replicates: 2 of 4 epochs\n  10 replicates: 4 of 4 epochs\n"


def test_another_run_is_refused(tmp_path):
    table = pd.DataFrame({"g": [1.0, 2.0]})
    open_progress(tmp_path, identity_of(StudySettings(), {"data": table}), resume=False)
    open_progress(tmp_path, identity_of(StudySettings(), {"data": table}), resume=True)
    other = identity_of(StudySettings(seed=3), {"data": table + 1})
    with pytest.raises(Edge2TorchError, match="another 'seed', 'data'"):
        open_progress(tmp_path, other, resume=True)


def test_a_damaged_checkpoint_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(_loop, "_PAUSE", -1.0)
    train(tmp_path, 4, stop=2)
    kept = next((tmp_path / ".progress").glob("*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:-20])
    with pytest.raises(Edge2TorchError, match=r"damaged.*delete it"):
        train(tmp_path, 4, resume=True)


def test_a_default_that_is_written_out_is_the_same_option():
    written = StudySettings(learning_rate=0.002, node_dropout=0.2)
    assert identity_of(written, {}) == identity_of(StudySettings(), {})
    assert identity_of(StudySettings(learning_rate=0.01), {}) != identity_of(StudySettings(), {})
