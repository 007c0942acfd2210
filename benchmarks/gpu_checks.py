"""Is what a device computes right? Everything is held against float64 on the CPU.

A check compares values with their reference by the norm of the difference over the norm of the
reference. Float32 lands far below its limit, and TF32, which torch leaves off, above it.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import edge2torch as e2t
from benchmarks.cases import _cyclic
from edge2torch.interpret import attribution_methods
from edge2torch.simulate import layered_graph

# half precision: rounding of the values themselves, summed over a few layers
LIMITS = {
    torch.float64: 1e-10,
    torch.float32: 1e-4,
    torch.bfloat16: 5e-2,
    torch.float16: 1e-2,
}
Parts = list[tuple[str, Tensor, Tensor, float]]  # what, found, expected, limit
_LEAST = 0.01  # of all gradients' norm: smaller ones, zero before a norm, are held against that
Run = Callable[[torch.device], Parts]


@dataclass(frozen=True)
class Check:
    """A name, a group to report it under, what it runs, and a package that it needs."""

    group: str
    name: str
    run: Run
    needs: str = ""


@dataclass(frozen=True)
class Outcome:
    """How far a check was off, over its limit; ``note`` says what failed, or why it was skipped."""

    group: str
    name: str
    error: float
    share: float
    state: str
    note: str = ""


def relative(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the norm of what is expected; infinite where one is NaN."""
    a, b = found.detach().double().cpu().flatten(), expected.detach().double().cpu().flatten()
    if a.shape != b.shape or not bool(torch.isfinite(a).all()):
        return float("inf")
    size = float(b.norm())
    return float((a - b).norm()) / (size or 1.0)


def run_check(check: Check, device: torch.device) -> Outcome:
    """Run one; what it raises is its outcome."""
    if check.needs and importlib.util.find_spec(check.needs) is None:
        return Outcome(check.group, check.name, 0.0, 0.0, "skipped", f"{check.needs} is not here")
    # graphs drawn at random have inputs that a few steps do not carry to an output
    warnings.filterwarnings("ignore", category=e2t.Edge2TorchWarning, message="Within steps")
    try:
        errors = [
            (relative(found, expected), limit, what)
            for what, found, expected, limit in check.run(device)
        ]
    except Exception as error:  # noqa: BLE001 - whatever it raises is what there is to report
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return Outcome(check.group, check.name, float("inf"), float("inf"), "failed", said)
    off, limit, what = max(errors, key=lambda one: one[0] / one[1])
    state = "passed" if off <= limit else "failed"
    note = f"{what}: {off:.2g} with a limit of {limit:g}" if state == "failed" else what
    return Outcome(check.group, check.name, off, off / limit, state, note)


# ---------------------------------------------------------------------------- what is compared


def skipping_graph() -> pd.DataFrame:
    """Three hops, skip edges, an early output, every constraint."""
    edges = layered_graph([300, 120, 40, 3], [1500, 600, 100], seed=3, skip_edges=200)
    early = pd.DataFrame({"source": ["L0_0", "L1_1"], "target": ["early", "early"]})
    edges = pd.concat([edges, early], ignore_index=True)
    kind = np.resize(np.array([None, "positive", "negative", "fixed", None], object), len(edges))
    return edges.assign(constraint=kind, initial_weight=np.where(kind == "fixed", 0.25, np.nan))


def cyclic_graph() -> pd.DataFrame:
    """Cycles, inputs that feed outputs."""
    return _cyclic(300, 1200, inputs=40, outputs=8)


def compiled(
    edges: pd.DataFrame, *, activation: str = "tanh", norm: str | None = None, **options: object
) -> nn.Module:
    """A model in float64 on the CPU, computed by layers if it has any."""
    if "backend" not in options:
        options = {"engine": "layers", **options}
    model, _ = e2t.compile_graph(edges, quiet=True, seed=0, **options)  # type: ignore[arg-type]
    made = e2t.customize_model(model, node_activation=activation, node_normalization=norm)
    return made.double()


def moved(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of a model elsewhere, in another precision."""
    return copy.deepcopy(model).to(device=device, dtype=dtype)


def batch(model: nn.Module, rows: int, seed: int = 1) -> Tensor:
    """Samples in float64 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    width = len(model.artifact.feature_names)  # type: ignore[union-attr, arg-type]
    return torch.randn(rows, width, generator=generator, dtype=torch.float64)


def pull(model: nn.Module, x: Tensor, cotangent: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Output, and the gradients of inputs and parameters."""
    x = x.detach().requires_grad_()
    y = model(x)
    wanted = [x, *model.parameters()]
    return y, list(torch.autograd.grad(y, wanted, cotangent.to(y)))


def compare(
    model: nn.Module,
    device: torch.device,
    dtype: torch.dtype,
    rows: int,
    *,
    autocast: bool = False,
    limit: float | None = None,
) -> Parts:
    """Output and gradients of a float64 model and its copy."""
    x = batch(model, rows)
    with torch.no_grad():
        shape = model(x).shape
    cotangent = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    expected, by = pull(model, x, cotangent)
    weights = torch.float32 if autocast else dtype
    there = moved(model, device, weights)
    with torch.autocast(device.type, dtype, enabled=autocast):
        found, found_by = pull(there, x.to(device, weights), cotangent.to(device))
    limit = LIMITS[dtype] if limit is None else limit
    if autocast and any(g.dtype != torch.float32 for g in found_by):
        raise TypeError(f"gradients under autocast are {sorted({str(g.dtype) for g in found_by})}")
    names = ["x", *(name for name, _ in model.named_parameters())]
    least = _LEAST * float(_joined(by[1:]).norm())
    single = [
        (f"gradient of {name}", _beside(got, least), _beside(want, least), limit)
        for name, got, want in zip(names[1:], found_by[1:], by[1:], strict=True)
    ]
    together = ("all gradients", _joined(found_by[1:]), _joined(by[1:]), limit)
    if dtype in (torch.float16, torch.bfloat16):  # of single ones many are almost zero
        return [("output", found, expected, limit), together]
    return [
        ("output", found, expected, limit),
        ("gradient of x", found_by[0], by[0], limit),
        *single,
        together,
    ]


def _beside(part: Tensor, least: float) -> Tensor:
    """Values with a number beside them, which makes their norm that number at least."""
    return _joined([part, torch.tensor([least])])


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.detach().double().cpu().flatten() for part in parts])


# ---------------------------------------------------------------------------- the checks


def checks(*, quick: bool = False) -> Iterator[Check]:
    """All of them; ``quick`` leaves out sizes."""
    yield from kernels(quick=quick)
    yield from one_pass(quick=quick)
    yield from derivatives()
    yield from backends()
    yield from mixed_precision()
    yield from whole_programs()
    yield from attribution()


def kernels(*, quick: bool) -> Iterator[Check]:
    """Every kernel in every precision, at batches around what a kernel treats apart."""
    sizes = (7,) if quick else (0, 1, 2, 7, 8, 64, 1000, 4096)
    for kernel in ("sparse", "dense", "auto"):
        for dtype in LIMITS:
            for rows in sizes if dtype in (torch.float32, torch.float64) else (1, 64):

                def run(
                    device: torch.device,
                    kernel: str = kernel,
                    dtype: torch.dtype = dtype,
                    rows: int = rows,
                ) -> Parts:
                    return compare(compiled(skipping_graph(), kernel=kernel), device, dtype, rows)

                yield Check("kernels", f"{kernel}, {_short(dtype)}, batch {rows}", run)

    def across(device: torch.device) -> Parts:
        """The input with the samples of a feature side by side, as the kernels want it."""
        model = compiled(skipping_graph(), kernel="sparse")
        x, there = batch(model, 64), moved(model, device, torch.float32)
        turned = x.to(device, torch.float32).t().contiguous().t()
        return [("output", there(turned), model(x), LIMITS[torch.float32])]

    yield Check("kernels", "an input laid out by feature", across)

    def twice(device: torch.device) -> Parts:
        model = moved(compiled(skipping_graph(), kernel="sparse"), device, torch.float32)
        x = batch(model, 256).to(device, torch.float32)
        first, second = (pull(model, x, torch.ones(256, 4, device=device)) for _ in range(2))
        return [
            ("output", second[0], first[0], 1e-300),
            ("gradients", _joined(second[1]), _joined(first[1]), 1e-300),
        ]

    yield Check("kernels", "the same bits twice", twice)


def one_pass(*, quick: bool) -> Iterator[Check]:
    """The whole graph at once: precisions, a batch that fills no slice, masks, two components."""

    def both(device: torch.device, dtype: torch.dtype, rows: int, activation: str) -> Parts:
        model = compiled(skipping_graph(), engine="graph", activation=activation)
        return compare(model, device, dtype, rows)

    for dtype, rows, activation in (
        (torch.float32, 64, "tanh"),
        *(() if quick else ((torch.float32, 1001, "tanh"), (torch.float64, 64, "tanh"))),
        (torch.float64, 7, "gelu"),
    ):
        yield Check(
            "one pass",
            f"{activation}, {_short(dtype)}, batch {rows}",
            functools.partial(both, dtype=dtype, rows=rows, activation=activation),
        )

    def second(device: torch.device) -> Parts:
        model = compiled(skipping_graph(), engine="graph")
        there = moved(model, device, torch.float64)
        x = batch(model, 9)
        return [
            ("values", second_derivatives(there, x.to(device)), second_derivatives(model, x), 1e-9)
        ]

    yield Check("one pass", "second derivatives", second)

    def dropped(device: torch.device) -> Parts:
        """Masks follow from torch's generator on the CPU: the same on all devices."""
        model, _ = e2t.compile_graph(skipping_graph(), engine="graph", quiet=True, seed=0)
        model = e2t.customize_model(model, node_activation="tanh", node_dropout=0.3).train()
        x = batch(model, 64).float()
        there = moved(model, device, torch.float32)
        found = []
        for one, at in ((there, device), (model, x.device)):
            torch.manual_seed(7)
            y, by = pull(one, x.to(at), torch.ones(64, 4))
            found.append(_joined([y, *by]))
        return [("output, gradients", found[0], found[1], LIMITS[torch.float32])]

    yield Check("one pass", "dropout", dropped)

    def twice(device: torch.device) -> Parts:
        model = moved(compiled(skipping_graph(), engine="graph"), device, torch.float32)
        x = batch(model, 64).to(device, torch.float32)
        first, second = (pull(model, x, torch.ones(64, 4, device=device)) for _ in range(2))
        return [
            ("output", second[0], first[0], 1e-300),
            ("gradients", _joined(second[1]), _joined(first[1]), 1e-300),
        ]

    yield Check("one pass", "the same bits twice", twice)

    def apart(device: torch.device) -> Parts:
        parts = [
            layered_graph([20, 10, 4, 1], [60, 20, 4], seed=k).map(lambda name, k=k: f"{k}{name}")
            for k in range(3)
        ]
        model = compiled(pd.concat(parts, ignore_index=True), engine="graph")
        return compare(model, device, torch.float32, 64)

    yield Check("one pass", "three graphs in one", apart)


def second_derivatives(model: nn.Module, x: Tensor) -> Tensor:
    """Derivatives by x and all parameters of what the gradient by x comes to."""
    x = x.detach().requires_grad_()
    (first,) = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)
    return _joined(torch.autograd.grad(first.square().sum(), [x, *model.parameters()]))


def derivatives() -> Iterator[Check]:
    """Second derivatives, forward mode and vmap, in float64."""

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        return torch.func.jvp(model, (x,), (x.cos(),))[1]

    def jacobians(model: nn.Module, x: Tensor) -> Tensor:
        found: Tensor = torch.func.vmap(torch.func.jacrev(lambda row: model(row[None])[0]))(x)
        return found

    for name, run in (
        ("second", second_derivatives),
        ("forward mode", forward),
        ("vmap, jacrev", jacobians),
    ):
        for kernel in ("sparse", "dense"):

            def both(
                device: torch.device,
                run: Callable[[nn.Module, Tensor], Tensor] = run,
                kernel: str = kernel,
            ) -> Parts:
                model = compiled(skipping_graph(), kernel=kernel)
                x = batch(model, 9)
                there = moved(model, device, torch.float64)
                return [("values", run(there, x.to(device)), run(model, x), 1e-10)]

            yield Check("derivatives", f"{name}, {kernel}", both)


_BACKENDS: tuple[tuple[str, dict[str, object]], ...] = (
    ("feedforward", {}),
    ("feedforward", {"norm": "batch"}),
    ("recurrent", {"steps": 3}),
    ("recurrent", {"steps": 3, "share_weights": False, "leak": "node"}),
    ("recurrent", {"steps": 3, "cell": "gated"}),
    ("recurrent", {"steps": "converge", "tolerance": 1e-12, "max_steps": 500}),
    ("gnn", {"steps": 3, "norm": "layer"}),
    ("gnn", {"steps": 3, "norm": "batch", "kernel": "dense"}),
    ("gnn", {"steps": 3, "norm": "softmax", "node_attention": True, "node_mlp": 4}),
)


def backend_model(backend: str, options: dict[str, object]) -> nn.Module:
    """A model of a backend; weights small enough for a steady state."""
    own = dict(options)
    if backend == "feedforward":
        return compiled(skipping_graph(), norm=own.pop("norm", None), **own)  # type: ignore[arg-type]
    if backend == "gnn":
        model, _ = e2t.compile_graph(
            cyclic_graph(), backend="gnn", quiet=True, seed=0, channels=4, **own
        )
        return model.double()
    edges = cyclic_graph()
    weights = np.random.default_rng(0).uniform(-0.2, 0.2, len(edges))
    return compiled(edges.assign(initial_weight=weights), backend="recurrent", **own)


def backends() -> Iterator[Check]:
    """Every backend in float64 and float32."""
    for backend, options in _BACKENDS:
        said = ", ".join(f"{name}={value}" for name, value in options.items())
        for dtype in (torch.float64, torch.float32):

            def run(
                device: torch.device,
                backend: str = backend,
                options: dict[str, object] = options,
                dtype: torch.dtype = dtype,
            ) -> Parts:
                own = options
                if dtype == torch.float32 and "tolerance" in options:
                    own = {**options, "tolerance": 1e-6}
                # through several norms gradients lose more digits than through one layer
                limit = 1e-8 if dtype == torch.float64 else 2e-3
                return compare(backend_model(backend, own), device, dtype, 64, limit=limit)

            yield Check("backends", f"{backend} ({said or 'as it is'}), {_short(dtype)}", run)


def mixed_precision() -> Iterator[Check]:
    """torch.autocast: outputs near, gradients near and in float32."""
    for dtype in (torch.bfloat16, torch.float16):
        for backend, options in (*_BACKENDS[:3], _BACKENDS[6]):
            for kernel in ("sparse", "dense") if backend == "feedforward" else ("auto",):

                def run(
                    device: torch.device,
                    backend: str = backend,
                    options: dict[str, object] = options,
                    dtype: torch.dtype = dtype,
                    kernel: str = kernel,
                ) -> Parts:
                    model = backend_model(backend, {**options, "kernel": kernel})
                    return compare(model, device, dtype, 64, autocast=True)

                said = f"{backend}{' with a norm' if 'norm' in options else ''}, {kernel}"
                yield Check("mixed precision", f"{said}, {_short(dtype)}", run)


def whole_programs() -> Iterator[Check]:
    """Training, saving, compiling and exporting."""

    def trained(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        return _joined(list(model.parameters()))

    def training(device: torch.device) -> Parts:
        model = compiled(skipping_graph())
        there = moved(model, device, torch.float64)
        x, y = batch(model, 64), batch(model, 64, seed=5)[:, :4]
        found = trained(there, x.to(device), y.to(device))
        return [("parameters", found, trained(model, x, y), 1e-8)]

    yield Check("programs", "20 steps of Adam", training)

    def saved(device: torch.device) -> Parts:
        model = moved(compiled(skipping_graph()), device, torch.float32)
        x = batch(model, 8).float()
        with tempfile.TemporaryDirectory() as folder:
            again, _ = e2t.load_compiled(e2t.save_compiled(folder, model))
        return [("output", again.to(device)(x.to(device)), model(x.to(device)), 1e-300)]

    yield Check("programs", "saved from there and loaded", saved)

    def captured(device: torch.device) -> Parts:
        model = compiled(skipping_graph(), kernel="sparse")
        there = moved(model, device, torch.float32)
        fast = torch.compile(there, backend="aot_eager", fullgraph=True)
        x = batch(model, 64)
        cotangent = torch.ones(64, 4)
        expected, found = pull(model, x, cotangent), pull(fast, x.to(device).float(), cotangent)
        return [
            ("output", found[0], expected[0], LIMITS[torch.float32]),
            ("gradients", _joined(found[1]), _joined(expected[1]), LIMITS[torch.float32]),
        ]

    yield Check("programs", "torch.compile, aot_eager", captured)

    def exported(device: torch.device) -> Parts:
        model = compiled(skipping_graph(), kernel="sparse")
        there = moved(model, device, torch.float32).eval()
        x = batch(model, 64)
        sizes = ({0: torch.export.Dim("batch", min=2)},)
        program = torch.export.export(there, (x[:5].to(device).float(),), dynamic_shapes=sizes)
        return [("output", program.module()(x.to(device).float()), model(x), LIMITS[torch.float32])]

    yield Check("programs", "torch.export, any batch", exported)


# Captum adds these up in float32, whatever the model computes in (0.9.0)
_SINGLE = ("Occlusion", "ShapleyValues")


def attribution() -> Iterator[Check]:
    """Every method that draws no random numbers, and knock-outs, in float64."""
    edges = layered_graph([6, 5, 4, 2], [18, 12, 8], seed=0, skip_edges=6)

    def setting() -> tuple[nn.Module, pd.DataFrame]:
        model = compiled(edges)
        names = model.artifact.feature_names  # type: ignore[union-attr]
        return model, pd.DataFrame(batch(model, 5).numpy(), columns=names)  # type: ignore[arg-type]

    def asked(name: str, ask: Callable[[nn.Module, pd.DataFrame], pd.DataFrame]) -> Check:
        def run(device: torch.device) -> Parts:
            model, data = setting()
            there = moved(model, device, torch.float64)
            found, expected = (
                torch.tensor(ask(one, data).select_dtypes("number").to_numpy(float))
                for one in (there, model)
            )
            return [("scores", found, expected, 1e-6 if name in _SINGLE else 1e-8)]

        return Check("attribution", name, run, "tqdm" if name == "knock_out" else "captum")

    yield asked("knock_out", lambda model, data: e2t.knock_out(model, data=data, quiet=True))
    yield asked("activations", lambda model, data: e2t.activations(model, data=data))
    methods = attribution_methods()
    for name, row in methods[~methods["random"]].iterrows():

        def ask(
            model: nn.Module,
            data: pd.DataFrame,
            name: str = str(name),
            target: str = str(row["target"]),
        ) -> pd.DataFrame:
            own = {"sliding_window_shapes": (2,)} if name == "Occlusion" else None
            return e2t.attribute(
                model, data, target=target, method=name, output=0, attribute_kwargs=own, quiet=True
            ).frame()

        yield asked(str(name), ask)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
