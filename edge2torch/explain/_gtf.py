"""Transcripts of a GTF file: their exons and coding parts."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.files import path_of, staging_dir
from edge2torch._core.gtf import Progress, attribute, gtf_blocks
from edge2torch._core.messages import listing, require
from edge2torch._core.parquet import read_parquet
from edge2torch.errors import Edge2TorchError

_PLACE = ("seqname", "strand")
_FEW_VALUES = (*_PLACE, "biotype")
_CHUNK = 1 << 20  # bytes hashed at once
_VERSION = 4  # of the cache


@dataclass(frozen=True, eq=False)
class Annotation:
    """Transcripts and their parts.

    ``transcripts``: ``transcript_id``, ``gene_id``, ``seqname``, ``strand``, ``biotype`` (missing
    where the file does not say), a row for each place of a transcript: the same id in two genes, on
    two sequences or strands is two structures; ``parts``: ``transcript`` (row of ``transcripts``), ``start``,
    ``end`` (1-based, both included), ``is_cds``.
    """

    transcripts: pd.DataFrame
    parts: pd.DataFrame


def read_gtf(
    path: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Annotation:
    """Read a GTF file, gzipped or not; with a cache, the same content is parsed only once."""
    require("pyarrow", extra="modules")
    file = path_of(path, "gtf")
    if not file.is_file():
        raise Edge2TorchError(f"gtf: there is no file {str(file)!r}.")
    if cache_dir is None:
        return _parse(file, progress)
    place = path_of(cache_dir, "cache_dir") / f"gtf-{_content_key(file)}-v{_VERSION}"
    if (kept := _load(place)) is not None:
        return kept
    found = _parse(file, progress)
    _keep(found, place)
    return found


def _content_key(file: Path) -> str:
    seen = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            seen.update(block)
    return seen.hexdigest()


def _load(place: Path) -> Annotation | None:
    """What the cache holds; None where it holds nothing that can be read."""
    with suppress(Edge2TorchError):
        names = ("transcripts", "parts")
        return Annotation(*(read_parquet(place / f"{name}.parquet") for name in names))
    return None


def _keep(found: Annotation, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    tables = {f"{name}.parquet": getattr(found, name) for name in ("transcripts", "parts")}
    with staging_dir(place.parent) as folder:
        for name, table in tables.items():
            table.to_parquet(folder / name, index=False)
        place.mkdir(exist_ok=True)
        for name in tables:
            (folder / name).replace(place / name)


def _parse(file: Path, progress: Progress | None) -> Annotation:
    blocks = gtf_blocks(file, "gtf", features=("exon", "CDS"), progress=progress)
    parts = [_parts_of(rows) for rows in blocks]
    if not sum(len(part) for part, _ in parts):
        raise Edge2TorchError(
            f"gtf: {str(file)!r} has no rows of type exon or CDS with a "
            "transcript_id. A GTF file of transcripts is needed; one of genes alone will not do."
        )
    return _collect(file, [part for part, _ in parts], [first for _, first in parts])


def _parts_of(rows: Any) -> tuple[Any, Any]:
    """Exons and coding parts of a block, and a row for each place of a transcript in it."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    named = [rows["transcript_id"], pc.fill_null(rows["gene_id"], ""), *(rows[k] for k in _PLACE)]
    # One key for a transcript at a place; a dictionary, so that text is compared once and not by row.
    keys = pc.binary_join_element_wise(*named, "\t").combine_chunks().dictionary_encode()
    codes = pd.Series(keys.indices.to_numpy(zero_copy_only=False))
    first = rows.take(pa.array((~codes.duplicated()).to_numpy().nonzero()[0]))
    heads = pa.table(
        {
            "key": keys.dictionary,
            "transcript_id": first["transcript_id"],
            **{name: first[name] for name in ("gene_id", *_PLACE)},
            "biotype": attribute(first["attributes"], "transcript_type", "transcript_biotype"),
        }
    )
    is_cds = pc.equal(rows["feature"], "CDS")
    columns = {"transcript": keys, "start": rows["start"], "end": rows["end"], "is_cds": is_cds}
    return pa.table(columns), heads


def _collect(file: Path, parts: list[Any], heads: list[Any]) -> Annotation:
    pa = require("pyarrow")
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    keys = table["transcript"].combine_chunks()
    transcripts = pa.concat_tables(heads).to_pandas().drop_duplicates("key")
    transcripts = transcripts.astype(dict.fromkeys(_FEW_VALUES, "category"))
    transcripts = transcripts.set_index("key").loc[keys.dictionary.to_pandas()]
    if homeless := transcripts.loc[transcripts["gene_id"].isna(), "transcript_id"].to_list():
        raise Edge2TorchError(
            f"gtf: {str(file)!r} has no gene_id for transcript(s) {listing(homeless)}."
        )
    frame = table.drop_columns("transcript").to_pandas()
    frame.insert(0, "transcript", keys.indices.to_numpy(zero_copy_only=False))
    # Bases of a chromosome fit into 32 bits: half the memory of the largest table. Rows that stand twice
    # in a file are one part.
    frame = frame.astype({"start": "int32", "end": "int32"}).drop_duplicates()
    order = ["transcript", "is_cds", "start"]
    return Annotation(
        transcripts.reset_index(drop=True),
        frame.sort_values(order, kind="stable").reset_index(drop=True),
    )
