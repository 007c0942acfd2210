"""Real processes, killed at random moments; what is left is loaded each time.

A fork is killed, not a new interpreter: nothing is imported again, so most kills hit the work.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

import edge2torch as e2t
from edge2torch._core.files import write_file
from edge2torch.cli import main
from edge2torch.interpret import replicate
from edge2torch.netmodules import fit_modules, load_modules
from edge2torch.simulate import layered_graph, planted_modules
from edge2torch.vae import compile_vae, load_vae
from tests.reliability.rows import Row

_WAIT = 500.0  # seconds for a step that nobody kills, on a machine with no time to spare


@dataclass(frozen=True)
class Work:
    """Something long that is killed.

    ``step`` does all of it, or goes on where the last one stopped; ``check`` looks at what is left
    in the folder and raises if it is half or wrong; ``result`` reads what a finished one left.
    """

    step: Callable[[Path], object]
    check: Callable[[Path], object]
    result: Callable[[Path], object]


def survive(work: Work, folder: Path, kills: int, seed: int = 0) -> int:
    """Kill so many processes, then let one end; return how many of them were hit at work.

    A step that ended before its kill starts again in a folder of its own.
    """
    rng = np.random.default_rng(seed)
    torch.set_num_threads(1)  # a fork has no pool of threads
    expected_in = folder / "whole"
    begin = time.monotonic()
    _end(_start(work.step, expected_in))
    length = time.monotonic() - begin
    expected = work.result(expected_in)
    hit = turn = 0
    place = folder / "turn-0"
    while hit < kills:
        child = _start(work.step, place)
        time.sleep(rng.uniform(0, 1.05 * length))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        hit += os.WIFSIGNALED(status)
        work.check(place)
        if not os.WIFSIGNALED(status) or rng.random() < 0.2:
            _end(_start(work.step, place))
            _same(work.result(place), expected)
            _nothing_is_left(place)
            turn += 1
            place = folder / f"turn-{turn}"
    _end(_start(work.step, place))
    _same(work.result(place), expected)
    _nothing_is_left(place)
    return hit


def _start(step: Callable[[Path], object], folder: Path) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            step(folder)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:  # noqa: BLE001 - told here: the fork must not go on as pytest
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def _end(child: int) -> None:
    limit = time.monotonic() + _WAIT
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise AssertionError(f"a step that was not killed ended with status {status}")
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"a step took more than {_WAIT:g} s")


def _nothing_is_left(place: Path) -> None:
    """Of what the killed were writing; a draft that was not yet locked is not known for one."""
    if drafts := [draft for draft in place.rglob(".draft-*") if any(draft.iterdir())]:
        raise AssertionError(f"drafts of the killed are left: {drafts}")


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError("a resumed run ended with another result than one never killed")


EDGES = layered_graph([12, 4, 1], [16, 4], seed=0)
GENES = sorted(set(EDGES["source"]) - set(EDGES["target"]))


def _samples() -> pd.DataFrame:
    """Two kinds that every gene tells apart, so that a tiny run learns and writes all it can write."""
    rng = np.random.default_rng(0)
    kind = rng.permuted(np.tile([-1.0, 1.0], 30))
    table = pd.DataFrame(rng.normal(size=(60, len(GENES))) + kind[:, None], columns=GENES)
    return table.round(4).assign(kind=np.where(kind > 0, "T", "B"))


def _contents(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def command() -> Work:
    """``edge2torch run``, resumed."""

    def step(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        given = {"edges.csv": EDGES, "samples.csv": _samples()}
        for name, table in given.items():
            if not (folder / name).exists():
                table.to_csv(folder / name, index=False)
        main(
            ["run", "--edges", str(folder / "edges.csv"), "--data", str(folder / "samples.csv"),
             "--label", "kind", "--out", str(folder / "out"), "--seeds", "1", "--epochs", "60",
             "--replicates", "2", "--controls", "2", "--resume", "--quiet"]
        )  # fmt: skip

    def check(folder: Path) -> None:
        for table in (folder / "out").glob("*.csv"):
            assert len(pd.read_csv(table)) > 0
        for page in (folder / "out").glob("report.html"):
            assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")

    tables = ("scores.csv", "predictions.csv", "edge_weights.csv", "found_nodes.csv")
    return Work(step, check, lambda folder: _contents(folder / "out", tables))


def replicates() -> Work:
    """``replicate`` with a folder."""

    def start() -> tuple[nn.Module, object]:
        return e2t.compile_graph(EDGES, quiet=True)

    def train(model: nn.Module, seed: int) -> float:
        x = torch.tensor(_samples()[GENES].to_numpy(), dtype=torch.float32)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(40):
            optimizer.zero_grad()
            loss = (model(x) - 1).square().mean()
            loss.backward()
            optimizer.step()
        return -loss.item()

    def go(folder: Path) -> str:
        found = replicate(
            start, train, _samples()[GENES], n=5, seed=1, folder=folder / "set", quiet=True
        )
        return found.scores.to_csv()

    def step(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        scores = go(folder)
        write_file(folder / "scores.csv", lambda draft: draft.write_text(scores))

    return Work(step, lambda _: None, lambda folder: (folder / "scores.csv").read_text())


def saves() -> Work:
    """``save_compiled`` over and over into one folder: the old model or the new, never a mix."""

    def model_of(seed: int) -> tuple[nn.Module, object]:
        torch.manual_seed(seed)
        return e2t.compile_graph(EDGES, quiet=True)

    def step(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for seed in range(40):
            e2t.save_compiled(folder / "model", *model_of(seed % 7))

    known = {_bits(model_of(seed)[0]) for seed in range(7)}

    def check(folder: Path) -> None:
        if (folder / "model" / "artifact.json").exists():
            assert result(folder) in known

    def result(folder: Path) -> bytes:
        return _bits(e2t.load_compiled(folder / "model")[0])

    return Work(step, check, result)


def vae() -> Work:
    """A VAE's fit with a folder, resumed."""
    rng = np.random.default_rng(0)
    genes = [f"g{k}" for k in range(12)]
    counts = pd.DataFrame(rng.poisson(4, (60, 12)), columns=genes)

    def step(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.manual_seed(0)
        model, _ = compile_vae(features=genes, latents=2, hidden_dim=4)
        model.fit(
            counts, max_epochs=12, patience=12, batch_size=20, seed=0, folder=folder / "fit",
            resume=(folder / "fit" / "last.ckpt").is_file(), progress=False,
        )  # fmt: skip
        model.save(folder / "model")

    def check(folder: Path) -> None:
        if (folder / "model" / "vae.json").exists():
            load_vae(folder / "model")
        for name in ("best.ckpt", "last.ckpt"):
            if (folder / "fit" / name).exists():
                torch.load(folder / "fit" / name, weights_only=True)

    return Work(step, check, lambda folder: _bits(load_vae(folder / "model")))


def modules() -> Work:
    """``NetworkModules.save`` over and over into one folder: the old result or the new."""
    planted = planted_modules(n_modules=1, module_size=8, n_background=6, n_samples=30, seed=0)
    small = {"latent.max_components": 2, "decoys": 20}
    found = [
        fit_modules(
            planted.counts, planted.transcripts, planted.samples, backend="latent", config=small,
            seed=seed, quiet=True,
        )
        for seed in (0, 1)
    ]  # fmt: skip

    def step(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for k in range(6):
            found[k % 2].save(folder / "modules")

    def check(folder: Path) -> None:
        if any(folder.glob("*odules*/modules.json")):
            load_modules(folder / "modules")

    return Work(step, check, lambda folder: load_modules(folder / "modules").edges.to_csv())


def _bits(model: nn.Module) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


WORKS: dict[str, Callable[[], Work]] = {
    "edge2torch run --resume": command,
    "replicate(folder=...)": replicates,
    "save_compiled": saves,
    "a VAE's fit(folder=..., resume=True)": vae,
    "NetworkModules.save": modules,
}


def rows(kills: int = 20) -> Iterator[Row]:
    """Kill each long thing so many times at work."""
    for name, work in WORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                figure, held = f"{survive(work(), Path(folder), kills):,} kills, no loss", True
            except (AssertionError, e2t.Edge2TorchError, OSError, ValueError) as error:
                figure, held = f"{type(error).__name__}: {error}", False
        yield Row("killed at any moment", name, figure, held)
