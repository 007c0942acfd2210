"""What an artifact shows in a notebook."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t


def drawn(pairs, **options) -> tuple[str, ET.Element]:
    """The page and its drawing, parsed."""
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    page = e2t.compile_graph(edges, quiet=True, **options)[1]._repr_html_()
    start, end = page.index("<svg"), page.index("</svg>") + len("</svg>")
    return page, ET.fromstring(page[start:end])  # noqa: S314 - our own


def test_a_small_graph_is_drawn_node_by_node_and_names_are_escaped():
    page, svg = drawn([("<g1>", "p&q"), ("g2", "p&q"), ("p&q", "out"), ("g2", "out")])
    titles = {title.text for title in svg.iter("title")}
    assert titles == {"<g1>", "g2", "p&q", "out"}
    assert len(list(svg.iter("circle"))) == 4
    assert len(list(svg.iter("path"))) == 4
    assert [text.text for text in svg.iter("text")] == ["2", "1", "1"]
    assert "<g1>" not in page
    assert "&lt;g1&gt;" in page


def test_inputs_stand_left_and_nothing_leaves_the_picture():
    rng = np.random.default_rng(0)
    pairs = {(f"g{rng.integers(30)}", f"p{k}") for k in range(8) for _ in range(4)}
    pairs |= {(f"p{k}", "out") for k in range(8)}
    _, svg = drawn(sorted(pairs))
    at = {
        dot.find("title").text: (float(dot.get("cx")), float(dot.get("cy")))
        for dot in svg.iter("circle")
    }
    width, height = map(float, svg.get("viewBox").split()[2:])
    assert all(0 < x < width and 0 < y < height for x, y in at.values())
    assert max(x for name, (x, _) in at.items() if name.startswith("g")) < at["p0"][0]
    assert at["p0"][0] < at["out"][0]


@pytest.mark.parametrize("backend", ["recurrent", "gnn"])
def test_graphs_with_cycles(backend):
    _, svg = drawn([("g", "a"), ("a", "b"), ("b", "a"), ("b", "out")], backend=backend)
    assert len(list(svg.iter("circle"))) == 4
    assert len(list(svg.iter("path"))) == 4


def test_a_large_graph_is_shown_by_the_widths_of_its_layers():
    pairs = [(f"g{k}", f"p{k % 40}") for k in range(1000)] + [(f"p{k}", "out") for k in range(40)]
    page, svg = drawn(pairs)
    assert [text.text for text in svg.iter("text")] == ["1,000", "40", "1"]
    assert len(list(svg.iter("circle"))) == 0
    heights = [float(bar.get("height")) for bar in svg.iter("rect")]
    assert heights == sorted(heights, reverse=True)
    assert len(page) < 3000


def test_deep_graphs_show_their_first_layers():
    page, svg = drawn([(f"n{k}", f"n{k + 1}") for k in range(40)])
    assert "and 29 more layers" in page
    assert len(list(svg.iter("text"))) <= 10
