"""Options of the graph neural network that make no sense, and what the message says."""

import pandas as pd
import pytest

import edge2torch as e2t

EDGES = pd.DataFrame({"source": ["x", "a"], "target": ["a", "y"]})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": 0}, "channels must be a whole number >= 1"),
        ({"channels": 2.5}, "channels must be a whole number >= 1"),
        ({"channels": True}, "channels must be a whole number >= 1"),
        ({"channels": 1}, "nothing to compare"),
        ({"norm": "group"}, "norm must be one of .*found 'group'"),
        ({"activation": "swish"}, "activation must be one of .*found 'swish'"),
        ({"dropout": 1.0}, r"dropout must be a probability in \[0, 1\)"),
        ({"residual": 1}, "residual must be True or False"),
        ({"node_mlp": 0}, "node_mlp must be a whole number >= 1"),
        ({"weight_init": "he"}, "weight_init must be one of .*found 'he'"),
        ({"init": "dense"}, "Use weight_init"),
        ({"layers": 4}, "no option 'layers'.* It is called 'steps' here"),
        ({"chanels": 4}, "Nearest to 'chanels': 'channels'"),
        ({"steps": 0}, "steps of backend='gnn' must be a whole number >= 1"),
        ({"norm": "ema", "checkpoint": True}, "other statistics the second time"),
    ],
)
def test_a_wrong_option_is_named(options, says):
    with pytest.raises(e2t.Edge2TorchError, match=says):
        e2t.compile_graph(EDGES, backend="gnn", quiet=True, **options)


def test_the_alias_means_the_same():
    _, artifact = e2t.compile_graph(EDGES, backend="graphnn", quiet=True)
    assert artifact.backend == "gnn"


def test_one_channel_is_enough_for_norms_over_the_batch():
    e2t.compile_graph(EDGES, backend="gnn", channels=1, norm="batch", quiet=True)


def test_parameters_load_into_a_model_that_differs_in_training_only():
    model, _ = e2t.compile_graph(EDGES, backend="gnn", quiet=True)
    other, _ = e2t.compile_graph(EDGES, backend="gnn", checkpoint=True, dropout=0.5, quiet=True)
    other.load_state_dict(model.state_dict())
    deeper, _ = e2t.compile_graph(EDGES, backend="gnn", norm="rms", quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="state_dict belongs to"):
        deeper.load_state_dict(model.state_dict())
