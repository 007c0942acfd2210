"""WikiPathways' drawings: lines on lines, groups, states, both dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import FILES, rows

CORNERS_OF_GPML = [
    ("ncbigene:1", "B beta", 0, "conversion"),
    ("chebi:CHEBI:3", "B beta", 1, "catalysis"),  # at an anchor: acts on the target of that line
    ("wikipathways:WP9", "B beta", 0, "input"),  # without a head, at an anchor
    ("B beta", "uniprot:P2", -1, "inhibition"),  # from a state, head on the first point, at a group
    ("B beta", "uniprot:P1", -1, "inhibition"),  # of a group in the group
    ("chebi:CHEBI:3", "uniprot:P2", 1, "inhibition"),  # inhibits that inhibition
    ("chebi:CHEBI:3", "uniprot:P1", 1, "inhibition"),
    ("ncbigene:1", "wikipathways:WP9", 0, "directed"),  # from an anchor: from the line's source
    ("ncbigene:1", "chebi:CHEBI:3", 0, "conversion"),  # heads on both ends: an edge each way
    ("chebi:CHEBI:3", "ncbigene:1", 0, "directed"),
]


@pytest.mark.parametrize("name", ["corners.gpml", "corners.2021.gpml"])
def test_every_odd_case_of_gpml_in_both_dialects(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edges = priors.read_gpml(FILES / name)
    assert rows(edges, "sign", "relation") == CORNERS_OF_GPML
    assert edges["target_name"].tolist()[:4] == ["B beta", "B beta", "B beta", "E"]
    said = capsys.readouterr().out
    assert "1 line(s) without a direction, 1 open end(s)" in said
    assert "3 end(s) at a label, a shape or nothing, 1 graphical line(s)" in said
    other = priors.read_gpml(FILES / name, names="label", groups="node", undirected="both")
    assert rows(other, "sign")[3] == ("B beta", "E|D", -1)
    assert rows(other)[-2:] == [("A", "E"), ("E", "A")]
    assert ("A again", "C") in rows(other)  # another label of the same entry


def test_lines_on_lines_without_end(tmp_path: Path) -> None:
    lines = "".join(
        f'<Interaction GraphId="i{k}"><Graphics><Point GraphRef="a"/>'
        f'<Point GraphRef="x{k + 1}" ArrowHead="TBar"/><Anchor GraphId="x{k}"/></Graphics></Interaction>'
        for k in range(3_000)
    )
    path = tmp_path / "deep.gpml"
    path.write_text(
        '<Pathway xmlns="http://pathvisio.org/GPML/2013a"><DataNode TextLabel="A" GraphId="a"/>'
        f"{lines}</Pathway>"
    )
    with pytest.raises(Edge2TorchError, match="parts refer to others over 100 deep"):
        priors.read_gpml(path, quiet=True)
