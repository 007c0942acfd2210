"""The model as the methods see it, and the state it is put back into afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch._core.randomness import seeded
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import Hold

# What Captum tells programmers about its own workings.
_CAPTUM_SAYS = (
    r"\s*Setting forward, backward hooks and attributes on non-linear",
    r"Setting backward hooks on ReLU activations",
    r"Input Tensor \d+ did not already require gradients",
    r"Internal batch size cannot be less than the number of input examples",
    r"This method computes finite differences between evaluations at consecutive steps",
    r"You are providing multiple inputs for Lime / Kernel SHAP",
    r"You are attempting to compute Shapley Values with at least 10",
    r"Attempting to construct interpretable model with > 10000 features",
    r"Multiplying by inputs set to False",
)
_CAPTUM_LEAVES = ("input", "output", "input_ref")  # LayerDeepLift does, on activations


class Entry(nn.Module):
    """A place where the inputs can be seen and replaced, as a layer's values can."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x (b, i) as a tensor of its own."""
        return x.clone()


class Probe(nn.Module):
    """A model with a place for its inputs, reduced to the output that is explained.

    Captum's own ``target`` is not used: LayerFeaturePermutation applies it twice. Where only
    gradients are asked for, the sum over samples serves as well, and spares Captum a loop over them.
    """

    def __init__(self, model: nn.Module, holds: Sequence[Hold] = ()) -> None:
        super().__init__()
        self.entry = Entry()
        self.model = model
        self.holds = tuple(holds)  # of one row each: methods repeat samples as they like
        self.column: int | None = None
        self.is_summed = False

    def select_output(self, column: int | list[int], device: torch.device) -> Tensor | None:
        """Choose the output to explain; for one per sample, return what forward has to be given."""
        self.column = None
        if isinstance(column, list):
            return torch.tensor(column, device=device)
        self.column = column
        return None

    def forward(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        """Map x (b, i) to the explained output (b,), or to all (b, o) while none is chosen."""
        y = self.outputs(x)
        if columns is not None:
            y = y.gather(1, columns.unsqueeze(1)).squeeze(1)
        elif self.column is not None:
            y = y[:, self.column]
        return y.sum().reshape(1) if self.is_summed else y

    def outputs(self, x: Tensor) -> Tensor:
        """Map x (b, i) to all of the model's outputs (b, o)."""
        rows = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        options = {"hold": [one.of(rows) for one in self.holds]} if self.holds else {}
        y = self.model(self.entry(x), **options)
        if not isinstance(y, Tensor) or y.dim() not in {1, 2} or len(y) != len(x):
            found = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise Edge2TorchError(
                f"model must return a tensor (b, outputs) or (b,); for {len(x)} sample(s) it "
                f"returned {found}. Wrap it in a module that returns the output to explain."
            )
        return y.unsqueeze(1) if y.dim() == 1 else y


@contextmanager
def eval_mode(model: nn.Module, seed: int) -> Iterator[None]:
    """Hold a model in eval mode with fixed parameters, and random numbers at a seed.

    Modules compute what they do in place on copies: methods hold on to values that would be gone.
    Everything is put back afterwards: modes, ``inplace``, ``requires_grad``, random states.
    """
    modes = [(module, module.training) for module in model.modules()]
    clean = [(m, name) for m, _ in modes for name in _CAPTUM_LEAVES if name not in vars(m)]
    in_place = [module for module, _ in modes if getattr(module, "inplace", None) is True]
    needed = [(p, p.requires_grad) for p in model.parameters()]
    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_all_seeded(seed))
        stack.enter_context(_without_compilation(model))
        stack.enter_context(warnings.catch_warnings())
        for message in _CAPTUM_SAYS:
            warnings.filterwarnings("ignore", message=message)
        try:
            model.eval()
            for module in in_place:
                module.inplace = False  # type: ignore[assignment]
            for parameter, _ in needed:  # gradients go to inputs and values alone
                parameter.requires_grad_(False)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for module in in_place:
                module.inplace = True  # type: ignore[assignment]
            for module, name in clean:
                vars(module).pop(name, None)
            for parameter, need in needed:
                parameter.requires_grad_(need)


@contextmanager
def _all_seeded(seed: int) -> Iterator[None]:
    numpy_state = np.random.get_state()  # noqa: NPY002 - Captum draws from the global generator
    with seeded(seed):
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def _without_compilation(model: nn.Module) -> Iterator[None]:
    """Run compiled parts as they were written: compiled code does not see hooks."""
    is_compiled = any(
        "_orig_mod" in part._modules or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )
    if is_compiled:
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
