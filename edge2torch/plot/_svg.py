"""A network as SVG that stands in a page: shapes that can be named, coloured and found again."""

from __future__ import annotations

from html import escape

import numpy as np

from edge2torch.plot._style import NEGATIVE, POSITIVE
from edge2torch.plot._subgraph import Subgraph
from edge2torch.plot._wrapped import BOX, Wrapped

FONT = 10.0
NO_SCORE = "#dde1e8"
_WHITE = "#f7f7f7"
_RING = 1.7  # between a box and the ring of a found one; rings of rows that follow do not touch
_LOOP = 36.0  # how far an edge leaves a box before it turns
LARGEST = 1.6  # a small network does not fill the screen with huge letters


def svg(
    graph: Subgraph,
    layout: Wrapped,
    labels: list[str],
    full: list[str],
    spoken: list[str],
    headers: list[str],
    found: list[bool],
    *,
    name: str,
    is_signed: bool,
) -> str:
    """Return the ``<svg>``, edges first, so that boxes lie on them; elements in the graph's order."""
    width, height = layout.size
    limit = np.nanmax(np.abs(graph.score)) if np.isfinite(graph.score).any() else 1.0
    parts = [
        (
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="group" aria-label="{escape(name)}" '
            f'xmlns="http://www.w3.org/2000/svg" font-size="{FONT:g}" '
            f'style="max-width: {LARGEST * width:.0f}px">'
        )
    ]
    for x, header in zip(layout.head_x, headers, strict=True):
        parts += [f'<text class="h" x="{x:.1f}" y="18">{escape(header)}</text>']
    parts += ["<g>", *_edges(graph, layout), "</g>", "<g>"]
    for k, label in enumerate(labels):
        fill = colour(float(graph.score[k]) / float(limit) if limit else 0.0)
        sign = sign_of(float(graph.score[k])) if is_signed else ""
        x, y, w = layout.x[k], layout.y[k], layout.width[k]
        parts += [
            (
                f'<g class="n{" found" if found[k] else ""}{" out" if graph.is_output[k] else ""}" '
                f'role="img" aria-label="{escape(spoken[k])}"><title>{escape(full[k])}</title>'
                f'<rect x="{x - w / 2:.1f}" y="{y - BOX / 2:.1f}" width="{w:.1f}" height="{BOX:g}" '
                f'rx="4" fill="{fill}"/>'
                f'<text x="{x:.1f}" y="{y + 3.5:.1f}" fill="{ink(fill)}"><tspan>{sign}</tspan>'
                f"{escape(label)}</text>{_ring(x, y, w) if found[k] else ''}</g>"
            )
        ]
    return "".join([*parts, "</g></svg>"])


def _ring(x: float, y: float, width: float) -> str:
    """A second border round a found node: no one colour stands out from every fill and from a dark page."""
    left, top = x - width / 2 - _RING, y - BOX / 2 - _RING
    return (
        f'<rect class="r" x="{left:.1f}" y="{top:.1f}" width="{width + 2 * _RING:.1f}" '
        f'height="{BOX + 2 * _RING:g}" rx="6"/>'
    )


def _edges(graph: Subgraph, layout: Wrapped) -> list[str]:
    """A curve per edge: thick where it is strong, dashed where its weight is negative."""
    start = layout.x[graph.source] + layout.width[graph.source] / 2
    end = layout.x[graph.target] - layout.width[graph.target] / 2
    y0, y1 = layout.y[graph.source], layout.y[graph.target]
    back = end <= start
    bend = np.where(back, _LOOP, np.maximum(_LOOP, np.abs(end - start) * 0.35))
    kind = np.where(np.isnan(graph.weight), "u", np.where(graph.weight < 0, "m", "p"))
    known = ~np.isnan(graph.weight)
    width = np.where(known, 0.4 + 1.8 * graph.strength, 0.6)
    opacity = np.where(known, 0.12 + 0.5 * graph.strength, 0.3)
    # what leads back has a head: its ends do not tell the way
    heads = ["m-5 -3l5 3l-5 3" if leads_back else "" for leads_back in back]
    return [
        f'<path class="e {kind[k]}" d="M{start[k]:.1f} {y0[k]:.1f}C{start[k] + bend[k]:.1f} '
        f'{y0[k]:.1f} {end[k] - bend[k]:.1f} {y1[k]:.1f} {end[k]:.1f} {y1[k]:.1f}{heads[k]}" '
        f'stroke-width="{width[k]:.2f}" opacity="{opacity[k]:.2f}"/>'
        for k in range(len(graph.source))
    ]


def colour(share: float) -> str:
    """Blue for -1, near white for 0, red for 1; grey where there is no score."""
    if np.isnan(share):
        return NO_SCORE
    ends = [_parts(_WHITE), _parts(POSITIVE if share > 0 else NEGATIVE)]
    size = min(abs(share), 1.0)
    return "#" + "".join(f"{round(a + size * (b - a)):02x}" for a, b in zip(*ends, strict=True))


def ink(fill: str) -> str:
    """Black or white, whichever stands out more: at least 4.5 to 1 on any colour."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (one / 255 for one in _parts(fill))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"


def sign_of(score: float) -> str:
    """A sign for those who do not see the colour."""
    return "" if np.isnan(score) or score == 0 else "+ " if score > 0 else "− "


def _parts(text: str) -> list[int]:
    return [int(text[k : k + 2], 16) for k in (1, 3, 5)]
