"""Names that data and graph do not share: what is wrong with them is said, by run and by interpret."""

from __future__ import annotations

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import keep_between
from edge2torch.study._data import read_dataset
from edge2torch.study._network import fit_network
from edge2torch.study._task import choose_task
from tests.cli.conftest import GENES

CASE = "4 of them are there but for upper and lower case ('g0' -> 'G0'"


@pytest.fixture
def mixed(cells) -> pd.DataFrame:
    """Four of twelve inputs are called otherwise."""
    return cells.rename(columns={gene: gene.upper() for gene in GENES[:4]})


def test_inputs_that_miss_for_their_case_are_said(edges, cells, mixed):
    task = choose_task(cells["kind"], "auto", 5)
    network = fit_network(edges, mixed.columns, task)
    assert any("WARNING" in note and CASE in note for note in network.notes)
    with pytest.raises(Edge2TorchError, match="4 of them are there but for upper and lower case"):
        fit_network(edges, mixed.columns, task, missing="error")
    _, artifact = e2t.compile_graph(edges, quiet=True)
    with pytest.raises(Edge2TorchError, match="4 of them are there but for upper and lower case"):
        e2t.align_features_to_input_nodes(mixed[[*mixed.filter(regex="^[gG]")]], artifact)
    dataset = read_dataset(mixed, "kind", GENES)
    with pytest.raises(Edge2TorchError, match="4 of them are there but for upper and lower case"):
        dataset.with_features(GENES, "data")
    _, report = keep_between(edges, [c for c in mixed if c.lower() in GENES])
    assert CASE in str(report)


def test_edges_the_wrong_way_round_are_said(edges, cells):
    members = edges[edges["source"].isin(GENES)]
    swapped = members.rename(columns={"source": "target", "target": "source"})
    task = choose_task(cells["kind"], "auto", 5)
    said = "ends in 12 of the features: exchange the columns source and target"
    with pytest.raises(Edge2TorchError, match=said):
        fit_network(swapped, GENES, task)
    for into in ("drop", "keep"):
        with pytest.raises(Edge2TorchError, match=said):
            keep_between(swapped, GENES, into_features=into)


def test_a_label_in_another_case_is_named(cells):
    with pytest.raises(Edge2TorchError, match=r"no column 'Kind'\. Nearest to 'Kind': 'kind'"):
        read_dataset(cells, "Kind", GENES)


@pytest.mark.usefixtures("no_figures")
def test_resuming_a_finished_study_says_that_it_begins_anew(files, edges, cells):
    options = {"seeds": 1, "max_epochs": 2, "replicates": 0, "controls": 0, "folder": files / "out"}
    lines: list[str] = []
    e2t.run_study(edges, cells, "kind", resume=True, progress=lines.append, **options)
    assert not any("study that was finished" in line for line in lines)
    e2t.run_study(edges, cells, "kind", resume=True, progress=lines.append, **options)
    assert any("study that was finished" in line for line in lines)
