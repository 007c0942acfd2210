"""``plot_flow``: ribbons from inputs to an output."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.plot import plot_flow
from edge2torch.plot._ribbons import choose_ribbons, place

PAIRS = [("g1", "p"), ("g2", "p"), ("g2", "q"), ("g3", "q"), ("p", "B"), ("q", "B"), ("q", "T")]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def compiled(pairs=PAIRS, **options):
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    return e2t.compile_graph(edges, quiet=True, **options)[1]


def table(pairs=PAIRS, values=None) -> pd.DataFrame:
    frame = pd.DataFrame(pairs, columns=["source", "target"])
    return frame.assign(attribution=np.arange(1.0, len(pairs) + 1) if values is None else values)


def test_a_bar_is_as_tall_as_what_goes_through_it():
    found = choose_ribbons(compiled(), table(), None, 12)
    flow = dict(zip(found.names, found.flow, strict=True))
    assert flow == {"g1": 1, "g2": 5, "g3": 4, "p": 5, "q": 13, "B": 11, "T": 7}
    places = place(found)
    for name, own in zip(found.names, places.height, strict=True):
        assert own == pytest.approx(flow[name] * places.thickness.sum() / np.abs(found.value).sum())


def test_ribbons_stay_on_their_bars_and_bars_apart():
    rng = np.random.default_rng(0)
    pairs = [(f"g{k}", f"p{j}") for k in range(20) for j in range(5)]
    pairs += [(f"p{j}", f"o{i}") for j in range(5) for i in range(3)]
    found = choose_ribbons(compiled(pairs), table(pairs, rng.normal(size=len(pairs))), None, 30)
    at = place(found)
    for start, bar in ((at.start, found.source), (at.end, found.target)):
        bottom, top = (at.y - at.height / 2)[bar], (at.y + at.height / 2)[bar]
        assert (start >= bottom - 1e-6).all()
        assert (start + at.thickness <= top + 1e-6).all()
    for k in np.unique(found.column):
        own = np.sort(at.y[found.column == k])
        assert (np.diff(own) >= 14).all()


def test_what_leads_elsewhere_is_left_out():
    found = choose_ribbons(compiled(), table(), "B", 12)
    assert "T" not in found.names
    assert found.flow[found.names.index("q")] == 7  # 3 + 4 come in, 6 go on


def test_the_rest_of_a_layer_shares_a_bar_and_nothing_is_lost():
    pairs = [(f"g{k}", "out") for k in range(10)]
    values = np.array([5, -4, 3, -2, 1, 1, 1, -1, 1, 1.0])
    found = choose_ribbons(compiled(pairs), table(pairs, values), None, 3)
    assert found.names == ["g0", "g1", "g2", "7 others", "out"]
    assert found.is_rest.tolist() == [False, False, False, True, False]
    rest = found.value[found.source == 3]
    assert sorted(rest) == [-3.0, 5.0]
    assert np.abs(found.value).sum() == np.abs(values).sum()


def test_cycles_are_drawn_forwards_and_it_is_said():
    pairs = [("g", "a"), ("a", "b"), ("b", "a"), ("b", "out")]
    ax = plot_flow(compiled(pairs, backend="recurrent"), table(pairs))
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "1 edges that lead back are not shown" in words


def test_red_is_for_and_blue_against():
    ax = plot_flow(
        compiled([("g", "out"), ("h", "out")]), table([("g", "out"), ("h", "out")], [2, -1])
    )
    (ribbons,) = ax.collections
    assert ribbons.get_facecolors()[:, 0].argmax() == 0  # the thick one is drawn first
    assert ribbons.get_facecolors()[1, 2] > ribbons.get_facecolors()[1, 0]


def test_it_is_written(tmp_path):
    plot_flow(compiled(), table(), output="B", title="$x$", path=tmp_path / "flow.svg")
    assert (tmp_path / "flow.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(output=["B"] * 6 + ["T"]), "several values of 'output'"),
        (lambda t: pd.concat([t, t[:1]]), "edges twice: 'g1' -> 'p'"),
        (lambda t: t.replace("g1", "x"), "not in the graph: 'x' -> 'p'"),
        (lambda t: t.assign(attribution=0.0), "no attribution other than 0"),
        (lambda t: t.assign(attribution=np.inf), "infinite"),
        (lambda t: t[["source", "target"]], "with the columns"),
    ],
)
def test_other_tables_are_refused(change, message):
    with pytest.raises(e2t.Edge2TorchError, match=message):
        plot_flow(compiled(), change(table()))


def test_an_artifact_is_needed():
    with pytest.raises(e2t.Edge2TorchError, match="CompileArtifact"):
        plot_flow(table(), table())
