"""A compiled model with modules of the user's after its output."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils.rnn import PackedSequence


class CustomizedEdgeModel(nn.Module):
    """A compiled model followed by whatever a user wants after its output.

    Parameters
    ----------
    base_model : EdgeModel
        Maps (b, i) to (b, o).
    activation, dropout, head : Module, optional
        Applied to the output in this order.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> from torch import nn
    >>> model, _ = e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    >>> e2t.customize_model(model, head=nn.Linear(1, 3))(torch.zeros(2, 1)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        base_model: nn.Module,
        *,
        activation: nn.Module | None = None,
        dropout: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.base_model = base_model
        after = {"activation": activation, "dropout": dropout, "head": head}
        self._after = tuple(name for name, module in after.items() if module is not None)
        for name in self._after:
            self.add_module(name, after[name])

    @property
    def artifact(self) -> Any:
        """Names of the compiled model's tensor positions, which it carries; None without them."""
        return getattr(self.base_model, "artifact", None)

    @property
    def after(self) -> dict[str, nn.Module]:
        """The modules after the compiled model's output, in order."""
        return {name: self.get_submodule(name) for name in self._after}

    def forward(self, x: Any, **options: Any) -> Any:
        """Map x (b, i) to the head's output; options go to the compiled model."""
        y = self.base_model(x, **options)
        for name in self._after:
            module = getattr(self, name)
            packed = isinstance(y, PackedSequence)
            y = y._replace(data=module(y.data)) if packed else module(y)
        return y
