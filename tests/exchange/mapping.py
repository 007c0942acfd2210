"""What a reader of CX2 makes of a style: the rule by which Cytoscape takes a value from ranges."""

from __future__ import annotations

from typing import Any


def shown(style: dict[str, Any], part: str, name: str, attributes: dict[str, Any]) -> Any:
    """Value of a visual property of one node or edge; None where a range leaves a hole."""
    default = style["default"][part].get(name)
    mapping = style[f"{part}Mapping"].get(name)
    if mapping is None:
        return default
    how = mapping["definition"]
    value = attributes.get(how["attribute"])
    if value is None:
        return default
    if mapping["type"] == "PASSTHROUGH":
        return value
    if mapping["type"] == "DISCRETE":
        same = [
            row["vp"] for row in how["map"] if row["v"] == value and type(row["v"]) is type(value)
        ]
        return same[0] if same else default
    return between(how["map"], value)


def between(ranges: list[dict[str, Any]], value: float) -> Any:
    """Value of a continuous mapping; the first range that holds it gives it."""
    for one in ranges:
        low, high = one.get("min"), one.get("max")
        above = low is None or value > low or (one["includeMin"] and value == low)
        below = high is None or value < high or (one["includeMax"] and value == high)
        if not (above and below):
            continue
        if low is None:
            return one["maxVPValue"]
        if high is None:
            return one["minVPValue"]
        share = (value - low) / (high - low)
        return _mixed(one["minVPValue"], one["maxVPValue"], share)
    return None


def _mixed(first: Any, last: Any, share: float) -> Any:
    if not isinstance(first, str):
        return first + share * (last - first)
    ends = [[int(text[k : k + 2], 16) for k in (1, 3, 5)] for text in (first, last)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(*ends, strict=True))
