"""Step after step of one network, which nobody else looks into meanwhile."""

from __future__ import annotations

import torch
from torch import Tensor

from edge2torch.nn._whole._run import Run, add_gradients


class Passes:
    """Outputs and the gradients of parameters, again and again; past autograd, with its bits.

    Of a small network most of a step is to ask whether its modules are still the same, and what
    autograd does between loss and parameters. Here both are left out: for loops that change nothing of
    the network but the values of its parameters, in place.

    Parameters
    ----------
    run : Run
        A call that is ready; each pass is another one like it.
    """

    def __init__(self, run: Run) -> None:
        self._like = run.model, run.watched, run.tables, run.parameters, run.walk
        self._sizes = run.watched.parameters.sizes
        leads = zip(run.parameters, run.watched.leads_out, strict=True)
        self._wanted = [(k, one) for k, (one, is_led) in enumerate(leads) if is_led]
        self._run: Run | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, i), of as many samples as the first one, to outputs (b, o)."""
        run = self._run = Run(*self._like)
        return run.forward(x, keeps=True)

    def backward(self, gradient: Tensor) -> None:
        """Add to the gradients of parameters what that of the last outputs (b, o) comes to."""
        run, self._run = self._run, None
        assert run is not None  # noqa: S101 - forward came before
        _, flat = run.backward(gradient, wants_x=False)
        parts = torch.unsafe_split_with_sizes(flat, self._sizes)
        add_gradients((parameter, parts[k]) for k, parameter in self._wanted)
