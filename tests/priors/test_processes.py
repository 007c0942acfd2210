"""Every process reads the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.priors.networks import FILES

READ_ALL = """
import sys
from edge2torch import priors
files = sys.argv[1]
for kind in ("cx2", "kgml", "gpml"):
    print(getattr(priors, f"read_{kind}")(f"{files}/corners.{kind}").to_csv())
"""


def test_every_process_reads_the_same_bytes() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", READ_ALL, str(FILES)],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert said[0] == said[1]
