"""What a study and a set of replicates spend beside forward, backward and the optimizer's step.

    PYTHONPATH=. python benchmarks/training_overhead.py [demo] [replicate] [-- --seeds 1 --epochs 40]

``demo`` runs ``edge2torch demo`` (needs the demo's data: ``make demo`` fetches them); what follows
``--`` are its options. ``replicate`` trains 50 small networks of a graph like f for 100 steps of 64,
from one that was compiled.
Processor time is sampled 200 times a second, and each sample goes to the first row below that its
stack tells of. Of a run of an older version: put its tree first on PYTHONPATH.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType

_EVERY = 0.005  # seconds of processor time

# What a function of a stack says, by the end of its file and its name ("" for any), in order: the
# first row that any frame of the stack fits. Of what fits "training" the next table decides.
_PLACES = (
    ("imports", (("importlib._bootstrap>", ""), ("importlib._bootstrap_external>", ""))),
    ("linear baselines", (("", "fit_baseline"),)),
    ("validation", (("", "_evaluate"),)),
    (
        "training",
        (("train/_loop.py", "fit"), ("cli/_train.py", "_fit"), ("_training.py", "_train")),
    ),
    ("attribution", (("interpret/_attribute.py", ""), ("interpret/_interpret.py", ""))),
    ("pictures and report", (("", "write_results"), ("", "write_study"))),
    ("compile and start", (("compile/_compile.py", ""), ("_stack.py", ""), ("_start.py", ""))),
)
_IN_TRAINING = (
    ("backward", (("torch/_tensor.py", "backward"), ("autograd/__init__.py", "backward"))),
    ("step", (("_adam.py", "step"), ("optim/adam.py", "step"), ("optim/adamw.py", "step"))),
    ("forward", (("nn/model.py", "forward"), ("nn/modules/module.py", "_call_impl"))),
    ("batches, input dropout, loss", (("", ""),)),
)
_WORK = ("forward", "backward", "step")


class Sampler:
    """Counts samples of processor time by what the stack was busy with."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)
        self._begin = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds = time.process_time() - self._begin

    def _note(self, _: int, frame: FrameType | None) -> None:
        self.found[place_of(list(_stack(frame)))] += 1

    def table(self) -> str:
        """Rows of seconds and shares, and what is none of forward, backward and step."""
        every = max(self.found.total(), 1)
        rows = [(name, count / every) for name, count in self.found.most_common()]
        beside = sum(share for name, share in rows if name not in _WORK)
        lines = [f"{name:30} {share * self.seconds:8.2f} s {share:6.1%}" for name, share in rows]
        total = f"{'all':30} {self.seconds:8.2f} s"
        last = f"{'beside forward, backward, step':30} {beside * self.seconds:8.2f} s {beside:6.1%}"
        return "\n".join([*lines, total, last])


def _stack(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_name
        frame = frame.f_back


def place_of(stack: list[tuple[str, str]]) -> str:
    """Name what a stack of (file, function), innermost first, is busy with."""

    def first(table: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> str | None:
        for name, patterns in table:
            for file, function in stack:
                if any(file.endswith(end) and own in ("", function) for end, own in patterns):
                    return name
        return None

    found = first(_PLACES)
    return (first(_IN_TRAINING) if found == "training" else found) or "the rest"


def demo(options: list[str]) -> None:
    from edge2torch.cli import main

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["edge2torch", "demo", "--out", folder, "--quiet", *options]
        try:
            main()
        except SystemExit as error:
            if error.code:
                raise


def replicate(n: int = 50, steps: int = 100, batch: int = 64) -> None:
    import torch
    from torch.nn import functional as F

    import edge2torch as e2t
    from benchmarks.cases import CASES

    edges = CASES["f"].draw_any()
    torch.manual_seed(0)

    def start() -> object:
        model, artifact = e2t.compile_graph(edges, quiet=True)
        return e2t.customize_model(model, node_activation="tanh"), artifact

    _, artifact = start()
    x = torch.randn(4 * batch, len(artifact.feature_names))
    y = x[:, :1].tanh()

    def train(stack: torch.nn.Module, seed: int) -> list[float]:
        optimizer = torch.optim.Adam(stack.parameters(), 1e-3, fused=True)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            rows = torch.randint(len(x), (batch,), generator=generator)
            optimizer.zero_grad()
            predicted = stack(x[rows])
            (n * F.mse_loss(predicted, y[rows].expand_as(predicted))).backward()
            optimizer.step()
        return [0.0] * n

    e2t.replicate(start(), train, x[:8], n=n, seed=0, output=0, together=True, quiet=True)


def main() -> None:
    given = sys.argv[1:]
    at = given.index("--") if "--" in given else len(given)
    names, options = given[:at] or ["demo", "replicate"], given[at + 1 :]
    for name in names:
        with Sampler() as sampler:
            demo(options) if name == "demo" else replicate()
        print(f"\n{name} {' '.join(options if name == 'demo' else [])}\n{sampler.table()}")


if __name__ == "__main__":
    main()
