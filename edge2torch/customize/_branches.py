"""Join a graph with a second branch at its outputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from edge2torch._core.checks import check_count
from edge2torch.compile import CompileArtifact, find_artifact, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import JoinedModel


def join_branches(
    model: nn.Module,
    artifact: CompileArtifact | None = None,
    other: nn.Module | Sequence[int] = (100, 50, 6),
    *,
    features: int | None = None,
    width: int = 6,
    outputs: int = 1,
) -> JoinedModel:
    """Join a graph of cells with a branch of drugs, at the units of the graph's root.

    As DrugCell: the root's units through tanh and batch normalisation, beside the drug's, then
    ``linear, tanh, batch norm`` of ``width`` units, and a head ``linear, tanh, linear``. To join lower
    down, say where a drug acts in the edge table.

    Parameters
    ----------
    model : Module
        A compiled model, customized or not, without a head; its outputs are the root's units:
        ``compile_graph(edges, units={..., "root": 6})``.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with it; by default the one that the model carries.
    other : Module or sequence of int
        Maps the other partner's features (b, d) to (b, w); or widths of layers of linear, tanh and
        batch normalisation, which need ``features``.
    features : int, optional
        Number of the other partner's features, d.
    width : int
        Units of the joined layer.
    outputs : int
        Numbers that are predicted.

    Returns
    -------
    JoinedModel
        ``joined(cells, drugs)``, or ``joined(cells, drugs, pairs)`` with tables of all partners;
        ``joined.given(drug)`` is a model of cells for one drug, for :func:`attribute`,
        :func:`knock_out` and ``predictive_power``.

    Raises
    ------
    Edge2TorchError
        For a model with a head, and for a branch that cannot be tried on its features.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "a"], "target": ["a", "a", "cell"]})
    >>> model, _ = e2t.compile_graph(edges, units={"a": 6, "cell": 6}, quiet=True)
    >>> model = e2t.customize_model(
    ...     model, node_activation="tanh", node_normalization="batch", norm_first=False)
    >>> joined = e2t.join_branches(model, other=(100, 50, 6), features=30)
    >>> joined(torch.randn(8, 2), torch.randn(8, 30)).shape
    torch.Size([8, 1])

    References
    ----------
    Kuenzi et al. 2020, doi:10.1016/j.ccell.2020.09.014.
    """
    artifact = find_artifact(model, artifact)
    base = find_edge_model(model, artifact)
    if "head" in getattr(model, "after", {}):
        raise Edge2TorchError(
            "model has a head, and branches are joined at the units of the graph's root. Leave the "
            "head out; outputs= is what the joined model predicts."
        )
    check_count("width", width)
    check_count("outputs", outputs)
    branch = other if isinstance(other, nn.Module) else _layers(other, features)
    n_features, n_other = _widths_of(branch, features)
    n_root = base.out_features
    last = nn.Linear(outputs, outputs)  # starts at 1: drawn near 0, nothing before it would learn
    nn.init.eye_(last.weight)
    nn.init.zeros_(last.bias)
    joined = JoinedModel(
        model,
        branch,
        nn.Sequential(nn.Tanh(), nn.BatchNorm1d(n_root)),
        nn.Sequential(
            *(nn.Linear(n_root + n_other, width), nn.Tanh(), nn.BatchNorm1d(width)),
            *(nn.Linear(width, outputs), nn.Tanh(), last),
        ),
        n_features,
    )
    like = next(base.parameters(), torch.empty(0))
    for part in (joined.other, joined.root, joined.join):
        part.to(like)
    return joined.train(model.training)


def _layers(sizes: Sequence[int], features: int | None) -> nn.Sequential:
    if features is None:
        raise Edge2TorchError(
            "features is missing: how many features the other partner has, for the first layer of "
            f"other={tuple(sizes)!r}."
        )
    widths = [check_count("features", features), *(check_count("other", size) for size in sizes)]
    if len(widths) < 2:
        raise Edge2TorchError("other is empty. Give the width of one layer at least.")
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.Tanh(), nn.BatchNorm1d(after)]
    return nn.Sequential(*layers)


def _widths_of(branch: nn.Module, features: int | None) -> tuple[int, int]:
    """Return how many numbers a branch takes, by its first linear layer, and gives, by trying it."""
    linear = [part for part in branch.modules() if isinstance(part, nn.Linear)]
    if features is None:
        if not linear:
            raise Edge2TorchError(
                "features is missing: how many features the other partner has, for other= to be "
                "tried on."
            )
        features = linear[0].in_features
    modes = [(part, part.training) for part in branch.modules()]
    like = next(branch.parameters(), torch.empty(0))
    try:
        with torch.no_grad():
            y = branch.eval()(torch.zeros(2, features).to(like))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise Edge2TorchError(f"other does not take features (b, {features}): {error}") from error
    finally:
        for part, mode in modes:
            part.training = mode
    if not isinstance(y, torch.Tensor) or y.dim() != 2:
        raise Edge2TorchError("other must map features (b, d) to a tensor (b, w).")
    return features, int(y.shape[1])
