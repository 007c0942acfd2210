"""Every backend is exported for any batch, written, read and run, whatever stands at its nodes."""

import io

import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.compile import BACKENDS
from edge2torch.nn import ACTIVATIONS

NAMES = [backend.name for backend in BACKENDS]
# what leads to another model of the backend
OPTIONS = {
    "feedforward": [{"kernel": "sparse"}, {"kernel": "dense"}, {"bias": False}],
    "recurrent": [
        {"steps": 2, "leak": 0.5},
        {"leak": "node", "share_weights": False},
        {"cell": "gated"},
        {"steps": "converge", "max_steps": 12},
    ],
    "gnn": [
        *({"norm": norm} for norm in ("rms", "batch", "ema", "softmax", "none")),
        {"norm_first": False, "residual": False, "share_layers": False, "self_edges": True},
        {"node_mlp": 4, "node_attention": True, "checkpoint": True, "dropout": 0.1},
    ],
}


def graph(backend):
    """Two depths, an edge that skips one, an input that is an output too, all constraints."""
    edges = pd.DataFrame(
        {
            "source": ["a", "b", "c", "h", "h", "a", "g", "b"],
            "target": ["h", "h", "g", "g", "y", "y", "y", "z"],
            "constraint": ["positive", "negative", *[None] * 6],
            "initial_weight": [0.5, -0.5, *[None] * 6],
        }
    )
    if backend != "gnn":
        edges["constraint"] = ["positive", "negative", *["fixed"] * 6]
        edges["initial_weight"] = edges["initial_weight"].fillna(0.25)
    if backend != "feedforward":
        edges.loc[len(edges)] = ["g", "h", None, 0.1]
    return edges


def written_and_read(model, x):
    """Export for any batch, through the bytes of a file."""
    program = torch.export.export(
        model, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},)
    )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()


def assert_exported(model, x):
    model = model.eval()
    exported = written_and_read(model, x)
    for rows in (2, 3, 64):
        data = torch.randn(rows, *x.shape[1:], generator=torch.Generator().manual_seed(rows))
        torch.testing.assert_close(exported(data), model(data), rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("backend", NAMES)
def test_all_activations_and_a_head(backend):
    base, artifact = e2t.compile_graph(graph(backend), backend=backend, quiet=True)
    head = nn.Sequential(nn.Linear(len(artifact.output_names), 4), nn.Softmax(dim=1))
    model = e2t.customize_model(
        base,
        node_activation=nn.Sequential(*(kind() for kind in ACTIVATIONS.values())),
        node_normalization=None if backend == "gnn" else "batch",
        node_dropout=0.5,
        edge_dropout=0.2,
        head=head,
    )
    assert_exported(model, torch.randn(5, len(artifact.feature_names)))


@pytest.mark.parametrize(
    ("backend", "options"), [(name, one) for name in NAMES for one in OPTIONS[name]], ids=str
)
def test_any_option(backend, options):
    model, artifact = e2t.compile_graph(graph(backend), backend=backend, quiet=True, **options)
    assert_exported(model, torch.randn(5, len(artifact.feature_names)))


def test_sequences():
    model, artifact = e2t.compile_graph(graph("recurrent"), backend="recurrent", quiet=True)
    assert_exported(model, torch.randn(5, 6, len(artifact.feature_names)))
