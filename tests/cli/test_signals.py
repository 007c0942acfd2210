"""A command that is told to end takes along what it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from edge2torch.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
PLAYS_R = '#!/bin/sh\n[ "$1" = "-e" ] && exit 0\necho $$ > {mark}.new\nmv {mark}.new {mark}\nexec sleep 600\n'
LONG = 120.0  # seconds on a machine with no time to spare


def test_no_r_is_left_running(tmp_path: Path) -> None:
    mark, program, aside = tmp_path / "pid", tmp_path / "Rscript", tmp_path / "aside"
    program.write_text(PLAYS_R.format(mark=mark))
    program.chmod(0o755)
    aside.mkdir()
    counts = pd.DataFrame({f"s{k}": [5 + k, 3, 1 + k, 4, 2 + k, 6] for k in range(4)})
    counts.insert(0, "gene_id", list("ABCABC"))
    counts.insert(0, "id", [f"t{k}" for k in range(6)])
    counts.to_csv(tmp_path / "counts.csv", index=False)
    given = ["modules", "fit", "--data", str(tmp_path / "counts.csv"), "--backend", "wgcna"]
    given += ["--out", str(tmp_path / "out"), "--min-samples", "2", f"wgcna.rscript={program}"]
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
