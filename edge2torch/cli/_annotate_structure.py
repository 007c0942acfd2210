"""``edge2torch annotate-structure``: a GTF file and pairs of transcripts in, their differences out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edge2torch._core.console import Console
from edge2torch._core.messages import listing, plural, require
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


def annotate_structure_command(
    *,
    gtf: Annotated[Path, "Gene annotation with exon and CDS rows; may be gzipped."],
    out: Annotated[Path, "Table to write: .parquet, .csv or .tsv."],
    artifact_dir: Annotated[
        Path | None, "A fit; each gene's largest against its smallest loading."
    ] = None,
    pairs: Annotated[Path | None, "gene_id, transcript_id_a, transcript_id_b."] = None,
    plain_ids: Annotated[bool, "Look up ids by what stands before a bar."] = False,
    cache_dir: Annotated[
        Path | None, "Where parsed GTF files are kept; default: your cache."
    ] = None,
    no_cache: Annotated[bool, "Keep nothing."] = False,
    console: Console,
) -> None:
    """Say how the two transcripts of each switch differ in structure."""
    from edge2torch._core.packed import plain_suffix
    from edge2torch._core.tables import read_table
    from edge2torch.explain import annotate_structure, summarize_structure
    from edge2torch.netmodules import load_modules

    if plain_suffix(out) not in {".parquet", ".csv", ".tsv"}:
        raise Edge2TorchError(f"--out: {out.name!r} must end in .parquet, .csv or .tsv.")
    if not out.parent.is_dir():
        raise Edge2TorchError(f"--out: the folder {str(out.parent)!r} is missing.")
    if (artifact_dir is None) == (pairs is None):
        raise Edge2TorchError("Give either --artifact-dir or --pairs.")
    asked = (
        read_table(pairs, "--pairs", text=("gene_id", "transcript_id_a", "transcript_id_b"))
        if pairs is not None
        else load_modules(str(artifact_dir)).switch_pairs()
    )
    kept = None if no_cache else (cache_dir or _cache())
    with _bar(console.quiet) as progress:
        found = annotate_structure(
            gtf, asked, plain_ids=plain_ids, cache_dir=kept, progress=progress
        )
    _write(found, out)
    by_transcript = out.with_name(f"{out.stem}_by_transcript{out.suffix}")
    _write(summarize_structure(found), by_transcript)
    ids = ["gene_id", "transcript_id_a", "transcript_id_b"]
    fine = found.loc[found["status"] == "ok", ids]
    more = len(fine) - len(fine := fine.drop_duplicates())
    said = f"{plural('pair', len(asked))}, {len(fine):,} of them annotated"
    console.say(said + (f"; {plural('row', more)} more for further places." if more else "."))
    for status, part in found[found["status"] != "ok"].groupby("status"):
        culprits = part[["transcript_id_a", "transcript_id_b"]].itertuples(index=False, name=None)
        console.say(f"  {status}: {listing(culprits, _SHOWN)}")
    console.say(f"Written: {out}, {by_transcript}")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "edge2torch"


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes read."""
    tqdm = require("tqdm", extra="cli").tqdm
    disable = True if quiet else None
    with tqdm(
        desc="  GTF", unit="B", unit_scale=True, leave=False, disable=disable, file=sys.stderr
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _write(table: pd.DataFrame, path: Path) -> None:
    from edge2torch._core.files import write_file

    if path.suffix == ".parquet":
        write_file(path, lambda draft: table.to_parquet(draft, index=False))
    else:
        separator = "\t" if path.suffix == ".tsv" else ","
        write_file(path, lambda draft: table.to_csv(draft, index=False, sep=separator))
