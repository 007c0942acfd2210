"""The network in a browser: mouse, keyboard, screen reader, filters, paper, and nobody listening."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.plot import NodeFacts, clickable_network
from edge2torch.plot._svg import colour
from tests.browsing import CHROMIUM, Page
from tests.plot.test_clickable import HOSTILE, wide

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the PATH")

VIEW = "document.querySelector('svg').getAttribute('viewBox')"


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory):
    """A page of a graph with more nodes than are drawn, three of them found."""
    edges = wide(450)
    edges = edges.replace("g7", HOSTILE)
    model, artifact = e2t.compile_graph(edges, seed=0, quiet=True)
    rng = np.random.default_rng(0)
    names = artifact.graph.node_names[artifact.graph.node_names != "out"]
    scores = pd.DataFrame(rng.normal(size=(len(names), 2)), names, ["B", "T"])
    scores.loc[HOSTILE] = 5.0
    tests = pd.DataFrame(
        {"q_use": 0.5, "q_specific": 0.5, "found": False}, index=[f"set {k}" for k in range(150)]
    )
    tests.loc[["set 3", "set 30", "set 77"]] = [0.001, 0.02, True]
    tests.loc[["set 5"]] = [0.001, 0.07, False]
    network = clickable_network(
        artifact, NodeFacts(scores, tests=tests), e2t.edge_weights(model), max_edges=150
    )
    path = tmp_path_factory.mktemp("page") / "n.html"
    path.write_text(network.page("Network"), encoding="utf-8")
    return path, scores, artifact


@pytest.fixture(scope="module", name="page")
def _page(made, tmp_path_factory: pytest.TempPathFactory):
    with Page(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(autouse=True)
def _fresh(made, page: Page):
    """Every test starts with the page as it opens; none leaves a word or a request behind."""
    page.open(made[0])
    page.settle()
    yield
    assert [url for url in page.requests if not url.startswith("data:")] == [made[0].as_uri()]
    assert page.said == []


def panel(page: Page) -> str:
    return str(page.eval("document.querySelector('.net-panel').innerText"))


def node(page: Page, name: str) -> str:
    """A selector for a node of this name, by its title."""
    k = page.eval(
        "[...document.querySelectorAll('.n')].findIndex(n => "
        f"n.querySelector('title').textContent === {name!r})"
    )
    assert k >= 0
    page.eval("document.querySelector('#wanted')?.removeAttribute('id')")
    page.eval(f"document.querySelectorAll('.n')[{k}].id = 'wanted'")
    return "#wanted"


def test_a_click_tells_of_a_node_and_typing_its_name_tells_the_same(page: Page):
    page.click(node(page, "set 3"))
    said = panel(page)
    assert "set 3" in said
    assert re.search(r"q, use\s+0.001", said)
    assert re.search(r"q, specific\s+0.02", said)
    assert re.search(r"found\s+yes", said)
    assert "Edges in, by weight" in said
    page.press("Escape")
    assert "Click a node" in panel(page)
    page.click(".net-search")
    page.type("SET 3")
    options = page.eval("[...document.querySelectorAll('[role=option]')].map(o => o.textContent)")
    assert options[0] == "set 3"
    assert len(options) <= 20
    page.press("Enter")
    assert panel(page) == said
    assert "cannot be told from controls" not in said
    page.click("[data-zoom=all]")
    page.click(node(page, "set 5"))
    assert "cannot be told from controls" in panel(page)


def test_a_node_that_is_not_drawn_is_found_and_leads_to_its_neighbours(page: Page):
    name = page.eval(
        "(d => d.name[d.drawn + 3])(JSON.parse(document.querySelector('script[type]').textContent))"
    )
    page.click(".net-search")
    page.type(name)
    assert "not in the picture" in page.eval("document.querySelector('.net-list').textContent")
    page.press("Enter")
    assert "Not in the picture." in panel(page)
    page.click(".net-panel li button")
    assert "Not in the picture." not in panel(page)
    assert page.eval("document.querySelectorAll('.n.self').length") == 1


def test_the_filter_leaves_as_many_as_were_found_and_says_so(page: Page):
    def choose(value: str) -> str:
        page.eval(
            f"(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('change')); }})"
            "(document.querySelector('.net-q'))"
        )
        return str(page.eval("document.querySelector('.net-count').textContent"))

    assert choose("0.05") == "3 of 300 nodes shown"
    assert page.eval("document.querySelectorAll('.n:not(.pale)').length") == 3
    assert page.eval("document.querySelectorAll('.e:not(.gone)').length") > 0
    assert choose("0.1") == "4 of 300 nodes shown"
    assert choose("") == "300 of 300 nodes shown"


def test_a_class_has_its_own_colours_signs_and_ranks(page: Page, made):
    scores = made[1]
    page.click(node(page, "set 3"))
    page.eval(
        "(s => { s.selectedIndex = 2; s.dispatchEvent(new Event('change')); })"
        "(document.querySelector('.net-class'))"
    )
    score = scores.loc["set 3", "T"]
    said = panel(page).replace("−", "-")
    assert float(re.search(r"score\s+([-+.\d]+) \(T\)", said).group(1)) == pytest.approx(
        score, rel=0.05
    )
    sets = scores.loc[made[2].topology.hidden, "T"].abs().rank(ascending=False)
    assert re.search(rf"rank\s+{int(sets['set 3'])}\b", said)
    label = page.eval("document.querySelector('#wanted').getAttribute('aria-label')")
    assert label.startswith(f"set 3, score {'+' if score > 0 else '−'}")
    assert " to T" in page.eval("document.querySelector('.net-legend').textContent")


def test_the_keyboard_reaches_every_part(page: Page):
    page.eval("document.querySelector('[data-zoom=all]').focus()")
    page.press("Tab")
    first = page.eval("document.activeElement.getAttribute('class')")
    assert first.split()[0] == "n"
    page.press("ArrowDown", "ArrowRight")
    assert page.eval("document.activeElement.getAttribute('aria-label')").startswith("set")
    assert page.eval("document.querySelectorAll('.n[tabindex=\"0\"]').length") == 1
    page.press("Enter")
    assert page.eval("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert "set" in panel(page)
    page.press("Escape")
    assert "Click a node" in panel(page)


def test_a_screen_reader_hears_every_node(page: Page):
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    buttons = [one["name"]["value"] for one in tree if one.get("role", {}).get("value") == "button"]
    assert len([name for name in buttons if ", score " in name]) >= 299
    assert any(re.search(r"set 3, score .*, q 0.02", name) for name in buttons)


def test_a_hostile_name_does_nothing(page: Page):
    page.click(node(page, HOSTILE))
    assert HOSTILE in panel(page)
    assert page.eval("document.querySelectorAll('img').length") == 0
    page.eval(
        "document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.bad = 1\">x</b>')"
    )
    page.eval("document.querySelector('b').click()")
    assert page.eval("window.bad") is None
    page.events.clear()  # the browser says that it has refused it
    page.open(Path(page.eval("decodeURI(location.pathname)")))


def test_the_wheel_scrolls_the_page_unless_the_picture_has_the_focus(page: Page):
    before = page.eval(VIEW)
    x, y = page.eval(
        "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector('svg').getBoundingClientRect())"
    )

    def wheel(**options: int) -> str:
        page.call(
            "Input.dispatchMouseEvent",
            type="mouseWheel",
            x=x,
            y=y,
            deltaX=0,
            deltaY=-100,
            **options,
        )
        return str(page.eval(VIEW))

    assert wheel() == before
    assert wheel(modifiers=2) != before  # with Ctrl
    page.click("[data-zoom=all]")
    assert page.eval(VIEW).split()[2:] == [f"{float(part):.1f}" for part in before.split()[2:]]
    page.eval("document.querySelector('.n').focus()")
    assert wheel() != before


def test_a_selected_node_shows_all_of_its_edges(page: Page, made):
    artifact = made[2]
    page.click(node(page, "out"))
    drawn = set(page.eval("[...document.querySelectorAll('.n title')].map(t => t.textContent)"))
    sources = set(artifact.topology.parents("out")) & drawn
    near = set(page.eval("[...document.querySelectorAll('.n.near title')].map(t => t.textContent)"))
    assert near == sources | {"out"}
    assert page.eval("document.querySelectorAll('.e.near').length") == len(sources)
    page.press("Escape")
    assert page.eval("document.querySelectorAll('.more').length") == 0


def test_dragging_moves_the_picture_and_selects_nothing_on_any_screen(page: Page):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=420,
        height=880,
        deviceScaleFactor=1,
        mobile=False,
    )
    page.click("[data-zoom=in]")
    box = "(b => [b.x + b.width / 2, b.y + b.height / 2, b.height])"
    x, y, height = page.eval(f"{box}(document.querySelector('svg').getBoundingClientRect())")
    assert height > 150  # it has not given way to the panel
    before = [float(part) for part in page.eval(VIEW).split()]
    ways = (("mousePressed", 0), ("mouseMoved", 20), ("mouseMoved", 60), ("mouseReleased", 60))
    for kind, by in ways:
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x + by,
            y=y,
            button="left",
            buttons=1,
            clickCount=1,
        )
    after = [float(part) for part in page.eval(VIEW).split()]
    assert after[0] < before[0]
    assert after[2:] == before[2:]
    assert page.eval("document.querySelectorAll('.n.self').length") == 0
    page.call("Emulation.clearDeviceMetricsOverride")


def test_on_paper_there_are_no_controls_and_nothing_is_selected(page: Page, tmp_path: Path):
    page.click(node(page, "set 3"))
    page.eval("window.dispatchEvent(new Event('beforeprint'))")
    assert page.eval("document.querySelectorAll('.n.self').length") == 0
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = page.eval(
        "['.net-controls', '.net-panel'].map(s => getComputedStyle(document.querySelector(s)).display)"
    )
    omitted = page.eval("getComputedStyle(document.querySelector('.net-omitted')).display")
    page.call("Emulation.setEmulatedMedia", media="")
    assert hidden == ["none", "none"]
    assert omitted == "block"
    page.pdf(tmp_path / "page.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes())) == 1


def test_without_scripts_the_picture_is_there(page: Page, made):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(made[0])
    height = page.eval("document.querySelector('svg').getBoundingClientRect().height")
    controls = page.eval("getComputedStyle(document.querySelector('.net-controls')).display")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert height > 200
    assert controls == "none"


def test_dark_and_light_keep_enough_contrast(page: Page):
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        parts = page.eval(
            "(n => [getComputedStyle(n).color, getComputedStyle(n.querySelector('.net-picture')).backgroundColor])"
            "(document.querySelector('.net'))"
        )
        lights = sorted(sum(map(int, re.findall(r"\d+", part)[:3])) for part in parts)
        assert lights[1] - lights[0] > 500
    page.scheme("light")


def test_the_border_of_a_found_node_stands_out_from_its_fill_and_from_the_page(page: Page):
    """Black from every fill that a score can have; the ring round it from the page, and in the dark from the black."""

    def light(text: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", text)[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(one: str, other: str) -> float:
        low, high = sorted([light(one), light(other)])
        return (high + 0.05) / (low + 0.05)

    colours = """(() => {
        const of = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
        return [of(".n.found rect", "stroke"), of(".n.found .r", "stroke"), of(".net-picture", "backgroundColor"),
            of(".net-thick", "borderTopColor"), of(".net-thick", "outlineColor"), of(".net-thick", "backgroundColor")];
    })()"""
    fills = [colour(share) for share in np.linspace(-1, 1, 21)]
    as_numbers = [f"{int(f[1:3], 16)} {int(f[3:5], 16)} {int(f[5:], 16)}" for f in fills]
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        border, ring, paper, *chip = page.eval(colours)
        assert min(contrast(border, fill) for fill in as_numbers) >= 3
        assert contrast(ring, paper) >= 4.5
        assert chip[:2] == [border, ring]
        assert contrast(chip[0], chip[2]) >= 4.5
        if scheme == "dark":
            assert contrast(ring, border) >= 4.5
    page.scheme("light")
    rings = "[...document.querySelectorAll('.n .r')].every(r => r.parentNode.classList.contains('found'))"
    assert page.eval(rings)
