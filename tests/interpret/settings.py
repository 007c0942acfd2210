"""Small models that between them have everything a method can meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.compile import CompileArtifact

# a -> r, c -> deep, q -> deep and p -> late skip layers; early ends at depth 1
SKIPS = pd.DataFrame(
    [
        ("a", "p"),
        ("b", "p"),
        ("b", "q"),
        ("c", "q"),
        ("c", "early"),
        ("p", "r"),
        ("q", "r"),
        ("a", "r"),
        ("r", "deep"),
        ("q", "deep"),
        ("c", "deep"),
        ("p", "late"),
        ("r", "late"),
    ],
    columns=["source", "target"],
)
PLAIN = pd.DataFrame(
    [
        ("a", "p"),
        ("b", "p"),
        ("b", "q"),
        ("c", "q"),
        ("p", "r"),
        ("q", "r"),
        ("p", "s"),
        ("q", "s"),
        ("r", "out"),
        ("s", "out"),
    ],
    columns=["source", "target"],
)


@dataclass(frozen=True)
class Setting:
    """A model, what belongs to it, and a question to ask it."""

    model: nn.Module
    artifact: CompileArtifact
    data: pd.DataFrame
    output: str | int | None

    @property
    def x(self) -> torch.Tensor:
        dtype = next(self.model.parameters()).dtype
        return e2t.align_features_to_input_nodes(self.data, self.artifact, dtype=dtype)

    def ask(self, target: str, method: str | None = None, **options: Any) -> Any:
        options = {"output": self.output, "quiet": True, **options}
        return e2t.interpret_model(self.model, self.artifact, self.data, target, method, **options)

    def explained(self, x: torch.Tensor | None = None) -> np.ndarray:
        """The explained output (b,) of samples."""
        with torch.no_grad():
            y = self.model.eval()(self.x if x is None else x)
        if y.dim() == 1:
            return y.numpy()
        names = self.artifact.output_names
        column = names.index(self.output) if isinstance(self.output, str) else self.output or 0
        return y[:, column].numpy()

    def ask_at(self, x: torch.Tensor, column: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each node's value (b,) and the output's gradient by it, by hand."""
        base = getattr(self.model, "base_model", self.model)
        seen = [x.clone().requires_grad_()]
        handles = [
            block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
            for block in base.blocks
        ]
        y = self.model.eval()(seen[0])[:, column]
        for handle in handles:
            handle.remove()
        gradients = torch.autograd.grad(y.sum(), seen)
        return {
            node: (values[:, k].detach().numpy(), gradient[:, k].numpy())
            for nodes, values, gradient in zip(
                self.artifact.node_names_by_layer.values(), seen, gradients, strict=True
            )
            for k, node in enumerate(nodes)
        }


def data(rows: int = 4, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = [f"cell {k}" for k in range(rows)]
    return pd.DataFrame(rng.normal(size=(rows, 3)), index=index, columns=["c", "a", "b"])


def build(edges: pd.DataFrame, output: str | int | None = None, **options: Any) -> Setting:
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(edges, quiet=True, **options)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.5, 0.5)
    return Setting(model, artifact, data(), output)


def customize(setting: Setting, output: str | int | None = None, **options: Any) -> Setting:
    model = e2t.customize_model(setting.model, artifact=setting.artifact, **options)
    return replace(setting, model=model, output=setting.output if output is None else output)


def double(setting: Setting) -> Setting:
    return replace(setting, model=setting.model.double())


def customized() -> Setting:
    torch.manual_seed(1)
    head = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    nn.init.uniform_(head[3].weight, 0.5, 1.0)  # guided gradients pass positive weights only
    return customize(
        build(SKIPS),
        output=1,
        node_activation={"p": "relu", "q": "tanh", "r": "tanh"},
        node_normalization="batch",
        node_dropout=0.5,
        head=head,
    )


def one_dimensional() -> Setting:
    head = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid(), nn.Flatten(0))
    nn.init.constant_(head[0].weight, 5.0)
    return customize(build(PLAIN), node_activation="tanh", head=head)


SETTINGS: dict[str, Callable[[], Setting]] = {
    "plain": lambda: build(PLAIN),
    "skips": lambda: customize(build(SKIPS, "deep"), node_activation="tanh"),
    "early output": lambda: customize(build(SKIPS, "early"), node_activation="relu"),
    "customized": customized,
    "one-dimensional": one_dimensional,
    "float64": lambda: double(customize(build(SKIPS, "late"), node_activation="tanh")),
    "without bias": lambda: customize(build(SKIPS, "deep", bias=False), node_activation="relu"),
}


def by_layers(other: Setting) -> Setting:
    """The feedforward model of the graph, weights and biases of another, in float64."""
    weights = e2t.edge_weights(other.model, other.artifact)
    biases = e2t.node_biases(other.model, other.artifact)
    setting = build(weights.rename(columns={"weight": "initial_weight"}), other.output)
    layered = double(customize(setting, node_activation="tanh"))
    own = e2t.edge_weights(layered.model, layered.artifact)["weight"]
    assert np.allclose(own, weights["weight"])
    with torch.no_grad():
        for layer, block in layered.model.base_model.sites().items():
            nodes = layered.artifact.node_names_by_layer[layer]
            block.linear.bias.copy_(torch.tensor(biases[nodes].to_numpy()))
    return layered
