"""Time and memory of annotate_structure on a GTF file of GENCODE's size.

    python benchmarks/explain_gtf.py make --from chr21.gtf.gz --gtf big.gtf.gz --lines 3500000
    python benchmarks/explain_gtf.py run --gtf big.gtf.gz --cache cache  # twice: parsed, then cached

``make`` copies the exons of a real file of one chromosome until there are enough lines, with
transcripts (four to a gene, each without some exons), coding parts and attributes as long as
GENCODE's, and writes a pair of transcripts for each gene beside it.
"""

from __future__ import annotations

import argparse
import gzip
import re
import resource
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from edge2torch.explain import annotate_structure

_PER_GENE = 4
_PADDING = (
    ' gene_type "protein_coding"; gene_name "NAME"; {biotype} transcript_name "NAME-201"; level 2;'
    ' protein_id "ENSP00000000000.1"; transcript_support_level "1"; hgnc_id "HGNC:00000";'
    ' tag "basic"; tag "appris_principal_1"; tag "CCDS"; ccdsid "CCDS00000.1";'
    ' havana_gene "OTTHUMG00000000000.2"; havana_transcript "OTTHUMT00000000000.2";'
)


def make(source: Path, out: Path, wanted: int) -> None:
    exons = defaultdict(list)
    with gzip.open(source, "rt") as stream:
        for line in stream:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 9 and fields[2] == "exon":
                gene = re.search(r'gene_id "([^"]+)"', fields[8])
                exons[gene[1]].append((int(fields[3]), int(fields[4]), fields[6]))
    rng = np.random.default_rng(0)
    genes: list[str] = []
    written, copy = 0, 0
    with gzip.open(out, "wt", compresslevel=4) as stream:
        while written < wanted:
            copy += 1
            for gene, own in exons.items():
                genes.append(f"{gene}.{copy}")
                text = "".join(_gene(f"chr{copy}", genes[-1], sorted(set(own)), rng))
                stream.write(text)
                written += text.count("\n")
    drawn = (rng.permutation(_PER_GENE)[:2] for _ in genes)
    pairs = [
        (gene, f"{gene}.t{a}", f"{gene}.t{b}") for gene, (a, b) in zip(genes, drawn, strict=True)
    ]
    columns = ["gene_id", "transcript_id_a", "transcript_id_b"]
    pd.DataFrame(pairs, columns=columns).to_parquet(_pairs_of(out))
    print(
        f"{len(genes) * _PER_GENE:,} transcripts, {written:,} lines, {out.stat().st_size / 1e6:.0f} MB"
    )


def _gene(chromosome, gene, exons, rng):
    strand = exons[0][2]
    for k in range(_PER_GENE):
        kept = [exon for exon in exons if rng.random() < 0.6] or exons[:1]
        biotype = "protein_coding" if k < 3 else "retained_intron"
        about = f'gene_id "{gene}"; transcript_id "{gene}.t{k}";' + _PADDING.format(
            biotype=f'transcript_type "{biotype}";'
        )
        ends = (kept[0][0], kept[-1][1])
        parts = [("transcript", *ends), *(("exon", *exon[:2]) for exon in kept)]
        if k < 3:
            parts += [("CDS", *exon[:2]) for exon in kept[1:-1]]
        for kind, start, end in parts:
            yield f"{chromosome}\tX\t{kind}\t{start}\t{end}\t.\t{strand}\t.\t{about}\n"


def _pairs_of(gtf: Path) -> Path:
    return gtf.with_name(f"{gtf.name.split('.')[0]}_pairs.parquet")


def run(gtf: Path, cache: Path) -> None:
    pairs = pd.read_parquet(_pairs_of(gtf))
    start = time.perf_counter()
    found = annotate_structure(gtf, pairs, cache_dir=cache)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(found):,} pairs: {took:.1f} s, peak {peak:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["make", "run"])
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--lines", type=int, default=3_500_000)
    parser.add_argument("--gtf", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("gtf-cache"))
    args = parser.parse_args()
    if args.what == "make":
        make(args.source, args.gtf, args.lines)
    else:
        run(args.gtf, args.cache)


if __name__ == "__main__":
    main()
