"""Names that fit the data's: versions, isoforms, species, prefixes and case; no dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, overload

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import as_names, join_rows, numbered
from edge2torch.priors._report import StepReport, step_report

_ACCESSION = r"(?:[OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z\d]{2}\d){1,2})"
_SPECIES = (
    "HUMAN|MOUSE|RAT|ARATH|BACSU|BOVIN|CAEEL|CANLF|CHICK|DANRE|DROME|ECOLI|HORSE|MACMU|MYCTU|"
    "PANTR|PIG|RABIT|SCHPO|SHEEP|XENLA|YEAST"
)
# What each rule takes for one name: the parts that stay, joined. HLA-A, MT-CO1 and NKX2-5 are no
# accessions; of ENSG….15_PAR_Y, the copy on the chromosome Y, the end stays.
_PATTERNS = {
    "prefix": r"(?:[a-z]{3,4}(?=:\d+$)|UniProt(?:KB)?|uniprot|ncbigene|GeneID|HGNC|hgnc(?:\.symbol)?|ensembl):(.+)",
    "species": rf"([A-Z\d]{{1,10}})_(?:{_SPECIES})",
    "version": r"(ENS[A-Z]*\d{11}|[NX][MRP]_\d+)\.\d+(_PAR_Y)?",
    "isoform": rf"({_ACCESSION})-\d+",
}


def _rule(pattern: str) -> Callable[[str], str]:
    fits = re.compile(pattern, re.ASCII).fullmatch
    return lambda name: "".join(filter(None, found.groups())) if (found := fits(name)) else name


_RULES: Mapping[str, Callable[[str], str]] = {
    **{rule: _rule(pattern) for rule, pattern in _PATTERNS.items()},
    "case": str.casefold,
}
_SAID = {
    "species": " A UniProt entry name is no gene symbol: P53_HUMAN is of TP53.",
    "case": " Symbols of mouse and human differ in case alone: are both of one species?",
}
# Genes that Excel takes for dates, by month, and what they are called today.
_GENES = {3: ("MARCHF", "MARCH"), 9: ("SEPTIN", "SEPT"), 12: ("DELEC", "DEC")}
_MONTHS = {"mar": 3, "sep": 9, "dec": 12}
_DATES = (
    re.compile(r"(?P<day>\d{1,2})[-/. ](?P<month>Mar|Sep|Dec)(?:[-/. ]\d{2,4})?", re.IGNORECASE),
    re.compile(r"(?P<month>Mar|Sep|Dec)[-/. ](?P<day>\d{1,2})", re.IGNORECASE),
    re.compile(r"(?:19|20)\d\d-(?P<month>\d\d)-(?P<day>\d\d)(?: 00:00:00)?"),
)
_DAY_ZERO, _DAYS = date(1899, 12, 30), re.compile(r"[345][0-9]{4}")  # as Excel counts them
_MOST_DAYS = 15  # no family has more genes


@overload
def clean_names(
    edges_or_names: EdgesLike, features: Any, *, rules: Literal["auto"] | Sequence[str] = "auto"
) -> tuple[pd.DataFrame, StepReport]: ...


@overload
def clean_names(
    edges_or_names: Iterable[str], features: Any, *, rules: Literal["auto"] | Sequence[str] = "auto"
) -> tuple[list[str], StepReport]: ...


def clean_names(
    edges_or_names: Any, features: Any, *, rules: Literal["auto"] | Sequence[str] = "auto"
) -> tuple[Any, StepReport]:
    """Let names fit the data's, where they differ in how they are written and in nothing else.

    A name that is a feature stays, so that no rule can lower how many features are found. No table
    of names is used: for other names, :func:`map_identifiers` takes one of yours.

    Parameters
    ----------
    edges_or_names : DataFrame, or list of str
        Columns ``source`` and ``target``; or names.
    features : list of names, DataFrame or AnnData
        The data's features, whose spelling is taken.
    rules : "auto", or list of str
        ``"prefix"`` (``hsa:5594``, ``UniProtKB:P04637``, ``HGNC:11998``), ``"species"``
        (``P53_HUMAN``), ``"version"`` (``ENSG00000141510.18``, ``NM_000546.6``; ``_PAR_Y`` stays),
        ``"isoform"`` (``P04637-2``, of UniProt's accessions alone), ``"case"``. ``"auto"`` takes all in
        this order and changes those names that come to be a feature; rules that are named change
        all names that they fit.

    Returns
    -------
    edges : DataFrame, or list of str
    report : StepReport
        How many features each rule found, and which names became one. Its ``table`` has a row per
        changed name: ``old``, ``new``, ``rules``.

    Raises
    ------
    Edge2TorchError
        For names that a spreadsheet has turned into dates, such as ``1-Mar``, with what they were;
        they cannot be told for sure, so take the file as it was before. For unknown rules.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["UniProtKB:P04637-2", "P38398"], "target": ["p", "p"]})
    >>> cleaned, report = clean_names(edges, ["P04637", "P38398"])
    >>> cleaned["source"].tolist()
    ['P04637', 'P38398']
    >>> report
    clean_names: 3 nodes, 2 edges
      1 name(s) were changed; 1 -> 2 of 2 feature(s) are found.
      isoform: 1 -> 2 feature(s), such as 'UniProtKB:P04637-2' -> 'P04637'.
    """
    wanted = list(dict.fromkeys(as_names(features, "features")))
    taken = list(_RULES) if isinstance(rules, str) and rules == "auto" else as_names(rules, "rules")
    for rule in taken:
        check_choice("rules", rule, _RULES)
    is_list = not (
        isinstance(edges_or_names, pd.DataFrame)
        or isinstance(getattr(edges_or_names, "edges", None), pd.DataFrame)
    )
    if is_list:
        given = as_names(edges_or_names, "edges_or_names")
        names = list(dict.fromkeys(given))
    else:
        graph = numbered(edges_or_names)
        names = list(graph.names)
    # five digits are a day in March, or an Entrez id: those of ids are not all days of three months
    days = all(_of_day(name) for name in (*names, *wanted) if name.isdigit())
    _refuse_dates(names, "edges_or_names", days)
    _refuse_dates(wanted, "features", days)
    new, applied, notes = _renamed(names, wanted, taken, only_found=rules == "auto")
    changed = {old: name for old, name in new.items() if old != name}
    table = pd.DataFrame(
        {
            "old": list(changed),
            "new": list(changed.values()),
            "rules": [", ".join(applied[old]) for old in changed],
        },
        dtype=object,
    )
    if is_list:
        sizes = ((len(names), len(set(new.values()))), (0, 0))
        return [new[name] for name in given], StepReport("clean_names", *sizes, notes, table)
    frame = graph.frame.assign(
        source=graph.frame["source"].map(new), target=graph.frame["target"].map(new)
    )
    loops = (frame["source"] == frame["target"]) & (graph.source != graph.target)
    if loops.any():
        notes += (f"{int(loops.sum()):,} edge(s) between nodes that are now one were dropped.",)
    joined = join_rows(frame[~loops])
    return joined.frame, step_report("clean_names", graph.frame, joined.frame, notes, table)


def _renamed(
    names: list[str], features: list[str], rules: list[str], *, only_found: bool
) -> tuple[dict[str, str], dict[str, list[str]], tuple[str, ...]]:
    """Return the new name of each, the rules that changed it, and sentences on what was done."""
    known = set(features)
    new = {name: name for name in names}
    applied: dict[str, list[str]] = {name: [] for name in names}
    lines: list[str] = []
    counts = [len(known & set(names))]
    for rule in rules:
        changed = _changes(
            {old: name for old, name in new.items() if name not in known}, features, rule
        )
        new |= changed
        for old in changed:
            applied[old].append(rule)
        counts.append(len(known & set(new.values())))
        if counts[-1] > counts[-2]:
            shown = listing([(old, name) for old, name in changed.items() if name in known], 2)
            lines.append(
                f"{rule}: {counts[-2]:,} -> {counts[-1]:,} feature(s), such as {shown}.{_SAID.get(rule, '')}"
            )
    if only_found:
        new = {old: name if name in known else old for old, name in new.items()}
    n_changed = sum(old != name for old, name in new.items())
    total = (
        f"{n_changed:,} name(s) were changed; {counts[0]:,} -> {counts[-1]:,} of {len(features):,} "
        "feature(s) are found."
    )
    return new, applied, (total, *lines, *_collisions(new))


def fitting_names(names: list[str], features: list[str]) -> list[tuple[str, str]]:
    """Return the names that some rule makes features, with these."""
    new = _renamed(names, list(dict.fromkeys(features)), list(_RULES), only_found=True)[0]
    return [(old, name) for old, name in new.items() if old != name]


def _changes(names: Mapping[str, str], features: list[str], rule: str) -> dict[str, str]:
    """Return what a rule makes of names, in the features' spelling where it leads to one."""
    key = _RULES[rule]
    # two features that the rule takes for one cannot be told apart, and are found by none
    written: dict[str, str | None] = {}
    for feature in features:
        plain = key(feature)
        written[plain] = None if plain in written else feature
    better = {
        old: written.get(key(name)) or (name if rule == "case" else key(name))
        for old, name in names.items()
    }
    return {old: name for old, name in better.items() if name != names[old]}


def _collisions(new: Mapping[str, str]) -> tuple[str, ...]:
    sources: dict[str, list[str]] = {}
    for old, name in new.items():
        sources.setdefault(name, []).append(old)
    one = [
        f"{', '.join(map(repr, old[:3]))}{' and more' if len(old) > 3 else ''} -> {name!r}"
        for name, old in sources.items()
        if len(old) > 1
    ]
    if not one:
        return ()
    more = f" and {len(one) - 5:,} more" if len(one) > 5 else ""
    return (f"{len(one):,} name(s) stand for several: {'; '.join(one[:5])}{more}.",)


def _refuse_dates(names: list[str], argument: str, days: bool) -> None:
    """Refuse names that a spreadsheet made of genes."""
    tested = {name: _of_date(name) or (_of_day(name) if days else None) for name in names}
    found = {name: gene for name, gene in tested.items() if gene is not None}
    if not found:
        return
    shown = ", ".join(f"{name!r} (probably {gene})" for name, gene in list(found.items())[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    raise Edge2TorchError(
        f"{argument}: a spreadsheet has turned {len(found):,} gene(s) into dates: {shown}{more}. Which "
        "they were cannot be told for sure. Take the file as it was before the spreadsheet saved it."
    )


def _of_date(name: str) -> str | None:
    for pattern in _DATES:
        if found := pattern.fullmatch(name):
            word = found["month"].lower()
            return _gene(_MONTHS.get(word) or int(word), int(found["day"]))
    return None


def _of_day(name: str) -> str | None:
    if not _DAYS.fullmatch(name):
        return None
    day = _DAY_ZERO + timedelta(days=int(name))
    return _gene(day.month, day.day)


def _gene(month: int, number: int) -> str | None:
    if month not in _GENES or not 1 <= number <= _MOST_DAYS:
        return None
    today, before = _GENES[month]
    return f"{today}{number}, once {before}{number}"
