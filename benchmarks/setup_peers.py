"""Install each peer from PyPI into an environment of its own, benchmarks/.envs/<peer>.

    python benchmarks/setup_peers.py [peer ...]

torch comes first and alone, in the version that this checkout is tested with, so that every
contender runs on the same one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.contenders import CONTENDERS, ENVIRONMENTS, PEERS, TORCH, Contender


def install(peer: Contender) -> None:
    """Set one environment up, unless it is complete."""
    wanted = f"{TORCH} {peer.requirement}"
    if peer.is_installed and peer.stamp.read_text() == wanted:
        print(f"{peer.name}: ready")
        return
    folder = ENVIRONMENTS / peer.name
    print(f"{peer.name}: installing {wanted} into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False)  # some systems have no ensurepip; this pip serves them
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", peer.python]
    for requirements in ([TORCH], [peer.requirement, TORCH]):
        subprocess.run([*pip, "install", "--quiet", *requirements], check=True)  # noqa: S603
    peer.stamp.write_text(wanted)


def main() -> None:
    names = sys.argv[1:] or PEERS
    failed = []
    for name in names:
        if name not in PEERS:
            sys.exit(f"{name}: no such peer. Known: {', '.join(PEERS)}.")
        try:
            install(CONTENDERS[name])
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: could not be installed: {error}")
            failed.append(name)
    if failed:
        print(f"Without {', '.join(failed)}: the table will say so in their rows.")


if __name__ == "__main__":
    main()
