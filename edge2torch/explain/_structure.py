"""How the two transcripts of a switch differ in structure."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice, check_type
from edge2torch._core.messages import listing, plural, warn
from edge2torch._core.versions import without_version
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._gtf import Annotation, read_gtf
from edge2torch.explain._labels import FLAGS, label_pairs
from edge2torch.netmodules import NetworkModules

_PAIR = ("gene_id", "transcript_id_a", "transcript_id_b")
_SIDES = _PAIR[1:]
_TEXT = {"place": object, "status": object}
_PLACE = ("gene_id", "seqname", "strand")


def annotate_structure(
    gtf: str | os.PathLike[str],
    pairs: pd.DataFrame | NetworkModules,
    *,
    by: Literal["pair", "transcript"] = "pair",
    plain_ids: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    r"""Say how the transcripts of each pair differ: exons, coding part, biotype, length.

    A transcript is looked up by its id; where the file does not have it and the id is one of
    Ensembl, GENCODE or RefSeq, by its id without the version (``.4``), if exactly one transcript of
    the file has that, and it is not the other transcript of the pair. A warning says so. A number
    after the dot of other ids (``AT1G01010.2``) is part of the name.

    The same transcript on two sequences (chrX and chrY) or strands, or in two genes, is two
    structures: a pair has a row for each place that both transcripts are at. Exons are the same when both
    ends are. An inner exon makes a difference when the other transcript does not have it at all.
    The untranslated part is what a coding transcript has outside its coding part; stop codons
    belong to it where the file's CDS rows leave them out, as GENCODE's do.

    Parameters
    ----------
    gtf : path
        Gene annotation with ``exon`` and ``CDS`` rows, gzipped or not.
    pairs : DataFrame or NetworkModules
        ``gene_id``, ``transcript_id_a``, ``transcript_id_b``, as ``NetworkModules.switch_pairs`` makes them,
        which is asked of a fit.
    by : {"pair", "transcript"}
        A row per pair and place, or per transcript and place: ``n_pairs`` (with status ``ok``),
        whether each kind of change is in any of them, and the mean ``shared_exon_fraction``.
    plain_ids : bool, default False
        Look up what stands before the first bar: ``ENST1.2`` of ``ENST1.2|ENSG1.1|...``.
    cache_dir : path, optional
        Where the parsed file is kept, under a hash of its content.
    progress : callable, optional
        Called with bytes read and bytes in all.

    Returns
    -------
    DataFrame
        The pairs, in their order, a row for each place that both are at: ``first_exon_changed``, ``last_exon_changed``,
        ``internal_exon_difference``, ``cds_changed``, ``utr_changed``, ``biotype_switch``,
        ``coding_status_change`` (true, false, or missing where it is not known),
        ``transcript_length_delta`` and ``cds_length_delta`` (a less b, bases),
        ``shared_exon_fraction`` (of the exons of either), ``status``: ``ok``,
        ``unknown transcript``, ``same transcript``, ``different genes``, ``different places`` or
        ``no exons``, and ``place``, such as ``chrX:+``, where there is one.

    Raises
    ------
    Edge2TorchError
        For a file that is missing, not a GTF, has spaces for tabs, or ends early, and when it knows
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
    check_choice("by", by, ("pair", "transcript"))
    if isinstance(pairs, NetworkModules):
        pairs = pairs.switch_pairs()
    check_type(
        "pairs", pairs, pd.DataFrame, f"a fit of modules, or a DataFrame with {listing(_PAIR)}"
    )
    if missing := [name for name in _PAIR if name not in pairs]:
        raise Edge2TorchError(
            f"pairs lacks column(s) {listing(missing)}. It needs {listing(_PAIR)}."
        )
    known = read_gtf(gtf, cache_dir=cache_dir, progress=progress)
    pairs = pairs.reset_index(drop=True)
    code, names = pd.factorize(known.transcripts["transcript_id"].astype(str))
    # one by one: of a column without an id pandas makes text in one release and numbers in the next
    asked = [pd.Series([str(name) for name in pairs[side]], dtype=object) for side in _SIDES]
    unbarred = [ids.str.split("|").str[0] for ids in asked]
    if plain_ids:
        asked = unbarred
    found = find_transcripts(names, asked)
    hint = ""
    if (found < 0).any() and (
        gain := int((find_transcripts(names, unbarred) >= 0).sum() - (found >= 0).sum())
    ):
        hint = f"{gain:,} are there by what stands before the bar: plain_ids=True looks them up so."
    if len(pairs) and (found < 0).all():
        raise Edge2TorchError(
            f"gtf: {os.fspath(gtf)!r} has none of the transcripts {listing(pairs[_SIDES[0]])}; its "
            f"own are called {listing(known.transcripts['transcript_id'], 3)}. "
            + (hint or "Take the annotation that the counts were made with.")
        )
    if hint:
        warn(f"gtf: of the transcripts that it does not have, {hint}")
    _warn_of_versions(asked, found, names)
    rows = _at_places(known, code, found)
    has_exons = np.zeros(len(known.transcripts), dtype=bool)
    has_exons[known.parts.loc[~known.parts["is_cds"], "transcript"]] = True
    bare = rows["status"].eq("ok") & ~(has_exons[rows["a"]] & has_exons[rows["b"]])
    status = rows["status"].mask(bare, "no exons")
    fine = np.flatnonzero(status == "ok")
    # Labels are made of the transcripts of the pairs alone: a file has many more.
    used, sides = np.unique(rows[["a", "b"]].to_numpy()[fine].T, return_inverse=True)
    labels = label_pairs(_only(known, used), *sides.reshape(2, -1)).set_index(fine)
    labels = labels.reindex(np.arange(len(rows)))
    new = [*labels.columns, "status", "place"]
    kept = pairs.drop(columns=new, errors="ignore").iloc[rows["pair"]].reset_index(drop=True)
    table = pd.concat([kept, labels], axis=1).assign(status=status, place=rows["place"])
    return table if by == "pair" else summarize_structure(table)


def summarize_structure(pairs: pd.DataFrame) -> pd.DataFrame:
    """Sum what :func:`annotate_structure` says of pairs up per transcript."""
    fine = pairs[pairs["status"] == "ok"]
    sides = [fine.assign(transcript_id=fine[side]) for side in _SIDES]
    by = pd.concat(sides).groupby(["transcript_id", "gene_id", "place"], sort=True)
    found = by.agg(
        n_pairs=("status", "size"),
        **{flag: (flag, "max") for flag in FLAGS},
        shared_exon_fraction=("shared_exon_fraction", "mean"),
    )
    return found.reset_index()


def find_transcripts(names: pd.Index, asked: list[pd.Series]) -> NDArray[np.int64]:
    """Index into names of each transcript of the pairs, (2, p), -1 where it is not there."""
    ids = pd.concat(asked, ignore_index=True)
    exact = names.get_indexer(pd.Index(ids)).astype(np.int64)
    rows = exact.copy()
    if len(open_ := np.flatnonzero(exact < 0)):
        bare = without_version(pd.Series(names))
        # without its version an id has to be that of a single transcript: versions may differ by exons
        once = np.flatnonzero(~bare.duplicated(keep=False))
        wanted = without_version(ids.iloc[open_])
        found = pd.Index(bare[once]).get_indexer(pd.Index(wanted))
        hit = found >= 0
        rows[open_[hit]] = once[found[hit]]
    found = rows.reshape(2, -1)
    # Two ids of a pair are two transcripts, so one that is found without its version is not the other.
    one = (found[0] == found[1]) & (asked[0] != asked[1]).to_numpy()
    found[:, one] = exact.reshape(2, -1)[:, one]
    return found


def _warn_of_versions(asked: list[pd.Series], found: NDArray[np.int64], names: pd.Index) -> None:
    ids, place = np.concatenate(asked), found.ravel()
    in_file = names.to_numpy(dtype=object)[place]
    other = (place >= 0) & (in_file != ids)
    if other.any():
        renamed = dict.fromkeys(zip(ids[other], in_file[other], strict=True))
        warn(
            f"{len(renamed)} transcript(s) were found without their version, in the file as: "
            f"{listing(renamed)}. Their exons may have changed in between; better take the "
            "annotation that the counts were made with."
        )


def _at_places(
    known: Annotation, code: NDArray[np.int64], found: NDArray[np.int64]
) -> pd.DataFrame:
    """A row per pair and place of both: ``pair``, rows ``a`` and ``b``, ``place``, ``status``."""
    pair = np.arange(found.shape[1])
    where = known.transcripts[list(_PLACE)].astype(str)
    where = where.assign(code=code, row=np.arange(len(where)))
    left, right = (
        pd.DataFrame({"pair": pair, "code": side}).merge(where, on="code") for side in found
    )
    both = left.merge(right, on=["pair", *_PLACE], suffixes=("_a", "_b"))
    both = pd.DataFrame(
        {
            "pair": both["pair"],
            "a": both["row_a"],
            "b": both["row_b"],
            "place": both["seqname"] + ":" + both["strand"],
            "status": "ok",
        }
    )
    # Only to tell why a pair has no place in common: another gene, or the same one elsewhere.
    one_gene = left.merge(right, on=["pair", "gene_id"])["pair"]
    unclear = (found < 0).any(axis=0) | (found[0] == found[1])
    reason = np.select(
        [(found < 0).any(axis=0), found[0] == found[1], ~np.isin(pair, one_gene)],
        ["unknown transcript", "same transcript", "different genes"],
        default="different places",
    )
    none = pd.DataFrame({"pair": pair, "a": 0, "b": 0, "place": None, "status": reason})
    parts = [both[~unclear[both["pair"]]], none[unclear | ~np.isin(pair, both["pair"])]]
    rows: pd.DataFrame = pd.concat([part.astype(_TEXT) for part in parts])
    return rows.sort_values(["pair", "a"], kind="stable", ignore_index=True)


def _only(known: Annotation, used: NDArray[np.int64]) -> Annotation:
    """The annotation of some transcripts, in their order."""
    place = np.full(len(known.transcripts), -1)
    place[used] = np.arange(len(used))
    owner = place[known.parts["transcript"].to_numpy()]
    parts = known.parts[owner >= 0].assign(transcript=owner[owner >= 0])
    return Annotation(known.transcripts.iloc[used].reset_index(drop=True), parts)


def structure_words(found: pd.DataFrame, n_asked: int) -> list[str]:
    """Say how many of the pairs are annotated, and which are not, reason by reason."""
    pair = ["gene_id", "transcript_id_a", "transcript_id_b"]
    fine = found.loc[found["status"] == "ok", pair]
    more = len(fine) - len(fine := fine.drop_duplicates())
    said = f"{plural('pair', n_asked)}, {len(fine):,} of them annotated"
    lines = [said + (f"; {plural('row', more)} more for further places." if more else ".")]
    for status, part in found[found["status"] != "ok"].groupby("status"):
        culprits = part[pair[1:]].itertuples(index=False, name=None)
        lines.append(f"  {status}: {listing(culprits)}")
    return lines
