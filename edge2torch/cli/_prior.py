"""``edge2torch prior``: a file of prior knowledge in, an edge table that fits the data out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import listing
from edge2torch.cli._options import OUTPUTS, File, Text, refuse_without
from edge2torch.errors import Edge2TorchError

Format = Literal[
    "auto", "gmt", "reactome", "obo", "sif", "omnipath", "graphml", "cx2", "kgml", "gpml", "sbml_qual",
    "gocam", "edges",
]  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """Options that only the readers of some formats take."""

    members: Annotated[File, "Reactome: which gene or protein is in which pathway."] = None
    names: Annotated[
        Text, "Reactome: file with names of pathways. CX2, GPML, SBML: what nodes are called by."
    ] = None
    species: Annotated[Text, "Reactome: three letters, as HSA."] = None
    annotations: Annotated[File, "OBO: GAF, GPAD, or a table of genes and terms."] = None
    namespace: Annotated[tuple[str, ...], "OBO: keep these only, separated by commas."] = ()
    relations: Annotated[tuple[str, ...], "OBO: separated by commas; default is_a,part_of."] = ()
    identifier: Annotated[
        Text, "GraphML: attribute to call nodes by, as name. GMT: name or description."
    ] = None
    description: Annotated[bool | None, "GMT: whether field two describes the set."] = None
    source: Annotated[Text, "Edges: column they lead from."] = None
    target: Annotated[Text, "Edges: column they lead to."] = None
    sign: Annotated[Text, "Edges: column that says +1, -1, or activation, inhibition."] = None
    join: Annotated[bool, "Edges, GraphML: make one edge of repeated ones."] = False
    weight: Annotated[
        Literal["drop", "start"] | None,
        "CX2, GraphML, edges: whether training starts from their weight; of networks drop.",
    ] = None
    isolated: Annotated[
        Literal["error", "drop"] | None, "GraphML, CX2, SIF: nodes without edges."
    ] = None
    genes: Annotated[Literal["each", "entry"] | None, "KGML: one node per gene, or per box."] = None
    compounds: Annotated[
        Literal["drop", "node"] | None, "KGML: whether small molecules are nodes."
    ] = None
    maps: Annotated[Literal["drop", "keep"] | None, "KGML: links to other pathways."] = None
    strip: Annotated[bool, "KGML: cut hsa: and the like off."] = False
    gates: Annotated[
        Literal["keep", "dissolve"] | None, "SIF: CellNOpt's and1, and2; dissolve: no nodes."
    ] = None
    undirected: Annotated[
        Literal["drop", "both"] | None, "OmniPath, SIF, GPML: rows or lines without a direction."
    ] = None
    groups: Annotated[
        Literal["members", "node"] | None, "GPML: a group's members, or the group."
    ] = None
    signs: Annotated[
        Text,
        "SIF, CX2, edges: what words mean, as binds=0,blocks=-1. SIF: 'pathway commons'. "
        "SBML: auto, declared, or function, to compute all.",
    ] = None
    input_loops: Annotated[
        Literal["drop", "keep"] | None, "SBML: inputs that only copy themselves."
    ] = None

    def given(self) -> dict[str, Any]:
        """Return what was given, as arguments of the readers."""
        options = vars(self) | {
            "duplicates": "join" if self.join else None,
            "strip": self.strip or None,
        }
        del options["join"]
        lists = {name: list(value) for name, value in options.items() if isinstance(value, tuple)}
        return {k: v for k, v in (options | lists).items() if v not in (None, "", [])}


@dataclass(frozen=True)
class Fitting:
    """Options that :func:`~edge2torch.priors.prepare_prior` takes as they are."""

    connect: Annotated[bool, "The outputs are new; every end leads to them."] = False
    root: Annotated[Text, "New node that every end leads to."] = None
    mapping: Annotated[File, "Table, by tabs: old name and new name of nodes."] = None
    unmapped: Annotated[Literal["keep", "drop", "error"], "Inputs that the mapping lacks."] = "keep"
    data_types: Annotated[Text, "Separator, as in TP53@rna, that feeds TP53."] = None
    cycles: Annotated[
        Literal["error", "break", "keep"], "keep: for the backends recurrent and gnn."
    ] = "error"
    min_genes: Annotated[int, "Fewest measured genes of a set."] = 1
    max_genes: Annotated[int | None, "Most measured genes of a set."] = None
    depth: Annotated[int | None, "Keep what is so far below an output."] = None
    collapse: Annotated[bool, "Leave out nodes with a single child."] = False
    merge: Annotated[bool, "Make one node of sets with the same genes."] = False
    propagate: Annotated[bool, "Make genes members of all sets above."] = False
    layers: Annotated[int | None, "Keep so many upper layers."] = None
    skips: Annotated[Literal["keep", "drop"], "What becomes of skip edges, with --layers."] = "keep"
    latent: Annotated[int, "Free nodes to add beside the sets."] = 0


def prior(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            help="GMT, Reactome relation, OBO, SIF, OmniPath, GraphML, CX2, KGML, GPML, SBML, GO-CAM or edges."
        ),
    ],
    features: Annotated[Path, "The data: h5ad, CSV, TSV or Parquet."],
    out: Annotated[Path, "Edge table to write: .csv, .tsv or .parquet."],
    kind: Annotated[Format, typer.Option("--format", help="auto: by the file's ending.")] = "auto",
    reading: Annotated[Reading, "Reading, by format"],
    layer: Annotated[Text, "raw: names of an h5ad file's raw."] = None,
    feature_names: Annotated[Text, "Column of var (h5ad) that holds the names."] = None,
    clean_names: Annotated[
        bool, "Let names fit the features: prefix, species, version, isoform, case."
    ] = False,
    outputs: Annotated[tuple[str, ...], OUTPUTS] = (),
    label: Annotated[Text, "Column of the data (or of obs): its classes are the outputs."] = None,
    fitting: Annotated[Fitting, "Fitting the graph to the data"],
    hold_signs: Annotated[bool, "Write signs as constraints that a run holds weights to."] = False,
    console: Console,
) -> None:
    """Fit gene sets, an ontology or a network to your data; write an edge table."""
    from edge2torch.priors import clean_names as clean
    from edge2torch.priors import (
        edges_to_write,
        prepare_prior,
        read_prior,
        signs_as_constraints,
        write_edges,
    )
    from edge2torch.study import feature_names as names_of_features
    from edge2torch.study import label_outputs, refuse_in_rows

    edges_to_write(out)
    refuse_without("layers", fitting, "skips")
    refuse_without("mapping", fitting, "unmapped")
    prior_edges = read_prior(file, kind, reading.given(), console)
    nodes = {*prior_edges["source"], *prior_edges["target"]}
    columns = names_of_features(
        features, "--features", nodes, layer=layer, names_column=feature_names
    )
    measured, aside = columns.features, columns.aside
    if clean_names:
        prior_edges, cleaned = clean(prior_edges, [*measured, *aside])
        console.say(repr(cleaned))
        nodes = {*prior_edges["source"], *prior_edges["target"]}
    if fitting.mapping is not None:  # any number may be what a node comes to be called
        nodes = {name for name in aside if aside[name] not in ("text", "names of samples")}
    measured = [*measured, *(name for name in aside if name in nodes)]
    aside = {name: why for name, why in aside.items() if name not in nodes and name != label}
    if aside:
        console.say(f"{replace(columns, aside=aside).words} edge2torch run does the same.")
    if fitting.mapping is None:
        refuse_in_rows(features, "--features", measured, nodes)
    read, options = list(outputs), vars(fitting)
    if label is not None:
        if read or fitting.root is not None:
            raise Edge2TorchError("--label names the outputs: leave --outputs and --root out.")
        read = label_outputs(features, label)
        measured = [name for name in measured if name != label]
        new = set(read).isdisjoint({*prior_edges["source"], *prior_edges["target"]})
        options = {**options, "connect": fitting.connect or new}
        console.say(f"Outputs, of the label {label!r}: {listing(read, 10)}.")
    fitted = prepare_prior(prior_edges, measured, read or None, **options)
    edges = signs_as_constraints(fitted.edges) if hold_signs else fitted.edges
    report = fitted.report
    write_edges(edges, out)
    console.say(repr(report))
    if inner := sorted(set(report.outputs) & set(edges["source"])):
        console.say(
            f"Outputs that lead on to other nodes: {', '.join(inner)}. Give edge2torch run "
            f"--outputs {','.join(report.outputs)} to read all."
        )
    console.say(f"Written: {out}")
