"""A command that is told to end takes along what it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edge2torch.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
PLAYS_R = '#!/bin/sh\n[ "$1" = "-e" ] && exit 0\necho $$ > {mark}.new\nmv {mark}.new {mark}\nexec sleep 600\n'
LONG = 500.0  # seconds on a machine with no time to spare


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """A fit by what plays R and never ends; says in a file which process it is."""
    program = tmp_path / "Rscript"
    program.write_text(PLAYS_R.format(mark=tmp_path / "pid"))
    program.chmod(0o755)
    counts = pd.DataFrame({f"s{k}": [5 + k, 3, 1 + k, 4, 2 + k, 6] for k in range(4)})
    counts.insert(0, "gene_id", list("ABCABC"))
    counts.insert(0, "id", [f"t{k}" for k in range(6)])
    counts.to_csv(tmp_path / "counts.csv", index=False)
    return [
        *("modules", "fit", "--data", str(tmp_path / "counts.csv"), "--backend", "wgcna", "-q"),
        *("--out", str(tmp_path / "out"), "--min-samples", "2", f"wgcna.rscript={program}"),
    ]


def test_no_r_is_left_running(tmp_path: Path, given: list[str]) -> None:
    mark, aside = tmp_path / "pid", tmp_path / "aside"
    aside.mkdir()
    command = f"import sys; from edge2torch.cli import main; main({given!r})"
    environment = {**os.environ, "TMPDIR": str(aside), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", command], env=environment) as process:
        limit = time.monotonic() + LONG
        while not mark.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        assert mark.exists()
        process.terminate()
        assert process.wait(LONG) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert list(aside.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_none_is_left_by_a_signal_at_the_moment_of_its_start(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Slow(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__(command, **options)
            if command[1] != "-e":  # the program runs, and who began it does not know it yet
                begun.append(self)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.2)

    monkeypatch.setattr("edge2torch.netmodules._wgcna.subprocess.Popen", Slow)
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 143
    assert [process.returncode for process in begun] == [-signal.SIGKILL]


def test_signals_are_as_before_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main(["info"])
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_thread_may_run_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    codes: list[object] = []

    def run() -> None:
        try:
            main(["info", "--json"])
        except SystemExit as end:
            codes.append(end.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [0]
