"""A compiled model with modules of the user's after its output."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from edge2torch.errors import Edge2TorchError
from edge2torch.nn._compiled import CompiledModel
from edge2torch.nn._heads import HeadBank


class CustomizedEdgeModel(nn.Module):
    """A compiled model followed by whatever a user wants after its output.

    Parameters
    ----------
    base_model : EdgeModel
        Maps (b, i) to (b, o).
    activation, dropout, head : Module, optional
        Applied to the output in this order.
    node_heads : HeadBank, optional
        Heads at nodes, which ``with_heads`` computes beside the output.

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
        node_heads: HeadBank | None = None,
    ) -> None:
        super().__init__()
        self.base_model = base_model
        after = {"activation": activation, "dropout": dropout, "head": head}
        self._after = tuple(name for name, module in after.items() if module is not None)
        for name in self._after:
            self.add_module(name, after[name])
        if node_heads is not None:
            self.node_heads = node_heads
        self._reader: list[CompiledModel] = []  # in a list it is no part of this module

    @property
    def artifact(self) -> Any:
        """Names of the compiled model's tensor positions, which it carries; None without them."""
        return getattr(self.base_model, "artifact", None)

    @property
    def heads(self) -> HeadBank | None:
        """The heads at nodes, if there are any."""
        return cast("HeadBank | None", self._modules.get("node_heads"))

    @property
    def head_names(self) -> list[str]:
        """The nodes that have heads, in the order of ``with_heads``."""
        bank, artifact = self.heads, self.artifact
        if bank is None or artifact is None:
            return []
        names = {
            layer: artifact.column_names(own) for layer, own in artifact.node_names_by_layer.items()
        }
        return [names[site][c] for site, c in zip(bank.sites, bank.columns, strict=True)]

    @property
    def after(self) -> dict[str, nn.Module]:
        """The modules after the compiled model's output, in order."""
        return {name: self.get_submodule(name) for name in self._after}

    def forward(self, x: Any, **options: Any) -> Any:
        """Map x (b, i) to the head's output; options go to the compiled model."""
        return self._finish(self.base_model(x, **options))

    def with_heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (b, i) to the output and to what the heads give, (b, nodes, outputs)."""
        y, units = self.with_units(x)
        return y, cast(HeadBank, self.heads)(units)

    def with_units(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (b, i) to the output and the units that the heads read (b, u), in one run."""
        base, bank = cast(CompiledModel, self.base_model), self.heads
        if bank is None:
            raise Edge2TorchError(
                "model has no heads at its nodes: customize_model(model, node_heads=NodeHeads())."
            )
        base.check_indices()
        base.check_input(x)
        if not self._reader:
            self._reader.append(base.also_reading(bank.places()))
        reader = self._reader[0]
        if reader.fingerprint.device != base.fingerprint.device:
            reader.to(base.fingerprint.device)
        read = reader(x)
        y, units = read.split([base.out_features, read.shape[1] - base.out_features], dim=1)
        return self._finish(y), units

    def _finish(self, y: Any) -> Any:
        for name in self._after:
            module = getattr(self, name)
            packed = isinstance(y, PackedSequence)
            y = y._replace(data=module(y.data)) if packed else module(y)
        return y
