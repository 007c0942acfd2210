"""``wgcna``: R's WGCNA (doi:10.1186/1471-2105-9-559), called through Rscript."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._config import ModulesConfig, WgcnaConfig
from edge2torch.netmodules._eigengenes import eigengenes
from edge2torch.netmodules._request import Request
from edge2torch.netmodules._similarity import Similarity

_HOW = "on Debian `apt install r-cran-wgcna`, elsewhere install.packages('WGCNA') in R"


def wgcna(request: Request) -> Similarity:
    """Features of one WGCNA module are as similar as the product of their memberships.

    A membership is the absolute correlation with the module's eigengene (WGCNA's kME).
    """
    config = request.config.wgcna
    find_wgcna(config)
    own = request.values[:, : request.n_features]
    settings = _settings(request.config, request.seed)
    with tempfile.TemporaryDirectory() as folder:
        answer = _run(config, settings, own, Path(folder))
    labels = np.asarray(answer["labels"], dtype=np.int64)
    vectors = np.zeros((request.values.shape[1], int(labels.max()) + 1), np.float32)
    inside = np.flatnonzero(labels)
    for label in np.unique(labels[inside]):
        members = np.flatnonzero(labels == label)
        reference = eigengenes(own, [members]).values[0]
        vectors[members, label] = np.abs(own[:, members].T @ reference) / np.sqrt(len(own))
    scan = answer.get("scan")
    return Similarity(vectors, {"power": answer["power"], "scale_free_fit": scan})


def find_wgcna(config: WgcnaConfig) -> None:
    """Say how to install what is missing."""
    program = shutil.which(config.rscript)
    if program is None:
        raise Edge2TorchError(
            f"backend='wgcna' needs R: {config.rscript!r} was not found. Install R with WGCNA: {_HOW}."
        )
    ask = "for (p in c('WGCNA', 'jsonlite')) if (!requireNamespace(p, quietly=TRUE)) quit(status=3)"
    done = subprocess.run([program, "-e", ask], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Edge2TorchError(
            f"backend='wgcna' needs R's packages WGCNA and jsonlite, which {program} does not find. "
            f"Install them: {_HOW}."
        )


def _settings(config: ModulesConfig, seed: int) -> dict[str, Any]:
    return {
        "network_type": config.wgcna.network_type,
        "power": config.wgcna.power,
        "full_up_to": config.wgcna.full_up_to,
        "smallest": config.min_module_size,
        "seed": seed,
    }


def _run(config: WgcnaConfig, settings: dict[str, Any], values: Any, folder: Path) -> Any:
    """CSV in, JSON out."""
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    np.savetxt(folder / "values.csv", values, delimiter=",", fmt="%.7g")
    paths = [str(folder / name) for name in ("settings.json", "values.csv", "result.json")]
    program = str(shutil.which(config.rscript))
    with as_file(files("edge2torch.netmodules") / "wgcna.R") as script:
        try:
            done = subprocess.run(  # noqa: S603
                [program, str(script), *paths],
                capture_output=True,
                text=True,
                timeout=config.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Edge2TorchError(
                f"wgcna did not finish within {config.timeout:g} seconds. Raise wgcna.timeout, or "
                "use another backend."
            ) from error
    if done.returncode:
        tail = " ".join(done.stderr.split()[-60:])
        raise Edge2TorchError(f"wgcna: R ended with status {done.returncode}: {tail}")
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))
