"""Names short enough for a picture, cut so that what is left tells them apart."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_SEPARATORS = r"\s_/|:;,\-"
_WORD = re.compile(rf"[^{_SEPARATORS}]+[{_SEPARATORS}]*|[{_SEPARATORS}]+")
_SMALL = {
    "a",
    "an",
    "and",
    "at",
    "by",
    "for",
    "from",
    "in",
    "into",
    "of",
    "on",
    "or",
    "the",
    "to",
    "via",
    "with",
}
_FIRST = 100.0  # beyond any other weight: the word that tells two names apart


def short_labels(names: Iterable[object], width: int) -> list[str]:
    """Fit names into ``width`` characters; names that differ get labels that differ.

    Whole words are left out, ``…`` in their place, those first that most of the long names share:
    of HALLMARK_INTERFERON_ALPHA_RESPONSE and HALLMARK_INTERFERON_GAMMA_RESPONSE ALPHA and GAMMA
    stay, and then what stands beside them.
    """
    full = [" ".join(str(name).split()) for name in names]
    long = list(dict.fromkeys(name for name in full if len(name) > width))
    if not long:
        return full
    start = _common_start(long)
    # What all of the long names begin with goes from the others, too, unless that makes two alike.
    short = {name: f"…{name[len(start) :]}" for name in full if start and name.startswith(start)}
    labels = {name: short.get(name, name) for name in dict.fromkeys(full)}
    if len(set(labels.values())) < len(labels):
        labels, start = {name: name for name in labels}, ""
    skip = len(_WORD.findall(start))
    long = [name for name in labels if len(labels[name]) > width]
    words = {name: _WORD.findall(name) for name in long}
    times = Counter(word for own in words.values() for word in set(map(_bare, own)))
    weights = {
        name: [_weight(_bare(word), times, len(long)) for word in own]
        for name, own in words.items()
    }
    labels |= {name: _fit(own, weights[name], width, skip) for name, own in words.items()}
    for group in _alike(labels):
        shared = set.intersection(*(set(map(_bare, _WORD.findall(name))) for name in group))
        for name in set(group) & set(words):
            own = [
                weight + _FIRST * (_bare(word) not in shared)
                for word, weight in zip(words[name], weights[name], strict=True)
            ]
            labels[name] = _fit(words[name], own, width, skip)
    for group in _alike(labels):
        for name in set(group) & set(words):
            labels[name] = _around(name, [other for other in group if other != name], width)
    for group in _alike(labels):
        for number, name in enumerate(group, start=1):
            mark = f" ({number})"
            labels[name] = _ends(name, max(width - len(mark), 3)) + mark
    return [labels[name] for name in full]


def _common_start(names: Sequence[str]) -> str:
    """Words that all names begin with, of each of which something must be left."""
    first, *others = [_WORD.findall(name) for name in names]
    n = 0
    while others and all(
        n + 1 < len(own) and own[: n + 1] == first[: n + 1] for own in [first, *others]
    ):
        n += 1
    return "".join(first[:n])


def _alike(labels: dict[str, str]) -> list[list[str]]:
    """Names that share a label."""
    groups: dict[str, list[str]] = {}
    for name, label in labels.items():
        groups.setdefault(label, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _bare(word: str) -> str:
    return word.strip(" _/|:;,-").lower()


def _weight(word: str, times: Counter[str], n: int) -> float:
    """How much a word tells: the rarer among the names, the more; of words such as "of" little."""
    return math.log(n / times[word]) * (0.1 if word in _SMALL else 1.0)


def _fit(words: Sequence[str], weights: Sequence[float], width: int, skip: int = 0) -> str:
    """Keep words by weight, of equal ones those beside what is kept, as long as they fit.

    In at most two runs, unless a word is needed to tell names apart: more gaps cannot be read.
    """
    kept: set[int] = set()
    left = set(range(skip, len(words)))
    while left:
        best = min(
            left,
            key=lambda k: (-round(weights[k], 6), not {k - 1, k + 1} & kept if kept else False, k),
        )
        left.remove(best)
        more = kept | {best}
        runs = sum(k - 1 not in more for k in more)
        if len(_joined(words, more)) <= width and (runs < 3 or weights[best] >= _FIRST):
            kept = more
        elif not kept:  # one word that is too long by itself
            return _ends("".join(words), width)
    while edge := {
        k
        for k in kept
        if _bare(words[k]) in _SMALL and weights[k] < _FIRST and not {k - 1, k + 1} <= kept
    }:
        if edge == kept:
            break
        kept -= edge  # "of" before a gap says nothing
    return _joined(words, kept)


def _joined(words: Sequence[str], kept: set[int]) -> str:
    """Join what is kept, an ellipsis for every gap."""
    parts: list[str] = []
    for k, word in enumerate(words):
        if k in kept:
            parts.append(word if k + 1 in kept else word.rstrip(" _/|:;,-"))
        elif not parts or parts[-1] != "…":
            parts.append("…")
    return "".join(parts)


def _ends(name: str, width: int) -> str:
    """Cut in the middle."""
    if len(name) <= width:
        return name
    tail = (width - 1) * 2 // 5
    return f"{name[: width - 1 - tail].rstrip()}…{name[len(name) - tail :].lstrip()}"


def _around(name: str, others: Sequence[str], width: int) -> str:
    """Cut out where a name first differs from every one of the others."""
    same = max(
        next((k for k, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), len(other))
        for other in others
    )
    room = max(width - 2, 1)
    start = max(min(same - room // 2, len(name) - room), 0)
    end = start + room
    return f"{'…' if start else ''}{name[start:end]}{'…' if end < len(name) else ''}"
