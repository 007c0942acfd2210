"""A name that is not there: whoever takes it offers the nearest."""

import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch import perturb
from edge2torch.interpret import node_significance
from edge2torch.plot import draw_graph
from edge2torch.priors import add_inhibitors
from edge2torch.regularize import PathwayLatentRegularizer
from edge2torch.simulate import evaluate_steps, simulate
from edge2torch.train import fit_steady_state

EDGES = pd.DataFrame(
    {
        "source": ["EGF", "RAF1", "MEK1", "ERK2"],
        "target": ["RAF1", "MEK1", "ERK2", "RAF1"],
        "sign": 1,
    }
)
DOSES = pd.DataFrame({"EGF": [0.0, 1.0, 2.0]}, ["none", "some EGF", "much EGF"])
READ = pd.DataFrame({"ERK2": [0.1, 0.5, 0.9]}, DOSES.index)
DESIGN = perturb.read_design(DOSES, READ)


def network(**options):
    backend = e2t.Recurrent(steps="converge")
    return e2t.compile_graph(
        EDGES[["source", "target"]], backend, quiet=True, outputs=["ERK2"], **options
    )


def encoded(doses, **more):
    model, _ = perturb.compile(EDGES, perturb.read_design(DOSES.assign(**more), READ))
    other = DOSES.rename(columns={"EGF": doses})
    return model.encode(perturb.read_design(other))


def in_contexts():
    both = pd.concat([READ.assign(context="HepG2"), READ.assign(context="HeLa")])
    model, _ = perturb.compile(EDGES, perturb.read_design(DOSES, both), context_nodes=["RAF1"])
    return model.encode(perturb.read_design(DOSES.assign(context="Hep G 2")))


def significance():
    scores = pd.DataFrame([[1.0, 2.0, 3.0]] * 3, columns=["RAF1", "MEK1", "ERK22"])
    return node_significance(scores, scores * 2, artifact=network()[1])


CASES = {
    "compile": (lambda: perturb.compile(EDGES, DESIGN, context_nodes=["MEK"]), "MEK1"),
    "readouts": (
        lambda: perturb.read_design(DOSES, READ.rename({"some EGF": "some_EGFR"})),
        "some EGF",
    ),
    "kinds": (lambda: perturb.read_design(DOSES, READ, kinds={"EGFR": "stimulus"}), "EGF"),
    "long form": (
        lambda: perturb.read_design(
            pd.DataFrame({"condition": ["a"], "treatment": ["EGF"], "doses": [1.0]}), READ
        ),
        "dose",
    ),
    "encode": (lambda: encoded("EGFR"), "EGF"),
    "contexts": (in_contexts, "HepG2"),
    "folds": (lambda: perturb.folds(DESIGN, {"some EGFR": 0, "none": 1}), "some EGF"),
    "inhibitors": (lambda: add_inhibitors(EDGES, ["MEK"]), "MEK1"),
    "significance": (significance, "ERK2"),
    "drawing": (lambda: draw_graph(network()[1], scores={"ERK": 1.0}), "ERK2"),
    "pairs": (
        lambda: PathwayLatentRegularizer(
            network()[0], {"early": ["RAF1"], "later": ["MEK1"]}, dissim_pairs=[("early", "late")]
        ),
        "later",
    ),
    "simulate": (lambda: simulate(EDGES.iloc[:3], 3, 3, output_nodes=["ERK"]), "ERK2"),
    "steps": (
        lambda: evaluate_steps(EDGES.assign(weight=1.0), {"EGF": [1.0]}, steps=2, outputs=["ERK"]),
        "ERK2",
    ),
    "steady": (
        lambda: fit_steady_state(
            network()[0], torch.ones(3, 1), pd.DataFrame({"ERK": [1.0, 2.0, 3.0]})
        ),
        "ERK2",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_nearest_is_offered(case):
    call, name = CASES[case]
    with pytest.raises(e2t.Edge2TorchError, match=f"Nearest to '.*': '{name}'"):
        call()
