"""Labels of pairs of transcripts, all at once, from their sorted exons and coding parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.explain._gtf import Annotation

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FLAGS = (
    "first_exon_changed",
    "last_exon_changed",
    "internal_exon_difference",
    "cds_changed",
    "utr_changed",
    "biotype_switch",
    "coding_status_change",
)


@dataclass(frozen=True, eq=False)
class _Parts:
    """Intervals by transcript: ``offset`` (t + 1,) into ``start``, ``end`` and ``code`` (i,)."""

    offset: Ints
    start: Ints
    end: Ints
    code: Ints  # the same for the same interval

    def of(self, transcripts: Ints) -> tuple[Ints, Ints]:
        """Position in the list, and row, of every interval of some transcripts."""
        first, size = self.offset[transcripts], np.diff(self.offset)[transcripts]
        position = np.repeat(np.arange(len(transcripts)), size)
        # 0, 1, ... within each transcript: the running number less that of its first interval
        step = np.arange(len(position)) - np.repeat(np.cumsum(size) - size, size)
        return position, first[position] + step

    def length(self) -> Ints:
        """Bases of each transcript."""
        total = np.concatenate([[0], np.cumsum(self.end - self.start + 1)])
        return np.asarray(np.diff(total[self.offset]))


def _parts(transcript: Ints, start: Ints, end: Ints, count: int) -> _Parts:
    """Sort intervals by transcript and place."""
    order = np.lexsort((end, start, transcript))
    transcript, start, end = transcript[order], start[order], end[order]
    offset = np.searchsorted(transcript, np.arange(count + 1))
    # One number for an interval: the same start and end, the same code, for all transcripts at once.
    _, code = np.unique(start * (int(end.max(initial=0)) + 1) + end, return_inverse=True)
    return _Parts(offset, start, end, code)


class _Members(NamedTuple):
    """Of every interval of one side: its pair, its row, and whether the other side has it."""

    pair: Ints
    row: Ints
    both: Bools


def label_pairs(known: Annotation, a: Ints, b: Ints) -> pd.DataFrame:
    """All labels of pairs of transcripts, given as rows; both have exons and are of one gene."""
    count = len(known.transcripts)
    parts = known.parts
    owner, start, end = (
        parts[name].to_numpy(dtype=np.int64) for name in ("transcript", "start", "end")
    )
    is_cds = parts["is_cds"].to_numpy(dtype=bool)
    exons = _parts(owner[~is_cds], start[~is_cds], end[~is_cds], count)
    coding = _parts(owner[is_cds], start[is_cds], end[is_cds], count)
    outside = _untranslated(exons, coding, count)
    # Parts are sorted by place, so what a reader calls the first exon is the last on the minus strand.
    forward = (known.transcripts["strand"] != "-").to_numpy()
    head, tail = exons.offset[:-1], exons.offset[1:] - 1
    first, last = np.where(forward, head, tail), np.where(forward, tail, head)
    there, back = _members(exons, a, b), _members(exons, b, a)
    shared, either = _overlap(exons, a, b, there)
    biotype = known.transcripts["biotype"]
    is_known = biotype.notna().to_numpy()
    switch = pd.array(biotype.to_numpy()[a] != biotype.to_numpy()[b], dtype="boolean")
    switch[~(is_known[a] & is_known[b])] = pd.NA
    has_cds = np.diff(coding.offset) > 0
    flags = {
        "first_exon_changed": exons.code[first[a]] != exons.code[first[b]],
        "last_exon_changed": exons.code[last[a]] != exons.code[last[b]],
        "internal_exon_difference": _lacks_inner(exons, a, there) | _lacks_inner(exons, b, back),
        "cds_changed": _differs(coding, a, b),
        "utr_changed": _differs(outside, a, b),
        "biotype_switch": switch,
        "coding_status_change": has_cds[a] != has_cds[b],
    }
    numbers = {
        "transcript_length_delta": exons.length()[a] - exons.length()[b],
        "cds_length_delta": coding.length()[a] - coding.length()[b],
    }
    table = pd.DataFrame({**flags, **numbers})
    kinds = {**dict.fromkeys(FLAGS, "boolean"), **dict.fromkeys(numbers, "Int64")}
    return table.astype(kinds).assign(shared_exon_fraction=shared / np.maximum(either, 1))


def _untranslated(exons: _Parts, coding: _Parts, count: int) -> _Parts:
    """What coding transcripts have before and after their coding part."""
    some = np.flatnonzero(np.diff(coding.offset) > 0)
    low, high = coding.start[coding.offset[some]], coding.end[coding.offset[some + 1] - 1]
    position, rows = exons.of(some)
    start, end, low, high = exons.start[rows], exons.end[rows], low[position], high[position]
    before, after = start < low, end > high
    return _parts(
        np.concatenate([some[position][before], some[position][after]]),
        np.concatenate([start[before], np.maximum(start, high + 1)[after]]),
        np.concatenate([np.minimum(end, low - 1)[before], end[after]]),
        count,
    )


def _members(parts: _Parts, a: Ints, b: Ints) -> _Members:
    """Every interval of a, and whether b has it too."""
    pair_a, row_a = parts.of(a)
    pair_b, row_b = parts.of(b)
    # pair * width + code: equal exactly where both are of one pair and the interval is the same
    width = int(parts.code.max(initial=0)) + 1
    key_a, key_b = pair_a * width + parts.code[row_a], pair_b * width + parts.code[row_b]
    place = np.searchsorted(key_b, key_a)  # both ascend: intervals are sorted within a transcript
    # one more key at the end, for those that are beyond all of b's
    return _Members(pair_a, row_a, np.append(key_b, -1)[place] == key_a)


def _overlap(parts: _Parts, a: Ints, b: Ints, there: _Members) -> tuple[Ints, Ints]:
    """Intervals that both have, and that either has, by pair."""
    shared = np.bincount(there.pair[there.both], minlength=len(a))
    size = np.diff(parts.offset)
    return shared, size[a] + size[b] - shared


def _differs(parts: _Parts, a: Ints, b: Ints) -> Bools:
    shared, either = _overlap(parts, a, b, _members(parts, a, b))
    return np.asarray(shared != either)


def _lacks_inner(exons: _Parts, a: Ints, there: _Members) -> Bools:
    """Whether the other lacks an exon of a that is neither a's first nor its last."""
    pair, row = there.pair, there.row
    inner = (row > exons.offset[a][pair]) & (row < exons.offset[a + 1][pair] - 1)
    return np.asarray(np.bincount(pair[inner & ~there.both], minlength=len(a)) > 0)
