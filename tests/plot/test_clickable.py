"""A network to click: what stands in the page, before any browser has seen it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.plot import NodeFacts, clickable_network, draw_graph
from edge2torch.plot._svg import colour, ink
from edge2torch.plot._wrapped import BOX, wrap_layers

HOSTILE = '<img src=x onerror="alert(1)">'
BREAKING = "</script><script>alert(2)</script>"


def compiled(edges: pd.DataFrame):
    return e2t.compile_graph(edges, seed=0, quiet=True)


@pytest.fixture(name="small")
def _small():
    edges = pd.DataFrame(
        {"source": ["g1", HOSTILE, BREAKING, "p"], "target": ["p", "p", "p", "out & about"]}
    )
    return compiled(edges)


def wide(n: int) -> pd.DataFrame:
    """Inputs to sets to one output, each input in two sets."""
    rng = np.random.default_rng(0)
    sets = max(n // 3, 2)
    pairs = {(f"g{k}", f"set {s}") for k in range(n) for s in rng.integers(0, sets, 2)}
    pairs |= {(f"set {s}", "out") for s in range(sets)}
    return pd.DataFrame(sorted(pairs), columns=["source", "target"])


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


class _Attributes(HTMLParser):
    """Names of all attributes that a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


def test_the_page_runs_our_script_and_nothing_else(small, tmp_path: Path):
    model, artifact = small
    path = draw_graph(
        artifact, weights=e2t.edge_weights(model), path=tmp_path / "n.html", title="A <b> & c"
    )
    page = path.read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy)
    assert html.unescape(policy).startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "eval(",
        "fetch",
        "http",
        "Storage",
        "document.write",
    ):
        assert word not in scripts[0]
    reader = _Attributes()
    reader.feed(page)
    assert reader.names.isdisjoint({"src", "href", "onclick", "onerror", "action"})
    assert "<title>A &lt;b&gt; &amp; c</title>" in page


def test_a_hostile_name_is_text_wherever_it_stands(small):
    _, artifact = small
    markup = clickable_network(artifact, NodeFacts()).markup
    assert "<img" not in markup
    assert markup.count("</script>") == markup.count("<script") == 1
    data = data_of(markup)
    assert {HOSTILE, BREAKING, "out & about"} <= set(data["name"])
    assert f"<title>{html.escape(HOSTILE)}</title>" in markup


def test_missing_and_infinite_numbers_are_null(small):
    _, artifact = small
    scores = pd.DataFrame({"A": [0.5, np.nan], "B": [np.inf, -0.25]}, index=["p", "g1"])
    tests = pd.DataFrame({"q_use": [0.01], "q_specific": [np.nan], "found": [False]}, index=["p"])
    data = data_of(clickable_network(artifact, NodeFacts(scores, tests=tests)).markup)
    at = {name: k for k, name in enumerate(data["name"])}
    assert [column[at["p"]] for column in data["score"]] == [0.5, None]
    assert [column[at["g1"]] for column in data["score"]] == [None, -0.25]
    assert [column[at["p"]] for column in data["tests"]] == [0.01, None, False]
    assert [column[at["g1"]] for column in data["tests"]] == [None, None, None]
    assert set(data["w"]) == {None}


def test_what_is_found_is_in_the_picture_and_the_page_says_what_is_not():
    model, artifact = compiled(wide(900))
    names = [f"set {k}" for k in range(300)]
    rng = np.random.default_rng(0)
    scores = pd.DataFrame({"y": rng.normal(size=300)}, index=names)
    least = scores["y"].abs().nsmallest(3).index
    tests = pd.DataFrame({"q_use": 0.5, "q_specific": 0.5, "found": False}, index=names)
    tests.loc[least] = [0.001, 0.001, True]
    network = clickable_network(artifact, NodeFacts(scores, tests=tests), e2t.edge_weights(model))
    data = data_of(network.markup)
    drawn = data["name"][: data["drawn"]]
    assert len(drawn) <= 300
    assert set(least) <= set(drawn)
    assert network.markup.count('class="n found"') == 3
    assert network.markup.count('<path class="e') <= 1000
    assert (
        "In the picture: 300 of 1,201 nodes, the found ones and then in each layer"
        in network.markup
    )
    drawn_edges, all_edges = len(data["drawnEdges"][0]), len(artifact.graph.active_rows)
    assert f"; the strongest {drawn_edges:,} of {all_edges:,} edges." in network.markup
    assert "thick border: found" in network.markup
    # a node that is not drawn is known all the same, with its neighbours
    assert len(data["name"]) == 1201
    other = data["drawn"] + 5
    assert other in data["s"] or other in data["t"]


def test_a_page_of_a_large_graph_stays_small_and_says_what_it_does_not_know():
    _, artifact = compiled(wide(9000))
    network = clickable_network(artifact, NodeFacts())
    data = data_of(network.markup)
    assert len(data["name"]) == 5000
    assert "The search knows 5,000 of 12,001 nodes." in network.markup
    assert len(network.markup) + len(network.script) + len(network.style) < 1_000_000


def test_scores_signs_and_q_are_said_and_not_only_coloured(small):
    model, artifact = small
    tests = pd.DataFrame({"q_use": [0.01], "q_specific": [0.02], "found": [True]}, index=["p"])
    one = NodeFacts(pd.DataFrame({"y": [-0.42]}, index=["p"]), tests=tests)
    markup = clickable_network(artifact, one, e2t.edge_weights(model)).markup
    assert 'aria-label="p, score −0.42, q 0.02"' in markup
    assert "<tspan>− </tspan>p</text>" in markup
    several = NodeFacts(pd.DataFrame({"A": [-0.4], "B": [0.2]}, index=["p"]))
    markup = clickable_network(artifact, several).markup
    assert 'aria-label="p, score 0.3"' in markup  # a mean magnitude has no sign
    assert "<tspan></tspan>p</text>" in markup
    assert "net-q" not in markup  # nothing was tested
    assert "<option>A</option><option>B</option>" in markup


def test_text_on_every_colour_can_be_read():
    for share in [*np.linspace(-1, 1, 81), np.nan]:
        fill = colour(float(share))
        light = [_luminance(fill), 0.0 if ink(fill) == "#000" else 1.0]
        assert (max(light) + 0.05) / (min(light) + 0.05) >= 4.5
    assert [colour(x) for x in (-1.0, 0.0, 1.0)] == ["#2166ac", "#f7f7f7", "#b2182b"]


def _luminance(fill: str) -> float:
    parts = [int(fill[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("sizes", [(145, 145, 10), (3, 1), (300,), (1, 1, 1, 1, 1, 1), (40, 2, 40)])
def test_no_box_touches_another_and_all_are_inside(sizes: tuple[int, ...]):
    layer = np.repeat(np.arange(len(sizes)), sizes)
    labels = [f"node number {k}" * (1 + k % 2) for k in range(len(layer))]
    none = np.array([], np.int64)
    place = wrap_layers(layer, none, none, labels, ["words"] * len(sizes), 10.0)
    across = np.abs(place.x[:, None] - place.x) - (place.width[:, None] + place.width) / 2
    down = np.abs(place.y[:, None] - place.y) - BOX
    apart = (across > 0) | (down > 0)
    np.fill_diagonal(apart, True)
    assert apart.all()
    assert (place.x - place.width / 2 >= 0).all()
    assert (place.x + place.width / 2 <= place.size[0]).all()
    assert (place.y + BOX / 2 <= place.size[1]).all()
    assert [len(np.unique(place.x[layer == k])) for k in range(len(sizes))][-1] >= 1
    order = [place.x[layer == k].mean() for k in range(len(sizes))]
    assert order == sorted(order)


def test_a_page_takes_no_axes_and_pictures_stay_as_they_were(small, tmp_path: Path):
    _, artifact = small
    with pytest.raises(e2t.Edge2TorchError, match=r"takes no ax= and no engine='graphviz'"):
        draw_graph(artifact, path=tmp_path / "n.html", engine="graphviz")
    with pytest.raises(e2t.Edge2TorchError, match=r"'.svg', '.png', '.pdf', '.html'"):
        draw_graph(artifact, path=tmp_path / "n.htm")
    with pytest.raises(e2t.Edge2TorchError, match="not in the graph: 'zz'"):
        draw_graph(artifact, path=tmp_path / "n.html", scores={"zz": 1.0})
    assert draw_graph(artifact, path=tmp_path / "n.html") == tmp_path / "n.html"
