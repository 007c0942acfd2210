"""isograph as published (PyPI 0.1.5, environment of its own) beside ours, on its own fixtures.

    python benchmarks/modules_peer.py FOLDER [--fixtures medium_v1 medium_multiplex_v1]
        [--backends vae wgcna] [--limit 600] [--seed 7] [--out table.csv]

FOLDER receives the peer's synthetic suites, made by the peer's generator, unless they are there.
Each fit has a process of its own with one thread and a time limit, the two contenders in turns;
both at their defaults, called through their public names (the peer's command line asks for
configuration files that its wheel does not hold). The peer's linear backends have a second turn
with a threshold that finds more than their default. One scorer for both. CPU seconds are those of
reading and fitting, R's included, imports not; memory is the peak of the process or of its R. Set
it up once:

    python -m venv benchmarks/.envs/isograph
    benchmarks/.envs/isograph/bin/pip install torch==2.13.0
    benchmarks/.envs/isograph/bin/pip install isograph==0.1.5
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "benchmarks/.envs/isograph/bin/python"
LOWER = "isograph 0.1.5, alpha=0.02"
CONTENDERS = {"isograph 0.1.5": str(PEER), LOWER: str(PEER), "edge2torch": sys.executable}
LINEAR = ("baseline", "latent", "graph")
BACKENDS = (*LINEAR, "vae", "wgcna")
FIXTURES = ("medium_v1", "realistic_v1", "medium_multiplex_v1", "noisy_multiplex_v1")


def make(folder: Path, seed: int) -> None:
    """Have the peer write its suites."""
    code = (
        "import sys; from pathlib import Path; from isograph.benchmarks import synthetic as s;"
        "out, seed = Path(sys.argv[1]), int(sys.argv[2]);"
        "s.generate_core_suite(out, seed); s.generate_multiplex_suite(out, seed)"
    )
    subprocess.run([PEER, "-I", "-c", code, str(folder), str(seed)], check=True)  # noqa: S603


def contend(who: str, fixture: Path, backend: str, out: Path) -> dict[str, float]:
    """Fit one contender; runs in its own process and environment."""
    fit = ours(backend) if who == "edge2torch" else theirs(backend, who)
    start = time.perf_counter()
    modules, roles = fit(fixture)
    seconds = time.perf_counter() - start
    modules.reindex(columns=["gene_id", "module_id"]).to_csv(out / "modules.csv", index=False)
    roles.reindex(columns=["gene_id", "role"]).to_csv(out / "roles.csv", index=False)
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used) - START
    return {"cpu s": cpu, "s": seconds, "MB": max(u.ru_maxrss for u in used) / 1024}


def ours(backend):
    """Everything imported; what is left is to read and fit."""
    for name in ("igraph", "leidenalg", "pyarrow.parquet", "sklearn.decomposition"):
        importlib.import_module(name)
    from edge2torch.netmodules import fit_modules

    def fit(fixture):
        found = fit_modules(fixture, backend=backend, quiet=True)
        return found.modules, found.module_gene_roles

    return _after_imports(fit)


def theirs(backend, who):
    """Model and configuration by their public names, all at their defaults but ``alpha``."""
    from isograph.io.artifacts import load_dataset_bundle
    from isograph.workflow import config

    module = importlib.import_module(f"isograph.models.{backend}")
    name = backend.capitalize()
    changed = {"alpha": 0.02} if who == LOWER else {}
    settings = getattr(config, f"{name}ModelConfig")(**changed)
    model = getattr(module, f"{name}NetworkModel")(settings)

    def fit(fixture):
        data = load_dataset_bundle(fixture)
        tables, matrices = data.feature_tables, data.matrices
        found = model.fit(
            matrices["transcript_counts"], tables["transcript"], data.sample_table,
            gene_counts=matrices["gene_counts"], gene_table=tables["gene"],
        )  # fmt: skip
        roles = pd.DataFrame(found.module_gene_roles).rename(columns={"module_role": "role"})
        return found.module_table, roles

    return _after_imports(fit)


def _after_imports(fit):
    """Count CPU seconds from here."""
    global START  # noqa: PLW0603
    START = time.process_time()
    return fit


def score(fixture: Path, found: Path) -> dict[str, float]:
    """One scorer for both."""
    from edge2torch.netmodules import score_modules

    genes = pd.read_parquet(fixture / "genes.parquet")["gene_id"].astype(str)
    modules = pd.read_csv(found / "modules.csv", dtype=str)
    first = modules.drop_duplicates("gene_id").set_index("gene_id")["module_id"]
    result = SimpleNamespace(
        gene_fate=pd.DataFrame({"gene_id": genes, "module_id": first.reindex(genes).to_numpy()}),
        modules=modules,
        module_ids=sorted(set(modules["module_id"])),
        module_gene_roles=pd.read_csv(found / "roles.csv", dtype=str),
    )
    roles = fixture / "truth_channel_role.parquet"
    truth = pd.read_parquet(roles if roles.exists() else fixture / "truth_modules.parquet")
    truth = truth.rename(columns={"truth_role": "role"})
    if "role" in truth:
        truth = truth[truth["role"] != "background"]
    return score_modules(result, truth.astype({"gene_id": str, "module_id": str}))


def run(who: str, fixture: Path, backend: str, limit: float) -> dict[str, object]:
    """One row: scores and cost, or why there are none."""
    row: dict[str, object] = {"fixture": fixture.name, "backend": backend, "contender": who}
    with tempfile.TemporaryDirectory() as folder:
        command = [CONTENDERS[who], "-I", __file__, str(fixture), "--contend", who]
        done = None
        try:
            done = subprocess.run(  # noqa: S603
                [*command, "--backends", backend, "--out", folder], check=False, timeout=limit,
                capture_output=True, text=True, cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {**row, "note": f"not finished in {limit:g} s"}
        if done.returncode:
            return {**row, "note": (done.stderr.strip().splitlines() or ["?"])[-1][:160]}
        cost = json.loads(done.stdout.strip().splitlines()[-1])
        return {**row, **score(fixture, Path(folder)), **cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fixtures", nargs="+", default=list(FIXTURES))
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--limit", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.contend:
        print(json.dumps(contend(a.contend, a.folder, a.backends[0], a.out)))
        return
    if not list(a.folder.glob("*/*/manifest.json")):
        make(a.folder, a.seed)
    rows = []
    for name in a.fixtures:
        (fixture,) = a.folder.glob(f"*/{name}")
        for backend in a.backends:
            for who in [w for w in a.contenders if w != LOWER or backend in LINEAR]:
                rows.append(run(who, fixture.resolve(), backend, a.limit))
                print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    if a.out:
        table.to_csv(a.out, index=False)


if __name__ == "__main__":
    main()
