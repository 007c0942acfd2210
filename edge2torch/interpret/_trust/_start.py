"""Independent starts of one network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
from torch import nn

from edge2torch._core.checks import check_count, check_seed
from edge2torch._core.constraints import FIXED
from edge2torch._core.copies import copy_module
from edge2torch._core.messages import listing
from edge2torch._core.randomness import seeded
from edge2torch.compile import CompileArtifact, compile_like, draw_anew, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgeModel, MaskedLinear, SkipSum

Start: TypeAlias = (
    Callable[[], tuple[nn.Module, CompileArtifact]] | tuple[nn.Module, CompileArtifact]
)


def draw_starts(
    start: Start, n: int, seed: int
) -> tuple[list[nn.Module], CompileArtifact, list[int]]:
    """Return n networks with weights of their own, and a seed for each one's training."""
    check_count("n", n)
    check_seed("seed", seed)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(int(n))]
    is_function = callable(start) and not isinstance(start, nn.Module)
    make: Callable[[], Any] = cast(Any, start) if is_function else with_new_weights(start)
    made = []
    for one in seeds:
        with seeded(one):
            made.append(_pair(make()))
    artifact = made[0][1]
    for model, _ in made:
        find_edge_model(model, artifact)
    models = [model for model, _ in made]
    _check_no_shared_parameters(models)
    return models, artifact, seeds


def _check_no_shared_parameters(models: list[nn.Module]) -> None:
    """Refuse networks that train each other: a head that was made once for all."""
    seen: set[int] = set()
    for model in models:
        parameters = {id(parameter) for parameter in model.parameters()}
        if seen & parameters:
            shared = [name for name, value in model.named_parameters() if id(value) in seen]
            raise Edge2TorchError(
                f"compile_or_model returned networks that share parameters: {listing(shared)}. Make "
                "every module, such as a head, anew inside the function."
            )
        seen |= parameters


def _pair(made: Any) -> tuple[nn.Module, CompileArtifact]:
    is_pair = isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module)
    if not is_pair or not isinstance(made[1], CompileArtifact):
        raise Edge2TorchError(
            "compile_or_model must be a pair (model, artifact), or a function without arguments that "
            f"returns one; found {type(made).__name__}. For example: "
            "lambda: compile_graph(edges, quiet=True)."
        )
    return made[0], made[1]


def with_new_weights(
    start: Any, *, keep_initial: bool = True
) -> Callable[[], tuple[nn.Module, CompileArtifact]]:
    """Return a function that draws the weights of a given network anew.

    Those that the table gives are where they start, unless they are drawn as well; fixed ones stay.
    """
    model, artifact = _pair(start)
    feedforward = artifact.backend == "feedforward"
    compiled = None if feedforward else _compiled_again(start, keep_initial=keep_initial)
    find_edge_model(model, artifact)

    def make() -> tuple[nn.Module, CompileArtifact]:
        drawn = copy_module(model, shared_by_copies(model))
        base = find_edge_model(drawn, artifact)
        if compiled is None:
            draw_anew(cast(EdgeModel, base), artifact, keep_initial=keep_initial)
        else:
            base.load_state_dict({**base.state_dict(), **compiled().state_dict()})
        inside = {id(module) for module in base.modules()}
        for module in drawn.modules():
            reset = getattr(module, "reset_parameters", None)
            of_stage = id(module) not in inside or isinstance(
                module, nn.modules.batchnorm._BatchNorm
            )
            if of_stage and callable(reset):
                reset()
        return drawn, artifact

    return make


def shared_by_copies(model: nn.Module) -> dict[int, Any]:
    """Return what copies of a network can share, as a memo of ``deepcopy``: where its edges lie."""
    constant = (m for m in model.modules() if isinstance(m, MaskedLinear | SkipSum))
    return {
        id(m._buffers[name]): m._buffers[name]
        for m in constant
        for name in m._non_persistent_buffers_set
        if m._buffers[name] is not None
    }


def _compiled_again(start: Any, *, keep_initial: bool) -> Callable[[], nn.Module]:
    """Return a function that compiles the graph again."""
    _, artifact = start
    edges = artifact.graph.edges[artifact.graph.is_active]
    if not keep_initial and "initial_weight" in edges:
        is_fixed = artifact.graph.constraint[artifact.graph.is_active] == FIXED
        edges = edges.assign(initial_weight=edges["initial_weight"].where(is_fixed))
    return lambda: compile_like(artifact, edges)[0]
