"""Build the wheel, install it into an empty environment, run README's quickstart from there.

Called by `make wheel` with a folder to work in, the torch to install first, and the constraints.
Nothing of the checkout is on the path of that environment: Python runs isolated (-I), in a folder
of its own, on the installed wheel and on what the wheel's own metadata asked pip for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.pages import ROOT, code_of

PROLOGUE = """
import sys, edge2torch
assert edge2torch.__file__.startswith(sys.prefix), f"not the installed wheel: {edge2torch.__file__}"
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command and stop with what it said if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done


def built(folder: Path) -> Path:
    """An sdist of the checkout, and from that sdist the wheel; its content is ours and all of it."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = (path for path in (ROOT / "edge2torch").rglob("*") if path.is_file())
    package = {str(path.relative_to(ROOT)) for path in files if path.parent.name != "__pycache__"}
    missing = package - inside
    foreign = [name for name in inside if not name.startswith(("edge2torch/", "edge2torch-"))]
    if missing or foreign:
        sys.exit(f"the wheel lacks {sorted(missing)} and should not have {sorted(foreign)}")
    if "edge2torch/py.typed" not in inside:
        sys.exit("the wheel lacks edge2torch/py.typed: its types would not be seen")
    Metadata.from_email(metadata(wheel), validate=True)  # what PyPI would refuse raises here
    return wheel


def environment(folder: Path, torch: str, constraints: Path, wheel: Path) -> Path:
    """An environment of the wheel and what it asks for; returns its Python.

    It starts empty whenever what the wheel asks for has changed. Otherwise only the wheel in it
    is replaced, which spares half a minute when nothing but code has changed.
    """
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    asked = "\n".join([sys.version, torch, constraints.read_text(), requirements(wheel)])
    record = folder / "asked-for.txt"
    if record.exists() and record.read_text() == asked:
        run(*pip, "install", "--force-reinstall", "--no-deps", wheel)
    else:
        venv.create(folder, clear=True, with_pip=False, symlinks=True)
        run(*pip, "install", torch)
        run(*pip, "install", "--constraint", constraints, wheel)
        record.write_text(asked)
    run(*pip, "check")
    return python


def metadata(wheel: Path) -> bytes:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def requirements(wheel: Path) -> str:
    """The lines of a wheel's metadata that say what it needs."""
    lines = metadata(wheel).decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("Requires-"))


def main(folder: Path, torch: str, constraints: Path) -> None:
    """Build, install, run."""
    shutil.rmtree(folder / "dist", ignore_errors=True)
    wheel = built(folder / "dist")
    python = environment(folder / "env", torch, constraints, wheel)
    with tempfile.TemporaryDirectory() as outside:
        script = Path(outside) / "quickstart.py"
        script.write_text(PROLOGUE + code_of(ROOT / "README.md"), encoding="utf-8")
        said = run(python, "-I", script, cwd=outside).stdout
        without_extra(python.with_name("edge2torch"), Path(outside))
    print(f"{wheel.name}: the quickstart ran from an empty environment; its last lines:")
    print("\n".join(said.splitlines()[-3:]))


def without_extra(program: Path, outside: Path) -> None:
    """The command line, which the core does not bring along, says what to install."""
    done = subprocess.run([program], capture_output=True, text=True, check=False, cwd=outside)
    told = done.stdout + done.stderr
    if done.returncode == 0 or "edge2torch[cli]" not in told or "Traceback" in told:
        sys.exit(f"`edge2torch` without its extra should name the extra; it said:\n{told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve())
