"""GO-CAM models: from enabler to enabler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge2torch import Edge2TorchError, priors
from tests.priors.networks import rows


def test_activities_lead_from_enabler_to_enabler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def links(*pairs: str) -> list[dict[str, str]]:
        return [
            {"predicate": f"RO:{word}", "downstream_activity": to}
            for word, to in (pair.split() for pair in pairs)
        ]

    parts = [{"term": "P1"}, {"term": "P2"}]
    activities = [
        {"id": "a", "enabled_by": {"term": "GO:1", "has_part": parts}, "causal_associations": links("0002629 b")},
        {"id": "b", "enabled_by": {"term": "P3"},
         "causal_associations": links("0002407 d", "0002409 e", "0002413 c", "0002629 gone", "0002413 d")},
        {"id": "c"},
        {"id": "d", "enabled_by": {"term": "P4"}, "provenances": [{"contributor": ["somebody"]}]},
        {"id": "e", "enabled_by": {"term": "P5"}},
    ]  # fmt: skip
    model = {"activities": activities, "objects": [{"id": "P4", "label": "four"}]}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    edges = priors.read_gocam(path)
    assert rows(edges, "sign", "relation", "target_name") == [
        ("P1", "P3", 1, "RO:0002629", None),
        ("P2", "P3", 1, "RO:0002629", None),
        ("P3", "P4", -1, "RO:0002407|RO:0002413", "four"),  # indirectly negative
        ("P3", "P5", 1, "RO:0002409", None),  # indirectly positive
    ]
    assert (
        "left out: 2 relation(s) with an activity that nothing enables" in capsys.readouterr().out
    )
    path.write_text(json.dumps({"activities": [*activities, {"id": "a"}]}))
    with pytest.raises(Edge2TorchError, match="activities: the id 'a' is there twice"):
        priors.read_gocam(path)
