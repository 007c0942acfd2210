"""GO-CAM models: which gene's activity acts on which other one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch.priors._documents import read_json_text, wrong
from edge2torch.priors._network import check_size, network_table, no_edges, without_names
from edge2torch.priors._rows import FilePath, bad_line

# The Relation Ontology's terms, direct and indirect. Of those that are missing here (provides input
# for, causally upstream of, regulates) none says up or down.
_POSITIVE = ("2629", "2304", "2213", "2409", "4047", "2406")
_NEGATIVE = ("2630", "2305", "2212", "2407", "4046", "2408")
_SIGNS = {f"RO:000{n}": 1 for n in _POSITIVE} | {f"RO:000{n}": -1 for n in _NEGATIVE}


def read_gocam(path: FilePath, *, quiet: bool = False) -> pd.DataFrame:
    r"""Read a GO-CAM model: an edge from what enables an activity to what enables the next.

    Parameters
    ----------
    path : str or path
        A model as JSON, as GO's pages and the package gocam write it.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign``, ``relation``, the term of the Relation Ontology, such as
        ``RO:0002629``, and labels as ``source_name`` and ``target_name``. Of a complex each member
        has the edge. Nothing is kept of who wrote the model.

    Raises
    ------
    Edge2TorchError
        With file and line for broken JSON; for a file that is no such model, or says of no two
        activities that one acts on the other.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("model.json").write_text('''{"id": "gomodel:1", "activities": [
    ... {"id": "a", "enabled_by": {"term": "UniProtKB:P1"}, "causal_associations":
    ...   [{"predicate": "RO:0002630", "downstream_activity": "b"}]},
    ... {"id": "b", "enabled_by": {"term": "UniProtKB:P2"}}]}''')
    >>> read_gocam("model.json", quiet=True)
             source        target  sign    relation
    0  UniProtKB:P1  UniProtKB:P2    -1  RO:0002630
    """
    file, model = read_json_text(path)
    activities = model.get("activities") if isinstance(model, dict) else None
    if not isinstance(activities, list) or not all(isinstance(one, dict) for one in activities):
        raise bad_line(
            file,
            1,
            "not a GO-CAM model: a list called 'activities' was expected. Models in the form of "
            "Minerva ('individuals', 'facts') are turned into it by the package gocam.",
        )
    enablers: dict[str, list[str]] = {}
    for activity in activities:
        number = _text(file, activity, "id")
        if number in enablers:
            raise wrong(file, "activities", f"the id {number!r} is there twice.")
        enablers[number] = _enablers(file, activity)
    labels = {
        one["id"]: one.get("label")
        for one in _list(file, model, "objects")
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    }
    left_out: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for activity in activities:
        for link in _list(file, activity, "causal_associations"):
            if not isinstance(link, dict):
                raise wrong(file, "causal_associations", "an object was expected.")
            sources = enablers[_text(file, activity, "id")]
            targets = enablers.get(_text(file, link, "downstream_activity"), [])
            if not sources or not targets:
                left_out["relation(s) with an activity that nothing enables"] += 1
                continue
            word = _text(file, link, "predicate")
            check_size(file, 1, len(rows) + len(sources) * len(targets), "")
            rows += [
                {
                    "source": one,
                    "target": two,
                    "sign": _SIGNS.get(word, 0),
                    "relation": word,
                    "source_name": _label(labels, one),
                    "target_name": _label(labels, two),
                }
                for one in sources
                for two in targets
            ]
    if not rows:
        raise no_edges(file, left_out, " Of no two activities it says that one acts on the other.")
    return without_names(network_table(file, rows, left_out, quiet=quiet))


def _enablers(file: Path, activity: dict[str, Any]) -> list[str]:
    """Return what enables an activity: of a complex its members, where they are listed."""
    by = activity.get("enabled_by")
    if not isinstance(by, dict):
        return []
    parts = _list(file, by, "has_part") or _list(file, by, "members")
    members = [part if isinstance(part, str) else _text(file, part, "term") for part in parts]
    term = by.get("term")
    found = members or ([term] if isinstance(term, str) else [])
    return list(dict.fromkeys(name.strip() for name in found if name.strip()))


def _list(file: Path, part: dict[str, Any], name: str) -> list[Any]:
    found = part.get(name)
    if found is not None and not isinstance(found, list):
        raise wrong(file, name, "a list was expected.")
    return found or []


def _text(file: Path, part: Any, name: str) -> str:
    found = part.get(name) if isinstance(part, dict) else None
    if not isinstance(found, str):
        raise wrong(file, f"an entry of {name!r}", "text was expected.")
    return found


def _label(labels: dict[str, Any], name: str) -> str | None:
    found = labels.get(name)
    return found.strip() or None if isinstance(found, str) else None
