"""Nodes held in the forward pass: do(), shares of it, gradients, and the same as knock-outs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import edge2torch as e2t
from edge2torch.nn import Hold

EDGES = pd.DataFrame(
    {
        "source": ["u", "v", "a", "b", "b", "c", "c", "d"],
        "target": ["a", "c", "b", "a", "c", "d", "y", "y"],
        "sign": [1, 1, 1, -1, 1, 1, 1, -1],
    }
)
KINDS = {
    "fixed": {"backend": "recurrent", "steps": 5},
    "leak": {"backend": "recurrent", "steps": 5, "leak": "node"},
    "gated": {"backend": "recurrent", "steps": 5, "cell": "gated"},
    "own weights": {"backend": "recurrent", "steps": 5, "share_weights": False},
    "converge": {"backend": "recurrent", "steps": "converge", "tolerance": 1e-10},
    "gnn": {"backend": "gnn", "steps": 5},
}


def compiled(kind: str, **more: object):
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(EDGES, seed=0, quiet=True, **KINDS[kind], **more)
    if kind != "gnn":
        model = e2t.customize_model(model, node_activation="tanh")
    return model.double().eval(), artifact, torch.rand(6, 2, dtype=torch.float64) + 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nodes", [["b"], ["a", "d"]])
def test_a_share_of_one_is_a_knock_out(kind: str, nodes: list[str]) -> None:
    model, artifact, x = compiled(kind)
    table = pd.DataFrame(x.numpy(), columns=artifact.feature_names)
    change = e2t.knock_out(
        model, artifact, table, [tuple(nodes)], value=0.3, level="samples", quiet=True
    )
    with torch.no_grad():
        held = model(x, hold=artifact.hold(nodes, 6, value=0.3)) - model(x)
    assert np.abs(change.to_numpy()).max() > 1e-3
    np.testing.assert_allclose(held.numpy(), change.to_numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_nothing_changes_nothing(kind: str) -> None:
    model, artifact, x = compiled(kind)
    hold = artifact.hold(["a", "u", "d"], 6, share=0.0, value=9.0)
    torch.testing.assert_close(model(x, hold=hold), model(x))


@pytest.mark.parametrize("kind", ["fixed", "converge", "gnn"])
def test_inputs_are_held_before_the_first_update(kind: str) -> None:
    model, artifact, x = compiled(kind)
    changed = x.clone()
    changed[:, 0] = 0.75 * x[:, 0] + 0.25 * 2.0
    hold = artifact.hold(["u"], 6, share=0.25, value=2.0)
    torch.testing.assert_close(model(x, hold=hold), model(changed))


def test_a_share_by_hand_step_by_step() -> None:
    model, artifact, x = compiled("fixed")
    base = model.base_model
    weights = e2t.edge_weights(model, artifact).set_index(["source", "target"])["weight"]
    bias = e2t.node_biases(model, artifact)
    state = dict.fromkeys("abcdy", np.zeros(6)) | {"u": x[:, 0].numpy(), "v": x[:, 1].numpy()}
    share, shift = np.linspace(0, 1, 6), 0.2
    for _ in range(5):
        new = dict(state)
        for node in "abcdy":
            parents = EDGES["source"][EDGES["target"] == node]
            drive = sum(weights[p, node] * state[p] for p in parents) + bias[node]
            new[node] = drive if node == "y" else np.tanh(drive)
        new["b"] = (1 - share) * new["b"] + share * 0.5 + shift
        state = new
    hold = artifact.hold(["b"], 6, torch.from_numpy(share)[:, None], 0.5, shift=shift)
    found = model(x, hold=hold).detach().numpy()[:, 0]
    np.testing.assert_allclose(found, state["y"], atol=1e-6)
    assert list(base.trajectory(x, hold=hold).__next__().shape) == [6, 7]


def test_what_a_node_sends_is_stopped_and_its_value_is_not() -> None:
    model, artifact, x = compiled("fixed", outputs=["y", "b"])
    value = model(x, hold=artifact.hold(["b"], 6))
    sent = model(x, hold=artifact.hold(["b"], 6, acts="output"))
    at = artifact.output_names.index("b")
    assert (value[:, at] == 0).all()
    assert (sent[:, at] != 0).all()
    torch.testing.assert_close(value[:, 1 - at], sent[:, 1 - at])


@pytest.mark.parametrize("kind", ["fixed", "converge", "gnn"])
@pytest.mark.parametrize("acts", ["value", "output"])
def test_gradients_by_what_is_given_and_by_how_much_is_held(kind: str, acts: str) -> None:
    model, _, x = compiled(kind)
    nodes = torch.tensor([0, 3])
    share = torch.full((2, 2), 0.4, dtype=torch.float64, requires_grad=True)
    value = torch.full((2, 2), 0.1, dtype=torch.float64, requires_grad=True)

    def run(x: torch.Tensor, share: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return model(x, hold=Hold(nodes, share, value, 0.1 * share, acts))

    assert torch.autograd.gradcheck(run, (x[:2].requires_grad_(), share, value), atol=1e-4)


def test_a_sequence_is_held_at_every_time_and_packed_as_padded() -> None:
    model, artifact, _ = compiled("fixed")
    x = torch.rand(3, 4, 2, dtype=torch.float64)
    share = torch.tensor([[0.1], [0.9], [0.5]], dtype=torch.float64)
    hold = artifact.hold(["b"], 3, share, 0.2)
    whole = model(x, hold=hold)
    for k in range(3):  # a sample by itself
        one = model(x[k : k + 1], hold=artifact.hold(["b"], 1, share[k : k + 1], 0.2))
        torch.testing.assert_close(one[0], whole[k])
    lengths = torch.tensor([2, 4, 3])  # sorting them moves the samples
    padded = model(x, lengths=lengths, hold=hold)
    for k, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(padded[k, :n], whole[k, :n])
        assert (padded[k, n:] == 0).all()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    again, _ = pad_packed_sequence(model(packed, hold=hold), batch_first=True)
    torch.testing.assert_close(again, padded)
    # whatever hands out several, if only once
    torch.testing.assert_close(model(x, lengths=lengths, hold=iter([hold])), padded)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("acts", ["value", "output"])
def test_what_all_updates_have_in_common_is_computed_once_a_call(
    kind: str, acts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, artifact, x = compiled(kind)
    asked, own = [], Hold._parts

    def counted(hold: Hold, values: torch.Tensor, first: int) -> object:
        asked.append((hold, values.shape, first, torch.is_grad_enabled()))
        return own(hold, values, first)

    monkeypatch.setattr(Hold, "_parts", counted)
    share = torch.full((6, 2), 0.3, dtype=torch.float64, requires_grad=True)
    held = artifact.hold(["b", "d"], 6, share, 0.5, shift=0.1, acts=acts)
    held = Hold(held.nodes, share, held.value, held.shift, acts)
    found = []
    for _ in range(2):  # the graph of the first call is gone by the second
        y = model(x, hold=held)
        found.append((y.detach(), *torch.autograd.grad(y.sum(), share)))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][1].abs().sum() > 0
    assert len(set(asked)) == len(asked) <= 8


def test_what_is_refused() -> None:
    model, artifact, x = compiled("fixed")
    for call, words in (
        (lambda: artifact.hold(["bb"], 6), "bb"),
        (lambda: artifact.hold(["b", "b"], 6), "twice"),
        (lambda: artifact.hold(["b"], 6, share=1.5), "between 0 and 1"),
        (lambda: artifact.hold(["b"], 6, share=[0.1, 0.2]), "one per node"),
        (lambda: model(x, hold=artifact.hold(["b"], 5)), "5 samples, and x has 6"),
        (lambda: model(x, hold="b"), "must be a Hold"),
        (
            lambda: model(x, hold=Hold(torch.tensor([9]), x[:, :1], x[:, :1])),
            "positions from 0 to 6",
        ),
        (lambda: Hold(torch.tensor([1]), x, x), "must have shape"),
        (lambda: Hold(torch.tensor([1, 2]), x, x, acts="both"), "acts must be one of"),
    ):
        with pytest.raises(e2t.Edge2TorchError, match=words):
            call()
    _, straight = e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="takes no hold"):
        straight.hold(["b"], 1)
