"""Everything that reads files of others, each with valid files to spoil."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import io
import json
import lzma
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import edge2torch as e2t
from edge2torch import priors
from edge2torch.errors import Edge2TorchWarning

Files = dict[str, bytes]


@dataclass(frozen=True)
class Target:
    """A reader, and how valid files for it are made."""

    name: str
    files: Callable[[], Files]
    read: Callable[[Path], object]
    respoil: Callable[[Files, str, random.Random], None] | None = None  # mends a hash, or the like
    share: float = 1.0  # of the inputs of its kind


DESIGN = """condition,treatment,kind,target,dose
none,,,,
a,A,stimulus,,2
ab,A,stimulus,,2
ab,B,inhibitor,n1;n2,
"""
MIDAS = "TR:l:CellLine,TR:EGF,TR:Rafi,DA:ALL,DV:Erk\n1,0,0,0,NaN\n1,1,0,10,0.5\n1,1,1,10,1e-1\n"
OBO = """format-version: 1.2
ontology: go

[Term]
id: GO:1
name: process
namespace: bp
alt_id: GO:91

[Term]
id: GO:2
name: repair
namespace: bp
is_a: GO:1 ! process
relationship: regulates GO:1 ! process

[Term]
id: GO:4
name: complex
namespace: cc
synonym: "a whole" EXACT [x:1]
xref: Wiki:1 "words"
relationship: part_of GO:2 {source="x"} ! repair
is_a: GO:5
is_a: UO:1 ! unit

[Term]
id: GO:5
def: "gone\\: for
good" []
is_obsolete: true
replaced_by: GO:1
consider: GO:2

[Typedef]
id: part_of
name: part of
"""
GAF = "!gaf-version: 2.2\n" + "".join(
    f"UniProtKB\t{i}\t{g}\t{q}\t{t}\tPMID:1\t{ev}\t\tP\t\t\tprotein\t\t\t\t\t\n"
    for i, g, q, t, ev in [
        ("P1", "TP53", "involved_in", "GO:2", "IDA"),
        ("P1", "TP53", "involved_in", "GO:2", "IEA"),
        ("P2", "ATM", "NOT|involved_in", "GO:2", "IDA"),
        ("P2", "ATM", "involved_in", "GO:91", "IMP"),
    ]
)
GENE2GO = """#tax_id\tGeneID\tGO_ID\tEvidence\tQualifier\tGO_term\tPubMed\tCategory
9606\t1\tGO:1\tND\tenables\tx\t-\tFunction
9606\t2\tGO:2\tIDA\tNOT involved_in\tx\t1\tProcess
9606\t2\tGO:3\tIPI\tenables\tx\t1\tFunction
"""
GPAD = "!gpad-version: 2.0\nUniProtKB:P1\t\tRO:1\tGO:2\tr\tECO:1" + "\t" * 6 + "\n"
GRAPHML = """<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="d0" for="edge" attr.name="sign" attr.type="long"/>
  <key id="d1" for="node" attr.name="name" attr.type="string"/>
  <graph edgedefault="directed">
    <node id="a"><data key="d1">first &amp; only</data></node>
    <node id="b"/>
    <node id="c"/>
    <edge source="a" target="b"><data key="d0">1</data></edge>
    <edge source="b" target="c"><data key="d0">-1</data></edge>
  </graph>
</graphml>
"""
GTF = "#!genome\n" + "".join(
    f'chr1\tx\t{kind}\t{start}\t{start + 99}\t.\t+\t.\tgene_id "A"; transcript_id "{name}"; '
    'transcript_type "protein_coding";\n'
    for kind, start, name in [
        ("exon", 1, "A.1"),
        ("exon", 201, "A.1"),
        ("CDS", 201, "A.1"),
        ("exon", 1, "A.2"),
    ]
)
EDGES = pd.DataFrame(
    {
        "source": ["a", "b", "c", "h", "g", "a"],
        "target": ["h", "h", "g", "y", "y", "y"],
        "constraint": ["positive", None, "fixed", "negative", None, None],
        "initial_weight": [0.1, np.nan, 2.5, None, 1.0, np.nan],
        "note": ["x", "y", None, "é", 'a "quote"', ","],
    }
)
PAIRS = pd.DataFrame({"gene_id": ["A"], "transcript_id_a": ["A.1"], "transcript_id_b": ["A.2"]})


HCX = """[{"CXVersion":"2.0","hasFragments":false},
{"metaData":[{"name":"nodes","elementCount":3},{"name":"edges","elementCount":2}]},
{"attributeDeclarations":[{"networkAttributes":{"ndexSchema":{"d":"string"}},
"nodes":{"name":{"d":"string"},"HCX::memberNames":{"d":"list_of_string"}},"edges":{"interaction":{"d":"string"}}}]},
{"networkAttributes":[{"ndexSchema":"hierarchy_v0.1"}]},
{"nodes":[{"id":0,"v":{"name":"all","HCX::memberNames":["a b","c","d"]}},
{"id":1,"v":{"name":"left","HCX::memberNames":["a b"]}},{"id":2,"v":{"name":"right","HCX::memberNames":["c"]}}]},
{"edges":[{"id":0,"s":0,"t":1},{"id":1,"s":0,"t":2}]},{"status":[{"success":true}]}]"""
GOCAM = """{"id": "gomodel:1", "activities": [
{"id": "a", "enabled_by": {"term": "GO:1", "has_part": [{"term": "UniProtKB:P1"}, {"term": "UniProtKB:P2"}]},
"causal_associations": [{"predicate": "RO:0002629", "downstream_activity": "b"}]},
{"id": "b", "enabled_by": {"term": "UniProtKB:P3"}, "causal_associations":
[{"predicate": "RO:0002630", "downstream_activity": "a"}, {"predicate": "RO:0002413", "downstream_activity": "c"}]},
{"id": "c", "molecular_function": {"term": "GO:3"}}], "objects": [{"id": "UniProtKB:P1", "label": "one"}]}"""
SIF = "a 1 and1\nb -1 and1\nand1 1 and2\nc 1 and2\nand2 -1 d\na 1 d\nalone\n"
COMMONS = (
    "PARTICIPANT_A\tINTERACTION_TYPE\tPARTICIPANT_B\tINTERACTION_DATA_SOURCE\n"
    "A\tcontrols-expression-of\tB\treactome;kegg\nA\tin-complex-with\tC\t\n"
    "D\tconsumption-controlled-by\tA\t\n\n"
    "PARTICIPANT\tPARTICIPANT_TYPE\tPARTICIPANT_NAME\nA\tProteinReference\tone\n\n"
    "NAME\tORGANISM\nthe pathway\t9606\n"
)
CORNERS = Path(__file__).parents[1] / "priors" / "files"


def corners(kind: str) -> Callable[[], Files]:
    """Return an invented file with every odd case of its format."""
    name = f"corners.{kind}"
    return lambda: {name: (CORNERS / name).read_bytes()}


def one(name: str, text: str) -> Callable[[], Files]:
    return lambda: {name: text.encode()}


def _sets(suffix: str) -> Callable[[], Files]:
    """Gene sets, packed in one of four ways."""
    plain = b"a\tR-HSA-1\tg1\tg2\tg1\t\nb\tR-HSA-2\tg2\n"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("sets.gmt", plain)
    packed = {
        "": plain,
        ".gz": gzip.compress(plain),
        ".bz2": bz2.compress(plain),
        ".xz": lzma.compress(plain),
        ".zip": zipped.getvalue(),
    }
    return lambda: {f"sets.gmt{suffix}": packed[suffix]}


def _parquet(name: str, frame: pd.DataFrame) -> Callable[[], Files]:
    return lambda: {name: frame.to_parquet(index=False)}


def _of_folder(make: Callable[[Path], object]) -> Callable[[], Files]:
    """Return what a call writes into a folder, made once."""

    @functools.cache
    def files() -> Files:
        import tempfile

        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "folder"
            make(folder)
            return {
                str(file.relative_to(folder)): file.read_bytes()
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            }

    return files


def _rehash(index: str) -> Callable[[Files, str, random.Random], None]:
    """Let the hash fit spoiled weights in every second case, so that what follows it is met."""

    def mend(files: Files, victim: str, rng: random.Random) -> None:
        import hashlib
        import re

        if victim.endswith(".safetensors") and rng.random() < 0.7:
            place = str(Path(victim).parent / index)
            digest = hashlib.sha256(files[victim]).hexdigest().encode()
            files[place] = re.sub(
                rb'("weights_sha256": ")[0-9a-f]{64}', rb"\g<1>" + digest, files[place]
            )

    return mend


def _compiled(backend: str) -> Callable[[], Files]:
    def make(folder: Path) -> None:
        torch.manual_seed(0)
        model, artifact = e2t.compile_graph(EDGES, backend=backend, quiet=True)
        e2t.save_compiled(folder, model, artifact)

    return _of_folder(make)


def _visible(folder: Path) -> None:
    torch.manual_seed(0)
    edges = EDGES[["source", "target"]]
    model, artifact = e2t.compile_graph(edges, units=3, unused="prune", quiet=True)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", node_heads=e2t.NodeHeads()
    )
    e2t.save_compiled(folder, model, artifact)


def _pair_tables() -> Files:
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.normal(size=(6, 3)).round(2), [f"c{k}" for k in range(6)], [*"abd"])
    drugs = pd.DataFrame(np.eye(2), ["u", "v"], ["bit0", "bit1"])
    response = pd.DataFrame(
        [(cell, drug, round(rng.normal(), 2)) for cell in cells.index for drug in drugs.index],
        columns=["cell", "drug", "auc"],
    )
    links = pd.DataFrame({"source": ["a", "b", "d", "h"], "target": ["h", "h", "y", "y"]})
    return {
        "edges.csv": links.to_csv(index=False).encode(),
        "cells.csv": cells.to_csv(index_label="cell").encode(),
        "drugs.csv": drugs.to_csv(index_label="drug").encode(),
        "response.csv": response.to_csv(index=False).encode(),
    }


def _read_pairs(folder: Path) -> object:
    from edge2torch._core.console import Console
    from edge2torch.study import StudySettings
    from edge2torch.study._edges import read_edge_file
    from edge2torch.study._run_pairs import _read

    return _read(
        read_edge_file(folder / "edges.csv", "edges"),
        folder / "cells.csv",
        folder / "response.csv",
        folder / "drugs.csv",
        "auc",
        ("cell", "drug"),
        StudySettings(units=3),
        Console(quiet=True),
    )


def _vae(folder: Path) -> None:
    from edge2torch.vae import compile_vae

    sets = pd.DataFrame({"source": ["P", "P", "Q"], "target": ["g1", "g2", "g2"]})
    model, _ = compile_vae(decoder_edges=sets, features=["g1", "g2", "g3"], hidden_dim=3)
    model.save(folder)


def _modules(folder: Path) -> None:
    from edge2torch.netmodules import fit_modules
    from edge2torch.simulate import planted_modules

    data = planted_modules(n_modules=2, module_size=10, n_background=10, seed=1)
    small = {"vae.max_epochs": 2, "vae.hidden_dim": 4, "vae.latent_dim": 2}
    fit_modules(
        data.counts, data.transcripts, data.samples, backend="vae", config=small, quiet=True
    ).save(folder)


def _bundle() -> Files:
    rng = np.random.default_rng(0)
    counts = io.BytesIO()
    np.savez_compressed(counts, data=rng.poisson(5.0, (6, 4)).astype("f4"))
    samples = pd.DataFrame({"sample_id": list("wxyz"), "age": [1, 2, 3, 4]})
    transcripts = pd.DataFrame(
        {"transcript_id": [f"t{k}" for k in range(6)], "gene_id": ["A", "A", "B", "B", "C", "C"]}
    )
    return {
        "transcript_counts.npz": counts.getvalue(),
        "transcripts.parquet": transcripts.to_parquet(index=False),
        "samples.parquet": samples.to_parquet(index=False),
        "manifest.json": b'{"version": 1}',
    }


def _counts_table() -> Files:
    return {"counts.csv": b"id,gene_id,s1,s2,s3\nt1,g,50,30,10\nt2,g,10,40,20\nt3,h,20,20,20\n"}


def _read_counts(folder: Path) -> object:
    from edge2torch.netmodules import read_transcript_data

    name = next(file.name for file in folder.iterdir() if file.name.startswith("counts"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Edge2TorchWarning)  # columns that are no samples
        return read_transcript_data(folder / name, min_samples=2)


def _read_bundle(folder: Path) -> object:
    from edge2torch.netmodules import read_transcript_data

    return read_transcript_data(folder, min_samples=2)


def _h5ad() -> Files:
    import tempfile

    import anndata

    rng = np.random.default_rng(0)
    samples = pd.DataFrame(index=[f"s{k}" for k in range(4)])
    features = pd.DataFrame({"gene_id": ["A", "A", "B"]}, index=["t1", "t2", "t3"])
    data = anndata.AnnData(rng.poisson(5.0, (4, 3)).astype("f4"), samples, features)
    with tempfile.TemporaryDirectory() as place:
        data.write_h5ad(Path(place) / "data.h5ad")
        return {"data.h5ad": (Path(place) / "data.h5ad").read_bytes()}


def _read_h5ad(folder: Path) -> object:
    from edge2torch.netmodules import read_transcript_data

    return read_transcript_data(folder / "data.h5ad", min_samples=2)


@functools.cache
def _cells(name: str) -> Files:
    """Labelled samples, in one of the forms that the command line takes."""
    import tempfile

    import anndata
    from scipy import sparse

    rng = np.random.default_rng(0)
    values = rng.poisson(1.0, (12, 4)).astype("f4")
    cells = pd.DataFrame(values, [f"s{k}" for k in range(12)], [f"g{k}" for k in range(4)])
    kinds = pd.DataFrame({"kind": pd.Categorical(["T", "B"] * 6)}, index=cells.index)
    table = cells.join(kinds)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / name
        if name.endswith(".h5ad"):
            data = anndata.AnnData(
                sparse.csr_matrix(values), kinds, pd.DataFrame(index=cells.columns)
            )
            data.layers["dense"], data.raw = values, data.copy()
            data.write_h5ad(path, compression="gzip")
        elif name.endswith(".parquet"):
            table.rename_axis("cell").reset_index().to_parquet(path, index=False)
        else:
            table.to_csv(path, sep="\t" if ".tsv" in name else ",", index_label="cell")
        return {name: path.read_bytes()}


def _read_dataset(name: str, folder: Path) -> None:
    from edge2torch.study._data import feature_names, read_dataset

    feature_names(folder / name, "--features")
    layers = (None, "raw", "dense") if name.endswith(".h5ad") else (None,)
    for layer in layers:
        read_dataset(folder / name, "kind", ["g0", "g1"], layer=layer)


def _load_vae(folder: Path) -> object:
    from edge2torch.vae import load_vae

    return load_vae(folder)


def _load_modules(folder: Path) -> object:
    from edge2torch.netmodules import load_modules

    return load_modules(folder)


def _read_gtf(folder: Path) -> object:
    from edge2torch.explain import annotate_structure

    name = next(file.name for file in folder.iterdir() if file.name.startswith("genes"))
    return annotate_structure(folder / name, PAIRS)


_UNFORESEEN = "This should not happen"  # how the command line tells every other error
SETS = b"signal\tx\tg0\tg1\tg2\nother\tx\tg3\tg4\n"
COMMANDS: dict[str, tuple[list[str], list[str]]] = {  # arguments to spoil, and the others
    "prior": (
        [
            "sets.gmt",
            "--features",
            "cells.csv",
            "--min-genes",
            "1",
            "--max-genes",
            "9",
            "--outputs",
            "signal,other",
            "--depth",
            "3",
            "--layers",
            "2",
            "--latent",
            "1",
            "--cycles",
            "break",
            "--format",
            "gmt",
        ],
        ["--out", "edges.csv"],
    ),
    "run": (
        [
            "--edges",
            "table.csv",
            "--data",
            "cells.csv",
            "--label",
            "kind",
            "--task",
            "auto",
            "--outputs",
            "y",
            "--normalize",
            "none",
            "--missing",
            "drop",
            "--min-class-size",
            "2",
            "--seeds",
            "1",
            "--seed",
            "0",
            "--test-fraction",
            "0.3",
            "--epochs",
            "1",
            "--patience",
            "3",
            "--learning-rate",
            "0.01",
            "--batch-size",
            "8",
            "--input-dropout",
            "0.1",
            "--node-activation",
            "relu",
            "--replicates",
            "0",
            "--controls",
            "0",
        ],
        ["--out", "results"],
    ),
    "modules": (
        [
            "fit",
            "--data",
            "counts.csv",
            "--backend",
            "baseline",
            "--min-samples",
            "2",
            "--config",
            "mine.yaml",
            "--",
            "min_module_size=2",
            "decoys=5",
        ],
        [],
    ),
    "annotate-structure": (
        ["--gtf", "genes.gtf", "--pairs", "pairs.csv"],
        ["--no-cache", "--out", "out.csv"],
    ),
}


def _cli_files(command: str) -> Callable[[], Files]:
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.normal(size=(24, 5)).round(2), columns=[f"g{k}" for k in range(5)])
    cells.insert(0, "cell", [f"c{k}" for k in range(24)])
    cells["kind"] = ["T", "B"] * 12
    links = {"source": ["g0", "g1", "g2", "h"], "target": ["h", "h", "y", "y"]}
    every = {
        "prior": {"sets.gmt": SETS, "cells.csv": cells.to_csv(index=False).encode()},
        "run": {
            "table.csv": pd.DataFrame(links).to_csv(index=False).encode(),
            "cells.csv": cells.to_csv(index=False).encode(),
        },
        "modules": {**_counts_table(), "mine.yaml": b"min_module_size: 2\nvae:\n  epochs: 2\n"},
        "annotate-structure": {
            "genes.gtf": GTF.encode(),
            "pairs.csv": PAIRS.to_csv(index=False).encode(),
        },
    }
    arguments = json.dumps(COMMANDS[command][0]).encode()
    return lambda: {"arguments.json": arguments, **every[command]}


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _cli(command: str) -> Callable[[Path], object]:
    """Run a command in the folder with the arguments that stand there; only --out is fixed."""

    def run(folder: Path) -> None:
        from edge2torch.cli import main

        try:
            own = json.loads((folder / "arguments.json").read_bytes())
        except (ValueError, RecursionError):
            return
        words = [str(word) for word in own] if isinstance(own, list) else [str(own)]
        if {"--out", "demo", "--output-dir", "--cache-dir"} & set(words):
            return  # a user may write where he likes
        rest = COMMANDS[command][1]
        if command == "modules":
            words = [*words[:1], "--out", "results", *words[1:]]
        said = io.StringIO()
        with (
            _inside(folder),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            try:
                main([command, *rest, *words])
            except SystemExit as end:
                if end.code == 1 and _UNFORESEEN in said.getvalue():
                    raise AssertionError(said.getvalue().strip().splitlines()[-1]) from None
                raise

    return run


def _reader(call: Callable[..., Any], *names: str, **options: Any) -> Callable[[Path], object]:
    return lambda folder: call(*(folder / name for name in names), quiet=True, **options)


OMNIPATH = (
    "source\ttarget\tis_directed\tis_stimulation\tis_inhibition\tscore\n"
    "A\tB\tTrue\tTrue\tFalse\t1\nA\tC\tTrue\tTrue\tTrue\t2.5\nB\tC\t1\t0\t1\t\n"
)

TARGETS = [
    *(
        Target(f"load_compiled, {backend}", _compiled(backend), e2t.load_compiled, _rehash("artifact.json"), share=1 / 3)
        for backend in ("feedforward", "recurrent", "gnn")
    ),
    Target("load_compiled, units and heads", _of_folder(_visible), e2t.load_compiled, _rehash("artifact.json"), share=1 / 5),
    Target("tables of pairs", _pair_tables, _read_pairs, share=1 / 5),
    Target("load_vae", _of_folder(_vae), _load_vae, _rehash("vae.json")),
    Target("load_modules", _of_folder(_modules), _load_modules, _rehash("artifact.json")),
    *(
        Target(f"read_gmt{suffix}", _sets(suffix), _reader(priors.read_gmt, f"sets.gmt{suffix}"), share=1 / 5)
        for suffix in ("", ".gz", ".bz2", ".xz", ".zip")
    ),
    Target(
        "read_reactome",
        lambda: {
            "relation.txt": b"parent\tchild\nR-HSA-1\tR-HSA-2\nR-MMU-1\tR-MMU-2\n",
            "members.txt": b"P1\tR-HSA-2\thttp://x\tRepair\tTAS\tHomo sapiens\n"
            b"P1\tR-HSA-2\thttp://x\tRepair\tIEA\tHomo sapiens\n",
            "names.txt": b"R-HSA-2\tRepair\tHomo sapiens\n",
        },
        lambda f: priors.read_reactome(
            f / "relation.txt", f / "members.txt", names=f / "names.txt", quiet=True
        ),
    ),
    Target(
        "read_obo",
        lambda: {"go.obo": OBO.encode(), "genes.gaf": GAF.encode()},
        lambda f: priors.read_obo(f / "go.obo", annotations=f / "genes.gaf", quiet=True),
    ),
    Target("read_annotations, GAF", one("x.gaf", GAF), _reader(priors.read_annotations, "x.gaf"), share=1 / 2),
    Target("read_annotations, GPAD", one("x.gpad", GPAD), _reader(priors.read_annotations, "x.gpad"), share=1 / 2),
    Target("read_annotations, gene2go", one("x.tsv", GENE2GO), _reader(priors.read_annotations, "x.tsv"), share=1 / 2),
    Target("read_sif", one("x.sif", "a 1 b c\nb\t-1\tmy node\nc + d\n"), _reader(priors.read_sif, "x.sif")),
    Target("read_midas", one("m.csv", MIDAS), _reader(priors.read_midas, "m.csv"), share=1 / 2),
    Target(
        "perturb.read_design",
        lambda: {"d.csv": DESIGN.encode(), "y.csv": b"condition,y,z\nnone,0.1,0\na,0.9,\nab,0.2,1e-1\n"},
        lambda f: repr(e2t.perturb.read_design(f / "d.csv", f / "y.csv")),
        share=1 / 2,
    ),
    Target("read_omnipath", one("o.tsv", OMNIPATH), _reader(priors.read_omnipath, "o.tsv")),
    Target("read_graphml", one("n.graphml", GRAPHML), _reader(priors.read_graphml, "n.graphml")),
    Target("read_cx2", corners("cx2"), _reader(priors.read_cx2, "corners.cx2"), share=1 / 2),
    Target("read_cx2, hierarchy", one("tree.cx2", HCX), _reader(priors.read_cx2, "tree.cx2"), share=1 / 2),
    Target("read_gpml, 2013a", corners("gpml"), _reader(priors.read_gpml, "corners.gpml"), share=1 / 2),
    Target("read_gpml, 2021", corners("2021.gpml"), _reader(priors.read_gpml, "corners.2021.gpml", groups="node"), share=1 / 2),
    Target("read_sbml_qual", corners("sbml"), _reader(priors.read_sbml_qual, "corners.sbml")),
    Target("read_gocam", one("model.json", GOCAM), _reader(priors.read_gocam, "model.json")),
    Target("read_sif, gates", one("g.sif", SIF), _reader(priors.read_sif, "g.sif", gates="dissolve"), share=1 / 2),
    Target(
        "read_sif, Pathway Commons",
        one("pc.sif", COMMONS),
        _reader(priors.read_sif, "pc.sif", signs="pathway commons", undirected="both"),
        share=1 / 2,
    ),
    Target("read_kgml", corners("kgml"), _reader(priors.read_kgml, "corners.kgml", compounds="node", maps="keep", names=True)),
    *(
        Target(
            f"read_edges and compile, {kind}",
            one(f"e.{kind}", EDGES.to_csv(index=False, sep=separator)),
            lambda f, kind=kind: e2t.compile_graph(priors.read_edges(f / f"e.{kind}", quiet=True), quiet=True),  # type: ignore[misc]
            share=1 / 3,
        )
        for kind, separator in (("csv", ","), ("tsv", "\t"))
    ),
    Target("read_edges, Parquet", _parquet("e.parquet", EDGES), _reader(priors.read_edges, "e.parquet"), share=1 / 3),
    Target("annotate_structure, GTF", one("genes.gtf", GTF), _read_gtf, share=1 / 2),
    Target(
        "annotate_structure, GTF.gz",
        lambda: {"genes.gtf.gz": gzip.compress(GTF.encode())},
        _read_gtf,
        share=1 / 2,
    ),
    Target("read_transcript_data, bundle", _bundle, _read_bundle, share=1 / 3),
    *(
        Target(f"read_transcript_data, {kind}", make, _read_counts, share=1 / 5)
        for kind, make in (
            ("CSV", _counts_table),
            ("semicolons", one("counts.csv", "id;x;s1;s2\nA;1,5;5;6\nnull;2,5;7;8\n")),
            ("GCT", one("counts.gct", "#1.2\n2\t2\nName\tDescription\ts1\ts2\nA\tNA\t5\t6\nB\tb\t7\t8\n")),
            ("featureCounts", one("counts.txt", "# Program:x\nGeneid\tChr\tStart\tLength\ts1\ts2\nA\tI\t1\t9\t5\t6\n")),
        )
    ),
    Target("read_transcript_data, h5ad", functools.cache(_h5ad), _read_h5ad, share=1 / 3),
]  # fmt: skip


TARGETS += [
    Target(
        f"the command line's data, {kind}",
        functools.partial(_cells, name),
        functools.partial(_read_dataset, name),
        share=1 / 4,
    )
    for kind, name in (
        ("CSV", "cells.csv"),
        ("TSV.gz", "cells.tsv.gz"),
        ("Parquet", "cells.parquet"),
        ("h5ad", "cells.h5ad"),
    )
]

TARGETS += [
    Target(f"edge2torch {command}", _cli_files(command), _cli(command), share=share)
    for command, share in (
        ("prior", 0.5),
        ("annotate-structure", 0.3),
        ("modules", 0.1),
        ("run", 0.1),
    )
]


def lay_out(files: Files, folder: Path) -> None:
    """Write files into an emptied folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
