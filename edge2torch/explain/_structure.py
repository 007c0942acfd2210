"""How the two transcripts of a switch differ in structure."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.errors import Edge2TorchError, listing
from edge2torch.explain._gtf import Annotation, read_gtf

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
_NUMBERS = ("transcript_length_delta", "cds_length_delta", "shared_exon_fraction")
_PAIR = ("gene_id", "transcript_id_a", "transcript_id_b")
_SIDES = _PAIR[1:]
_VERSION = r"\.\d+$"


def annotate_structure(
    gtf: str | os.PathLike[str],
    pairs: pd.DataFrame,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    r"""Say how the transcripts of each pair differ: exons, coding part, biotype, length.

    A transcript is looked up by its id; where the file does not have it, by its id without the
    version (``.4``), if exactly one transcript of the file has that. Exons are the same when both
    ends are. An inner exon makes a difference when the other transcript does not have it at all.
    The untranslated part is what a coding transcript has outside its coding part; stop codons
    belong to it where the file's CDS rows leave them out, as GENCODE's do.

    Parameters
    ----------
    gtf : path
        Gene annotation with ``exon`` and ``CDS`` rows, gzipped or not.
    pairs : DataFrame
        ``gene_id``, ``transcript_id_a``, ``transcript_id_b``, as :func:`switch_pairs` makes them.
    cache_dir : path, optional
        Where the parsed file is kept, under a hash of its content.
    progress : callable, optional
        Called with bytes read and bytes in all.

    Returns
    -------
    DataFrame
        The pairs, in their order, with ``first_exon_changed``, ``last_exon_changed``,
        ``internal_exon_difference``, ``cds_changed``, ``utr_changed``, ``biotype_switch``,
        ``coding_status_change`` (true, false, or missing where it is not known),
        ``transcript_length_delta`` and ``cds_length_delta`` (a less b, bases),
        ``shared_exon_fraction`` (of the exons of either), and ``status``: ``ok``,
        ``unknown transcript``, ``different genes`` or ``no exons``.

    Raises
    ------
    Edge2TorchError
        For a file that is missing, no GTF, has spaces for tabs, or ends early, and when it knows
        none of the transcripts.

    Examples
    --------
    >>> rows = [("exon", 1, 100, "A.1"), ("exon", 201, 300, "A.1"), ("exon", 1, 100, "A.2")]
    >>> lines = [
    ...     f'chr1\tx\t{kind}\t{start}\t{end}\t.\t+\t.\tgene_id "A"; transcript_id "{name}";'
    ...     for kind, start, end, name in rows]
    >>> from pathlib import Path
    >>> _ = Path("genes.gtf").write_text("\n".join(lines) + "\n")
    >>> pairs = pd.DataFrame(
    ...     {"gene_id": ["A"], "transcript_id_a": ["A.1"], "transcript_id_b": ["A.2"]})
    >>> found = annotate_structure("genes.gtf", pairs)
    >>> found[["last_exon_changed", "transcript_length_delta", "shared_exon_fraction"]]
       last_exon_changed  transcript_length_delta  shared_exon_fraction
    0               True                      100                   0.5
    """
    if missing := [name for name in _PAIR if name not in pairs]:
        raise Edge2TorchError(
            f"pairs lacks column(s) {listing(missing)}. It needs {listing(_PAIR)}."
        )
    known = read_gtf(gtf, cache_dir=cache_dir, progress=progress)
    rows = [find_transcripts(known, pairs[side].astype(str)) for side in _SIDES]
    if len(pairs) and (np.maximum(*rows) < 0).all():
        raise Edge2TorchError(
            f"gtf: {os.fspath(gtf)!r} has none of the transcripts {listing(pairs[_SIDES[0]])}; its "
            f"own are called {listing(known.transcripts['transcript_id'], 3)}. Take the annotation "
            "that the counts were made with."
        )
    status = _status(known, *rows)
    fine = np.flatnonzero(status == "ok")
    used, own = np.unique([rows[0][fine], rows[1][fine]], return_inverse=True)
    labels = label_pairs(_only(known, used), *own.reshape(2, -1)).set_index(fine)
    labels = labels.reindex(np.arange(len(pairs)))
    kept = pairs.drop(columns=[*labels.columns, "status"], errors="ignore").reset_index(drop=True)
    return pd.concat([kept, labels], axis=1).assign(status=status)


def switch_pairs(loadings: pd.DataFrame) -> pd.DataFrame:
    """Pair, in each gene, the transcript that gains most in a switch with the one that loses most.

    Parameters
    ----------
    loadings : DataFrame
        ``transcript_id``, ``gene_id``, ``loading``, such as ``NetworkModules.loadings``.

    Returns
    -------
    DataFrame
        ``gene_id``, ``transcript_id_a`` (largest loading), ``transcript_id_b`` (smallest).

    Examples
    --------
    >>> switch_pairs(pd.DataFrame({
    ...     "transcript_id": ["A.1", "A.2", "A.3"], "gene_id": "A", "loading": [0.1, -0.8, 0.7]}))
      gene_id transcript_id_a transcript_id_b
    0       A             A.3             A.2
    """
    table = loadings.sort_values(["gene_id", "loading", "transcript_id"], kind="stable")
    ends = table.groupby("gene_id", sort=True)["transcript_id"].agg(["last", "first"])
    ends = ends[ends["last"] != ends["first"]].set_axis(list(_SIDES), axis=1)
    return ends.rename_axis("gene_id").reset_index()


def summarize_structure(pairs: pd.DataFrame) -> pd.DataFrame:
    """Sum pairs up per transcript.

    Parameters
    ----------
    pairs : DataFrame
        What :func:`annotate_structure` returned.

    Returns
    -------
    DataFrame
        ``transcript_id``, ``gene_id``, ``n_pairs`` (with status ``ok``), whether each kind of
        change is in any of them, and the mean ``shared_exon_fraction``.

    Examples
    --------
    >>> pairs = pd.DataFrame({
    ...     "gene_id": ["A"], "transcript_id_a": ["A.1"], "transcript_id_b": ["A.2"],
    ...     "status": ["ok"], "shared_exon_fraction": [0.5], **{flag: [True] for flag in FLAGS}})
    >>> summarize_structure(pairs)[["transcript_id", "n_pairs", "cds_changed"]]
      transcript_id  n_pairs  cds_changed
    0           A.1        1         True
    1           A.2        1         True
    """
    fine = pairs[pairs["status"] == "ok"]
    sides = [fine.assign(transcript_id=fine[side]) for side in _SIDES]
    by = pd.concat(sides).groupby(["transcript_id", "gene_id"], sort=True)
    found = by.agg(
        n_pairs=("status", "size"),
        **{flag: (flag, "max") for flag in FLAGS},
        shared_exon_fraction=("shared_exon_fraction", "mean"),
    )
    return found.reset_index()


def find_transcripts(known: Annotation, ids: pd.Series) -> Ints:
    """Row of each transcript, -1 where it is not there: by id, else by id without version."""
    own = pd.Index(known.transcripts["transcript_id"].astype(str))
    rows = own.get_indexer(pd.Index(ids)).astype(np.int64)
    open_ = np.flatnonzero(rows < 0)
    if len(open_):
        bare = own.str.replace(_VERSION, "", regex=True)
        once = np.flatnonzero(~bare.duplicated(keep=False))
        wanted = ids.iloc[open_].str.replace(_VERSION, "", regex=True)
        found = pd.Index(bare[once]).get_indexer(pd.Index(wanted))
        rows[open_[found >= 0]] = once[found[found >= 0]]
    return rows


def _only(known: Annotation, used: Ints) -> Annotation:
    """The annotation of some transcripts, in their order."""
    place = np.full(len(known.transcripts), -1)
    place[used] = np.arange(len(used))
    owner = place[known.parts["transcript"].to_numpy()]
    parts = known.parts[owner >= 0].assign(transcript=owner[owner >= 0])
    return Annotation(known.transcripts.iloc[used].reset_index(drop=True), parts)


def _status(known: Annotation, a: Ints, b: Ints) -> NDArray[np.object_]:
    genes = known.transcripts["gene_id"].to_numpy()
    has_exons = np.zeros(len(genes), dtype=bool)
    has_exons[known.parts.loc[~known.parts["is_cds"], "transcript"]] = True
    return np.select(
        [(a < 0) | (b < 0), genes[a] != genes[b], ~has_exons[a] | ~has_exons[b]],
        ["unknown transcript", "different genes", "no exons"],
        default="ok",
    ).astype(object)


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
    forward = (known.transcripts["strand"] != "-").to_numpy()
    head, tail = exons.offset[:-1], exons.offset[1:] - 1
    first, last = np.where(forward, head, tail), np.where(forward, tail, head)
    there, back = _members(exons, a, b), _members(exons, b, a)
    shared, either = _overlap(exons, a, b, there)
    biotype = known.transcripts["biotype"]
    told = biotype.notna().to_numpy()
    switch = pd.array(biotype.to_numpy()[a] != biotype.to_numpy()[b], dtype="boolean")
    switch[~(told[a] & told[b])] = pd.NA
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
    width = int(parts.code.max(initial=0)) + 1
    key_a, key_b = pair_a * width + parts.code[row_a], pair_b * width + parts.code[row_b]
    return _Members(pair_a, row_a, np.isin(key_a, key_b))


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
