"""Whole files, and one process at a time."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from edge2torch import Edge2TorchError
from edge2torch._core.files import (
    folder_of_results,
    lock_folder,
    output_folder,
    path_of,
    read_json,
    staging_dir,
    write_file,
)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.csv"
    write_file(path, lambda draft: draft.write_text("old"))

    def fails(draft):
        draft.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(path, fails)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def _hold(folder, held, done):
    with lock_folder(folder):
        held.set()
        done.wait(20)


def test_a_second_process_is_told(tmp_path):
    own = multiprocessing.get_context("spawn")
    held, done = own.Event(), own.Event()
    other = own.Process(target=_hold, args=(tmp_path / "out", held, done))
    other.start()
    assert held.wait(60)
    with pytest.raises(Edge2TorchError, match="another process"), lock_folder(tmp_path / "out"):
        pass
    other.kill()  # the claim goes with it
    other.join()
    with lock_folder(tmp_path / "out") as folder:
        assert folder.is_dir()


def test_drafts_of_the_killed_are_removed(tmp_path):
    (tmp_path / ".draft-x").mkdir()
    (tmp_path / ".draft-x" / "table.csv").write_text("half")
    with lock_folder(tmp_path):
        assert not (tmp_path / ".draft-x").exists()


def test_a_claim_beside_a_folder_leaves_its_neighbours_alone(tmp_path):
    (tmp_path / ".draft-x").mkdir()  # of another process, which is at work
    with lock_folder(tmp_path / "out", beside=True):
        assert sorted(file.name for file in tmp_path.iterdir()) == [".draft-x", ".out.lock"]
        told = pytest.raises(Edge2TorchError, match=r"out' is being written to by another")
        with told, lock_folder(tmp_path / "out", beside=True):
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")
def test_what_a_killed_process_left_goes_with_the_next_draft(tmp_path):
    if not (other := os.fork()):
        with staging_dir(tmp_path) as folder:
            (folder / "half.csv").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(other, 0)
    assert len(list(tmp_path.glob(".draft-*/half.csv"))) == 1
    write_file(tmp_path / "table.csv", lambda draft: draft.write_text("whole"))
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_drafts_of_others_at_work_stay(tmp_path):
    with staging_dir(tmp_path) as first, staging_dir(tmp_path) as second:
        assert first != second
        assert first.is_dir()
    (tmp_path / ".draft-new").mkdir()  # of another process, not yet locked
    write_file(tmp_path / "table.csv", lambda draft: draft.write_text("whole"))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".draft-new", "table.csv"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def cannot(self, *_, **__):
        raise NotImplementedError

    monkeypatch.setattr("edge2torch._core.files.FileLock.acquire", cannot)
    write_file(tmp_path / "table.csv", lambda draft: draft.write_text("whole"))
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"cannot be read \(No such file"),
        (b"{", "is damaged"),
        (b"\xff", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[1]", "is damaged: it holds no object"),
    ],
    ids=["missing", "cut short", "no text", "too deep", "a list"],
)
def test_json_that_cannot_be_read(tmp_path, content, words):
    path = tmp_path / "one.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Edge2TorchError, match=rf"one\.json {words}"):
        read_json(path)


def test_home_is_written_out_and_an_address_is_refused(tmp_path, monkeypatch):
    """Folders called ~ and s3: were made where the program stood."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert path_of("~/x") == output_folder("~/x", "out") == tmp_path / "x"
    with lock_folder("~/y") as place:
        assert place == tmp_path / "y"
    for address in ("s3://bucket/x", "gs://b", "https://host/x", Path("s3://bucket/x")):
        for refused in (path_of, output_folder):
            with pytest.raises(Edge2TorchError, match=r"^out must be a path, found the address '"):
                refused(address, "out")
    with pytest.raises(Edge2TorchError, match="whose home '~no_such_user_/x' means"):
        path_of("~no_such_user_/x")
    assert path_of("C:/x") == Path("C:/x")
    assert path_of("a~b/c:d") == Path("a~b/c:d")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x", "y"]


def test_a_folder_that_was_only_locked_goes_too(tmp_path):
    with (
        pytest.raises(ValueError, match="nothing"),
        folder_of_results(tmp_path / "a", "out") as a,
        lock_folder(a),
    ):
        raise ValueError("nothing comes of it")
    assert not (tmp_path / "a").exists()
