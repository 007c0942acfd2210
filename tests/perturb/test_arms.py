"""Networks of all folds: wherever they are trained, and as inner folds choose."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, perturb
from edge2torch._core.executor import PickledModel
from edge2torch.perturb._arms import _kept_share
from edge2torch.perturb._folds import inner_folds

EDGES = pd.DataFrame(
    {
        "source": ["A", "B", "C", "D", "r", "s", "r", "t"],
        "target": ["r", "r", "s", "s", "t", "t", "y", "z"],
        "sign": [1, 1, 1, 1, 1, -1, 1, 1],
    }
)


def design_of(change: float = 0.0) -> perturb.Design:
    """Four ligands and their pairs; what was read of A may be something else."""
    names = ["", "A", "B", "C", "D", "A B", "A C", "B C", "B D", "C D"]
    doses = pd.DataFrame(
        [[float(one in name) for one in "ABCD"] for name in names], names, list("ABCD")
    ).rename({"": "none"})
    rng = np.random.default_rng(0)
    read = pd.DataFrame(rng.random((len(names), 2)), doses.index, ["y", "z"])
    of_a = doses["A"] > 0
    read[of_a] = (read[of_a] + change) % 1
    return perturb.read_design(doses, read)


def test_processes_give_the_same_bits() -> None:
    pytest.importorskip("loky", reason="needs loky: edge2torch[processes]")
    design = design_of()
    made = perturb.folds(design, k=2)
    options = {"epochs": 4, "replicates": 2, "prior_mean": "graph_kernel", "inner_folds": 2}
    here, there = (
        perturb.fit(EDGES, design, made, executor=executor, quiet=True, **options)
        for executor in (None, 1)
    )
    for name, frame in here.predictions.items():
        pd.testing.assert_frame_equal(frame, there.predictions[name], check_exact=True)
    pd.testing.assert_frame_equal(here.predict(), there.predict(), check_exact=True)
    pd.testing.assert_frame_equal(here.chosen, there.chosen, check_exact=True)
    for one, other in zip(here.networks, there.networks, strict=True):
        own, its = one.model.state_dict(), other.model.state_dict()
        assert all((own[name] == its[name]).all() for name in own)
    assert len(there.fold_networks) == 2
    assert len(there.networks) == 2


@pytest.mark.parametrize("weights", ["shared", "shrunk"])
def test_networks_with_gains_in_the_place_of_weights_come_back_too(weights: str) -> None:
    design = design_of()
    fitted = perturb.fit(
        EDGES,
        design,
        perturb.folds(design, k=2),
        weights=weights,
        epochs=3,
        controls=False,
        quiet=True,
    )
    own = fitted.networks[0].model
    there = pickle.loads(pickle.dumps(PickledModel(own))).model  # noqa: S301
    x = own.encode(design)
    assert torch.equal(own(x), there(x))
    known, found = own.state_dict(), there.state_dict()
    assert list(known) == list(found)
    assert all(torch.equal(known[name], found[name]) for name in known)
    assert [name for name, _ in own.named_parameters()] == [n for n, _ in there.named_parameters()]
    with torch.no_grad():  # and weights still follow what they are computed from
        for model in (own, there):
            for parameter in model.parameters():
                parameter.mul_(1.5)
    assert torch.equal(own(x), there(x))
    own.zero_grad()  # of training
    own(x).sum().backward()
    there(x).sum().backward()
    for one, other in zip(own.parameters(), there.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)
    copy.deepcopy(there)


def test_what_is_chosen_for_a_fold_knows_nothing_of_what_it_holds_out() -> None:
    settings = [{"weights": "shared"}, {"learning_rate": 0.05, "acts": "output"}]
    found = []
    for change in (0.0, 0.4):
        design = design_of(change)
        made = perturb.folds(design, "treatment")
        found.append(
            perturb.fit(
                *(EDGES, design, made),
                settings=settings,
                inner_folds=2,
                epochs=4,
                controls=False,
            )
        )
    first, second = found
    fold = next(k for k, one in enumerate(first.folds) if one.left_out == ("A",))
    mine, other = (one.predictions["network"].loc[[fold + 1]] for one in found)
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    mine, other = (one.chosen[one.chosen["fold"] == str(fold + 1)] for one in found)
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    rest = (one.chosen[one.chosen["fold"] != str(fold + 1)]["mse"] for one in found)
    assert (next(rest) != next(rest)).all()
    assert first.chosen.groupby("fold")["chosen"].sum().tolist() == [1] * 5
    assert first.chosen["share"].between(0, 1).all()
    said = ["weights='shared'", "learning_rate=0.05, acts='output'"]
    assert first.chosen["settings"].tolist() == said * 5
    assert any(sentence.startswith("Inner folds keep") for sentence in second.verdicts)


def test_inner_folds_hold_out_what_other_folds_do() -> None:
    design = design_of()
    made = perturb.folds(design, "treatment")
    given = design.doses.to_numpy()[design.rows] > 0
    for k, fold in enumerate(made):
        inner = inner_folds(design, made, k, 3)
        assert len(inner) == 3
        for (training, held), other in zip(inner, (f for f in made if f is not fold), strict=True):
            column = design.names.index(other.left_out[0])
            assert given[held, column].all()
            assert not given[training, column].any()
            np.testing.assert_array_equal(np.sort([*training, *held]), fold.training)
    alone = perturb.folds(design, {"A": 1})
    parts = inner_folds(design, alone, 0, 3)
    held = np.sort(np.concatenate([part for _, part in parts]))
    np.testing.assert_array_equal(held, alone[0].training)


def test_how_much_of_a_network_is_kept() -> None:
    says = np.array([[1.0, -2.0], [3.0, 4.0]])
    for gap, share, mse in ((0.25 * says, 0.25, 0.0), (-says, 0.0, 7.5), (2 * says, 1.0, 7.5)):
        assert _kept_share([(gap, says)]) == pytest.approx((share, mse))
    gap = np.array([[np.nan, -1.0]])
    assert _kept_share([(gap, np.array([[9.0, -2.0]]))]) == pytest.approx((0.5, 0.0))
    assert _kept_share([(gap, np.zeros((1, 2)))]) == pytest.approx((0.0, 1.0))
    assert _kept_share([(gap, says[:1]), None]) == (0.0, np.inf)  # a training that diverged


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"settings": [{"weights": "shared"}]}, "give inner_folds=3"),
        (
            {"settings": [{"weigths": "free"}], "inner_folds": 2},
            "'weigths' cannot be chosen.*weights",
        ),
        ({"settings": [{"weights": "few"}], "inner_folds": 2}, "weights must be one of"),
        ({"settings": []}, "settings is empty"),
        (
            {"settings": [{"steps": 4}], "steps": 5, "inner_folds": 2},
            "settings: 'steps' is given outside of them too",
        ),
        ({"inner_folds": 99}, r"inner_folds=99: .* Give inner_folds=\d or fewer"),
        ({"inner_folds": -1}, "inner_folds must be"),
        ({"executor": 0}, "number of worker processes is 1 or more"),
    ],
)
def test_what_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        perturb.fit(EDGES, design_of(), epochs=3, controls=False, quiet=True, **options)
