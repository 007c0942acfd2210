"""The same seed, machine and threads: the same bits, of every backend and fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import edge2torch as e2t
from edge2torch.netmodules import fit_modules
from edge2torch.simulate import planted_modules, random_dag
from edge2torch.vae import compile_vae
from tests.reliability.processes import BACKENDS, data, make
from tests.reliability.rows import Row

State = dict[str, Tensor]
THREADS = 8
MODULES = ("baseline", "latent", "graph", "vae")


def trained(backend: str, seed: int = 0) -> State:
    """Train a small model for some steps."""
    model = make(backend).float()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = (part.float() for part in data())
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model.state_dict()


def fitted_vae(seed: int = 0) -> State:
    """Fit a small VAE on counts."""
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson(4.0, (40, 6)), columns=[f"g{k}" for k in range(6)])
    sets = pd.DataFrame({"source": ["P", "P", "P", "Q", "Q", "Q"], "target": counts.columns})
    model, _ = compile_vae(decoder_edges=sets, features=counts.columns, hidden_dim=4, seed=seed)
    model.fit(counts, max_epochs=2, seed=seed, progress=False)
    return model.state_dict()


def fitted_modules(backend: str) -> Callable[[int], State]:
    """Return a fit of modules, as tensors."""

    def fit(seed: int = 0) -> State:
        planted = planted_modules(n_modules=2, module_size=10, n_background=10, seed=0)
        small = {"vae.max_epochs": 2, "vae.hidden_dim": 4, "vae.latent_dim": 2}
        found = fit_modules(
            planted.counts, planted.transcripts, planted.samples,
            backend=backend, config=small, seed=seed, quiet=True,
        )  # fmt: skip
        parts = {"scores": found.eigengenes, "features": found.feature_scores}
        state = {name: torch.from_numpy(table.to_numpy(float)) for name, table in parts.items()}
        names = found.modules.astype(str).to_csv(index=False).encode()
        return {**state, "modules": torch.frombuffer(bytearray(names), dtype=torch.uint8)}

    return fit


def same(first: State, second: State) -> bool:
    """Compare bit by bit; NaN is the same as NaN."""
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype
        and first[name].contiguous().numpy().tobytes()
        == second[name].contiguous().numpy().tobytes()
        for name in first
    )


FITS: dict[str, Callable[[int], State]] = {
    **{f"training, {backend}": lambda seed, b=backend: trained(b, seed) for backend in BACKENDS},  # type: ignore[misc]
    "VAE": fitted_vae,
    **{f"modules, {backend}": fitted_modules(backend) for backend in MODULES},
}


def shared_by_threads(backend: str, calls: int) -> int:
    """Return how many of these calls, from several threads, differ from the one that was alone."""
    edges = random_dag(200, 2_000, seed=0, n_inputs=20)
    torch.manual_seed(0)
    base, artifact = e2t.compile_graph(edges, backend=backend, quiet=True)
    model = e2t.customize_model(base, node_activation="tanh", artifact=artifact).eval()
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(16, 20, generator=generator) for _ in range(calls)]
    with torch.inference_mode():
        expected = [model(x) for x in batches]

    def call(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(x)  # type: ignore[no-any-return]

    # A new thread computes on all cores until it has asked how many it may use.
    with ThreadPoolExecutor(THREADS, initializer=torch.get_num_threads) as pool:
        found = list(pool.map(call, batches))
    return sum(not torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def rows(seeds: int = 10, calls: int = 2_000) -> Iterator[Row]:
    for name, fit in FITS.items():
        equal = sum(same(fit(seed), fit(seed)) for seed in range(seeds))
        yield Row("same bits", name, f"{equal} of {seeds} seeds, each twice", held=equal == seeds)
    for backend in BACKENDS:
        wrong = shared_by_threads(backend, calls)
        figure = f"{calls - wrong:,} of {calls:,} calls by {THREADS} threads have the bits of one"
        yield Row("shared model", backend, figure, held=not wrong)
