"""Every file with a reader, from disk to compiled model: nodes, edges, depth, seconds, memory.

    python benchmarks/priors_table.py --data DIR [--case NAME ...]

DIR holds the folders named in CASES: Reactome, gene sets, the Gene Ontology, signalling networks and
the single-cell and proteomics data that they are fitted to. Each case runs in a process of its own,
so that its peak memory is its own. The clock starts when the packages are imported and the names of
the data's features are known, and stops when the model stands; CPU seconds leave out what
other work on the machine took.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import edge2torch as e2t
from edge2torch import priors


@dataclass(frozen=True)
class Prepared:
    """What is compiled, how, and what was said on the way."""

    edges: pd.DataFrame
    options: dict[str, Any]
    report: object = ""


def proteins(data: Path) -> list[str]:
    table = pd.read_csv(data / "1_kpnn_sepsis_binn/protein_matrix.csv.gz", usecols=["Protein"])
    return table["Protein"].tolist()


def genes(name: str) -> Callable[[Path], list[str]]:
    def read(data: Path) -> list[str]:
        import anndata

        return anndata.read_h5ad(data / "3_sc_vae" / name, backed="r").var_names.tolist()

    return read


PBMC, TUMOUR = genes("pbmc68k_reduced.h5ad"), genes("tumor_immune_counts.h5ad")
RECURRENT, GNN = {"backend": "recurrent"}, {"backend": "gnn"}


def nothing(data: Path) -> list[str]:  # noqa: ARG001
    return []


def fitted(edges: pd.DataFrame, features: Any, **steps: Any) -> Prepared:
    edges, report = priors.prepare_prior(edges, features, **steps)
    return Prepared(edges, {}, report)


def sepsis(data: Path, features: list[str]) -> Prepared:
    folder = data / "1_kpnn_sepsis_binn"
    edges = priors.read_reactome(
        folder / "reactome_hsa_relation.tsv",
        folder / "uniprot2reactome_hsa.tsv.gz",
        names=folder / "reactome_hsa_names.tsv",
    )
    return fitted(edges, features, root="root")


def sets(name: str) -> Callable[[Path, list[str]], Prepared]:
    def read(data: Path, features: list[str]) -> Prepared:
        return fitted(priors.read_gmt(data / "7_gene_sets" / name), features)

    return read


def reactome_by_symbol(data: Path, features: list[str]) -> Prepared:
    folder = data / "1_kpnn_sepsis_binn"
    members = priors.read_gmt(
        data / "7_gene_sets/ReactomePathways.gmt.gz", identifier="description", prefix=""
    )
    hierarchy = priors.read_edges(
        folder / "reactome_hsa_relation.tsv", source="child", target="parent"
    )
    edges, _ = priors.union_edges(members, hierarchy)
    return fitted(edges, features, root="root")


def go_edges(data: Path, branch: str | None = None) -> pd.DataFrame:
    folder = data / "5_scale_graphs"
    terms = priors.read_edges(folder / "go_edges.tsv.gz", source="child", target="parent")
    annotated = priors.read_annotations(
        folder / "go_annotation_human.tsv.gz", gene="gene", term="go_id"
    )
    if branch:
        terms, annotated = (t[t["ontology"] == branch] for t in (terms, annotated))
    edges, _ = priors.union_edges(annotated, terms)
    return priors.add_names(edges, folder / "go_terms.tsv.gz")


def annotated_genes(edges: pd.DataFrame) -> list[str]:
    return edges.loc[edges["relation"] == "annotated", "source"].unique().tolist()


def go(data: Path, _: list[str]) -> Prepared:
    edges = go_edges(data)
    return fitted(edges, annotated_genes(edges))


def go_process(data: Path, _: list[str]) -> Prepared:
    edges = go_edges(data, "BP")
    return fitted(edges, annotated_genes(edges))


def go_fitted(data: Path, features: list[str]) -> Prepared:
    return fitted(
        go_edges(data, "BP"),
        features,
        min_genes=5,
        max_genes=500,
        collapse=True,
        merge=True,
        layers=4,
    )


def pathway_ontology(data: Path, _: list[str]) -> Prepared:
    folder = data / "3_sc_vae"
    terms = priors.read_edges(folder / "pw_ontology_edges.tsv", source="child", target="parent")
    annotated = priors.read_annotations(folder / "pw_gene_term_mapping.tsv")
    edges, _ = priors.union_edges(annotated, terms)
    return fitted(edges, annotated_genes(edges))


def lembas(options: dict[str, Any]) -> Callable[[Path, list[str]], Prepared]:
    def read(data: Path, _: list[str]) -> Prepared:
        folder = data / "4_signalling"
        edges = priors.read_omnipath(folder / "lembas_ligandScreen_edges.tsv")
        nodes = pd.read_csv(folder / "lembas_ligandScreen_nodes.tsv", sep="\t")
        ligands, factors = (nodes.loc[nodes[kind], "code"] for kind in ("ligand", "TF"))
        edges, report = priors.prepare_prior(edges, ligands, factors, cycles="keep")
        ends = {"inputs": report.inputs, "outputs": report.outputs, "sign_column": "sign"}
        return Prepared(edges, {**options, **ends}, report)

    return read


def signed(
    options: dict[str, Any], read: Callable[[Path], pd.DataFrame]
) -> Callable[..., Prepared]:
    """A network as it is, fed where nothing leads to and read at every other node."""

    def prepare(data: Path, _: list[str]) -> Prepared:
        edges = read(data / "4_signalling")
        outputs = edges["target"].unique()
        inputs = sorted(set(edges["source"]) - set(outputs))
        edges, report = priors.prepare_prior(edges, inputs, outputs, cycles="keep")
        sign = {"sign_column": "sign"} if "sign" in edges else {}
        return Prepared(edges, {**options, **sign, "outputs": report.outputs}, report)

    return prepare


def sif(name: str) -> Callable[[Path], pd.DataFrame]:
    return lambda folder: priors.read_sif(folder / f"cno_PKN-{name}.sif")


def omnipath(folder: Path) -> pd.DataFrame:
    return priors.read_omnipath(folder / "omnipath_interactions.tsv.gz")


def collectri(folder: Path) -> pd.DataFrame:
    return priors.read_edges(folder / "collectri_tf_targets.csv.gz", rename={"weight": "sign"})


def liana(folder: Path) -> pd.DataFrame:
    return priors.read_edges(folder / "liana_ligand_receptor.csv.gz", duplicates="join")


def sachs(folder: Path) -> pd.DataFrame:
    return priors.read_edges(folder / "sachs_edges.csv", source="Cause", target="Effect")


def edge_list(data: Path, features: list[str]) -> Prepared:
    edges = priors.read_edges(data / "1_kpnn_sepsis_binn/edgelist_full.tsv.gz")
    return fitted(edges, features)


CASES: dict[str, tuple[Callable[[Path], list[str]], Callable[[Path, list[str]], Prepared]]] = {
    "sepsis proteins, Reactome": (proteins, sepsis),
    "sepsis proteins, edgelist_full": (proteins, edge_list),
    "PBMC genes, Reactome sets (MSigDB)": (PBMC, sets("reactome_msigdb_v7.5.1.symbols.gmt.gz")),
    "PBMC genes, hallmark sets": (PBMC, sets("hallmark_v2022.1.symbols.gmt.gz")),
    "tumour-immune genes, Reactome sets (MSigDB)": (
        TUMOUR,
        sets("reactome_msigdb_v7.5.1.symbols.gmt.gz"),
    ),
    "tumour-immune genes, hallmark sets": (TUMOUR, sets("hallmark_v2022.1.symbols.gmt.gz")),
    "tumour-immune genes, Reactome with its hierarchy": (TUMOUR, reactome_by_symbol),
    "GO, all annotations": (nothing, go),
    "GO biological process, all annotations": (nothing, go_process),
    "tumour-immune genes, GO processes of 5-500 genes, 4 layers": (TUMOUR, go_fitted),
    "Pathway Ontology, all annotations": (nothing, pathway_ontology),
    "LEMBAS ligand screen, recurrent": (nothing, lembas(RECURRENT)),
    "LEMBAS ligand screen, gnn": (nothing, lembas(GNN)),
    "CellNOpt LiverDREAM, recurrent": (nothing, signed(RECURRENT, sif("LiverDREAM"))),
    "CellNOpt LiverDREAM with feedback, recurrent": (
        nothing,
        signed(RECURRENT, sif("LiverDREAM_PKN_Subnetwork_AddFeedback")),
    ),
    "CellNOpt TCell, recurrent": (nothing, signed(RECURRENT, sif("TCellPCB2007"))),
    "CellNOpt ToyMMB, recurrent": (nothing, signed(RECURRENT, sif("ToyMMB"))),
    "CellNOpt ToyMMB with feedback, gnn": (nothing, signed(GNN, sif("ToyMMB_Feedback"))),
    "OmniPath, recurrent": (nothing, signed(RECURRENT, omnipath)),
    "CollecTRI, recurrent": (nothing, signed(RECURRENT, collectri)),
    "LIANA ligand-receptor, recurrent": (nothing, signed(RECURRENT, liana)),
    "Sachs, recurrent": (nothing, signed(RECURRENT, sachs)),
}


def measure(name: str, data: Path) -> dict[str, Any]:
    """Run one case here; return its row."""
    names, prepare = CASES[name]
    features = names(data)
    said = io.StringIO()
    start, busy = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
        ready = prepare(data, features)
        model, _ = e2t.compile_graph(ready.edges, quiet=True, **ready.options)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    ends = {key: ready.options[key] for key in ("inputs", "outputs") if key in ready.options}
    summary = priors.graph_summary(ready.edges, **ends)
    print(said.getvalue(), ready.report, summary, sep="\n", file=sys.stderr)
    return {
        "nodes": summary.nodes,
        "edges": summary.edges,
        "inputs": summary.inputs,
        "outputs": summary.outputs,
        "depth": "cyclic" if summary.depth is None else summary.depth,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 2),
        "CPU seconds": round(busy, 2),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def in_own_process(name: str, data: Path, *, verbose: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--data", str(data), "--case", name, "--json"]
    shown = None if verbose else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=shown, text=True, check=True)  # noqa: S603
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--verbose", action="store_true", help="print every report")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.json:
        print(json.dumps(measure(given.case[0], given.data)))
        return
    head = [
        "graph",
        "nodes",
        "edges",
        "inputs",
        "outputs",
        "depth",
        "parameters",
        "seconds",
        "CPU seconds",
        "peak MB",
    ]
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for name in given.case or CASES:
        row = in_own_process(name, given.data, verbose=given.verbose)
        cells = [
            f"{row[key]:,}" if isinstance(row[key], int) else str(row[key]) for key in head[1:]
        ]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
