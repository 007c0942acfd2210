"""``wgcna``: R's WGCNA (doi:10.1186/1471-2105-9-559), called through Rscript."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._config import WgcnaConfig
from edge2torch.netmodules._modules import eigengenes
from edge2torch.netmodules._similarity import Overlaps, Request, Similarity

_PACKAGES = ("WGCNA", "jsonlite")
_HOW = (
    "on Debian or Ubuntu `apt install r-cran-wgcna r-cran-jsonlite`; elsewhere, in R, "
    "install.packages(c('BiocManager', 'WGCNA', 'jsonlite')) and "
    "BiocManager::install(c('impute', 'preprocessCore', 'GO.db'))"
)
# Sums come out in one order, and the machine may be shared.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def wgcna(request: Request) -> Similarity:
    """Topological overlaps within R's modules, or products of memberships where p is large.

    A membership is the absolute correlation with the module's eigengene (WGCNA's kME); features
    of two modules are unrelated.
    """
    config = request.config.wgcna
    program = find_wgcna(config)
    with tempfile.TemporaryDirectory() as folder:
        answer = _run(program, request, Path(folder))
    # R's jsonlite writes a single value as a list of one
    report = {"power": answer["power"][0], "scale_free_fit": answer["scan"]}
    if request.n_features > config.full_up_to:
        return Similarity(_memberships(request, np.asarray(answer["labels"])), report)
    return Overlaps(
        np.zeros((request.values.shape[1], 0), np.float32),
        report,
        first=np.asarray(answer["first"], np.int64),
        second=np.asarray(answer["second"], np.int64),
        weight=np.asarray(answer["overlap"], np.float32),
    )


def find_wgcna(config: WgcnaConfig) -> str:
    """Return the program, or say how to install what is missing."""
    program = shutil.which(config.rscript)
    if program is None:
        raise Edge2TorchError(
            f"backend='wgcna' needs R: {config.rscript!r} was not found. Install R with WGCNA: {_HOW}."
        )
    ask = f"for (p in c{_PACKAGES}) if (!nzchar(system.file(package = p))) quit(status = 3)"
    done = subprocess.run([program, "-e", ask], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Edge2TorchError(
            f"backend='wgcna' needs R's packages {' and '.join(_PACKAGES)}, which {program} does "
            f"not find. Install them: {_HOW}."
        )
    return program


def _settings(request: Request) -> dict[str, Any]:
    """What the script reads; a switch, an abundance beside one, and an abundance alone differ."""
    config, p = request.config, request.n_features
    is_switch = request.is_switch[:p]
    beside = np.isin(request.gene[:p], request.gene[:p][is_switch])
    return {
        "network_type": config.wgcna.network_type,
        "power": config.wgcna.power,
        "full_up_to": config.wgcna.full_up_to,
        "smallest": config.min_module_size,
        "neighbors": config.max_neighbors + 1,  # one may be the gene's own other feature
        "features": p,
        "decoys": len(request.gene) - p,
        "kind": np.where(is_switch, 0, 1 + beside).tolist(),
        "seed": request.seed,
    }


def _run(program: str, request: Request, folder: Path) -> Any:
    """CSV in, JSON out; float32 needs nine digits to come back the same."""
    (folder / "settings.json").write_text(json.dumps(_settings(request)), encoding="utf-8")
    np.savetxt(folder / "values.csv", request.values, delimiter=",", fmt="%.9g")
    paths = [str(folder / name) for name in ("settings.json", "values.csv", "result.json")]
    messages = folder / "messages.txt"
    with (
        as_file(files("edge2torch.netmodules") / "wgcna.R") as script,
        messages.open("wb") as stream,
        _started([program, str(script), *paths], stream) as process,
    ):
        _wait(process, request)
    if process.returncode:
        tail = " ".join(messages.read_text(encoding="utf-8", errors="replace").split()[-60:])
        raise Edge2TorchError(f"wgcna: R ended with status {process.returncode}: {tail}")
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


@contextlib.contextmanager
def _started(command: list[str], stream: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that ends with the block, at whatever moment a signal breaks it off."""
    begun: list[subprocess.Popen[bytes]] = []
    try:
        with _no_signals():
            process = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.DEVNULL, stderr=stream, env={**os.environ, **_ONE_THREAD}
            )
            begun.append(process)
        yield process
    finally:
        for one in begun:
            one.kill()
            one.wait()


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    """Keep signals that end a program for later: only the main thread handles any."""
    caught: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and callable(signal.getsignal(number)):
                before[number] = signal.signal(number, lambda late, _: caught.append(late))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in caught:
            signal.raise_signal(number)


def _wait(process: subprocess.Popen[bytes], request: Request) -> None:
    """Until R is done; the bar counts the seconds that it may still take."""
    timeout = request.config.wgcna.timeout
    for second in request.track(range(math.ceil(timeout)), "R's WGCNA, seconds of its time limit"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(1.0, timeout - second))
            return
    raise Edge2TorchError(
        f"wgcna did not finish within {timeout:g} seconds. Raise wgcna.timeout, or use another "
        "backend."
    )


def _memberships(request: Request, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of each feature in its own module, and of each decoy in all, (p + m, modules)."""
    values, p = request.values, request.n_features
    modules = np.unique(labels[labels > 0])  # 0 is R's grey: no module
    vectors = np.zeros((values.shape[1], len(modules)), np.float32)
    for column, label in enumerate(modules):
        members = np.flatnonzero(labels == label)
        reference = eigengenes(values, [members]).values[0]
        those = np.concatenate([members, np.arange(p, values.shape[1])])
        vectors[those, column] = np.abs(values[:, those].T @ reference) / np.sqrt(len(values))
    return vectors
