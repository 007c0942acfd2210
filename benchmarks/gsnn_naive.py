"""Our graph neural network beside its equations written with gather and scatter-add.

    python benchmarks/gsnn_naive.py

GSNN is not on PyPI, so its equations stand in, as one writes them first: edge states (b, e), per
channel a gather of all edges' sources and a scatter-add to their targets, layer norm by hand.
Every measurement is a process of its own; all use one thread and the same weights. A step's time
is the fastest of eleven in processor seconds, so that other work on the machine counts little.
Memory is taken in a second process, where the allocator gives back what was freed: by default it
keeps some, and how much depends on what came before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import torch
from torch import nn

import edge2torch as e2t
from benchmarks.markdown import markdown

PEAK = "peak above start, GB"


def graph(n_functions, n_edges, n_inputs, n_outputs, seed=0):
    """Random cyclic graph: every function node is fed, every output is read."""
    rng = np.random.default_rng(seed)
    fn = np.array([f"f{k}" for k in range(n_functions)])
    inner = n_edges - 2 * n_inputs - 2 * n_outputs
    pairs = rng.choice(n_functions**2, int(inner * 1.1), replace=False)
    pairs = pairs[pairs // n_functions != pairs % n_functions][:inner]
    ends = [
        (np.repeat([f"i{k}" for k in range(n_inputs)], 2), fn[_two(rng, n_inputs, n_functions)]),
        (fn[pairs // n_functions], fn[pairs % n_functions]),
        (fn[_two(rng, n_outputs, n_functions)], np.repeat([f"o{k}" for k in range(n_outputs)], 2)),
    ]
    source, target = (np.concatenate(column) for column in zip(*ends, strict=True))
    return pd.DataFrame({"source": source, "target": target})


def _two(rng, count, n):
    first = rng.integers(n, size=count)
    return np.stack([first, (first + 1 + rng.integers(n - 1, size=count)) % n], 1).ravel()


class Naive(nn.Module):
    """The same model: states (b, e), a gather and a scatter-add per channel."""

    def __init__(self, model, artifact):
        super().__init__()
        plan = artifact.execution_plan
        w_in, w_out = model.edge_channels()
        to, come = (
            torch.from_numpy(plan.places(nodes, plan.functions))
            for nodes in (plan.target, plan.source)
        )
        self.into, self.out = torch.nonzero(to >= 0)[:, 0], torch.nonzero(come >= 0)[:, 0]
        self.to, self.come = to[self.into], come[self.out]
        self.w_in = nn.Parameter(w_in[self.into].detach().clone())
        self.w_out = nn.Parameter(w_out[self.out].detach().clone())
        self.n, self.c, self.layers = len(plan.functions), model.channels, plan.steps
        self.b_in = nn.Parameter(torch.zeros(self.n, self.c))
        self.b_out = nn.Parameter(torch.zeros(len(plan.edges)))
        self.gamma = nn.Parameter(torch.ones(self.layers, self.n, 1))
        self.beta = nn.Parameter(torch.zeros(self.layers, self.n, 1))
        self.rho = nn.Parameter(torch.ones(self.layers))
        self.start, self.fed = model.start_edges, model.start_inputs
        self.read = torch.from_numpy(plan.places(plan.target, plan.outputs))
        self.last = torch.nonzero(self.read >= 0)[:, 0]
        self.degree = torch.bincount(self.read[self.last], minlength=len(plan.outputs))

    def forward(self, x):
        b, e = len(x), len(self.b_out)
        state = x.new_zeros(b, e).index_copy(1, self.start, x[:, self.fed])
        for layer in range(self.layers):
            gathered = state[:, self.into]
            z = torch.stack(
                [
                    x.new_zeros(b, self.n).index_add(1, self.to, gathered * self.w_in[:, c])
                    for c in range(self.c)
                ],
                2,
            )
            z = z + self.b_in
            mean = z.mean(2, keepdim=True)
            var = ((z - mean) ** 2).mean(2, keepdim=True)
            h = (z - mean) / (var + 1e-5).sqrt() * self.gamma[layer] + self.beta[layer]
            h = torch.nn.functional.elu(h)
            y = self.b_out.expand(b, e)
            for c in range(self.c):
                sent = h[:, self.come, c] * self.w_out[:, c]
                y = y.index_add(1, self.out, sent)
            state = y + self.rho[layer] * state
        y = x.new_zeros(b, len(self.degree)).index_add(1, self.read[self.last], state[:, self.last])
        return y / self.degree.sqrt() / self.layers**0.5


def train(model, x, repeats):
    """Return the first step's outputs, and every step's processor seconds."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    times, check = [], None
    for _ in range(repeats):
        start = time.process_time()
        optimizer.zero_grad()
        y = model(x)
        y.square().mean().backward()
        optimizer.step()
        times.append(time.process_time() - start)
        check = y.detach().double() if check is None else check
    return check, times


def child(options):
    torch.set_num_threads(1)
    tiny, its_artifact = e2t.compile_graph(graph(9, 30, 2, 2), backend="gnn", quiet=True)
    rehearsed = Naive(tiny, its_artifact) if options.contender == "naive" else tiny
    train(rehearsed, torch.randn(2, 2), 2)  # what torch loads for its first step is not counted
    edges = graph(options.functions, options.edges, 500, 100)
    torch.manual_seed(0)
    start = time.perf_counter()
    model, artifact = e2t.compile_graph(
        edges,
        backend="gnn",
        steps=options.layers,
        channels=options.channels,
        self_edges=True,
        checkpoint=options.contender == "ours, checkpointed",
        quiet=True,
    )
    built = time.perf_counter() - start
    if options.contender == "naive":
        model = Naive(model, artifact)
    x = torch.randn(options.batch, 500)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check, times = train(model, x, options.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "build s": built,
        "step s": min(times[1:]),
        PEAK: (peak - base) / 2**20,
        "parameters": sum(p.numel() for p in model.parameters()),
        "sum of |y|": check.abs().sum().item(),
    }
    print(json.dumps(result))


def measured(contender, **environment):
    """Run one contender as a process of its own."""
    done = subprocess.run(  # noqa: S603 - itself
        [sys.executable, __file__, *sys.argv[1:], "--contender", contender],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--contender")
    for name, value in (
        ("functions", 2000),
        ("edges", 20_000),
        ("channels", 10),
        ("layers", 10),
        ("batch", 64),
        ("repeats", 12),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    if options.contender:
        child(options)
        return
    rows = {}
    for contender in ("naive", "ours", "ours, checkpointed"):
        timed, weighed = measured(contender), measured(contender, MALLOC_MMAP_THRESHOLD_="65536")
        rows[contender] = {
            **{k: v for k, v in timed.items() if k != PEAK},
            PEAK: weighed[PEAK],
            "by default": timed[PEAK],
        }
    table = pd.DataFrame(rows).T
    table["times faster"] = table.loc["naive", "step s"] / table["step s"]
    table["share of memory"] = table[PEAK] / table.loc["naive", PEAK]
    print(markdown(table))
    edges = graph(8000, 100_000, 2000, 500)
    start = time.perf_counter()
    e2t.compile_graph(edges, backend="gnn", steps=10, quiet=True)
    print(f"\n100,000 edges, 10 channels: built in {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
