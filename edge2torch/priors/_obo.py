"""Ontologies in OBO files, with the genes annotated to their terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.files import path_of
from edge2torch._core.messages import listing, note, plural
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import cycle_words, shortest_cycle
from edge2torch.priors._annotations import read_annotations
from edge2torch.priors._edges import join_rows, plain_edges, stacked
from edge2torch.priors._names import add_names
from edge2torch.priors._ontology import Ontology, Term, read_ontology
from edge2torch.priors._rows import FilePath, bad_line, read_text


def read_obo(
    path: FilePath,
    *,
    relations: Collection[str] = ("is_a", "part_of"),
    namespace: str | Collection[str] | None = None,
    annotations: FilePath | pd.DataFrame | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read an ontology; every term leads to its parents, and every gene to its terms.

    Parameters
    ----------
    path : str or path
        An OBO file of any version up to 1.4, ``.gz`` or not. Obsolete terms are left out; what
        leads to one leads to the term that it is ``replaced_by``, if that is a single one.
        ``consider`` is not followed. Edges to terms of other ontologies are left out where these
        are not in the file, and those of a general class inclusion (``gci_filler=``), which hold
        for the part of a term that is within another one only (in a taxon, say).
    relations : list of str
        Relations that become edges, such as ``"is_a"``, ``"part_of"``, ``"regulates"``.
    namespace : str or list of str, optional
        Keep terms of these namespaces only, such as ``"biological_process"``.
    annotations : path or DataFrame, optional
        A file that :func:`read_annotations` reads with its defaults, or what it returned.
        Alternative identifiers of a term and ``replaced_by`` are followed.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``relation``, ``source_name``, ``target_name``, and the columns of
        the annotations.

    Raises
    ------
    Edge2TorchError
        With file and line: for a line that is not a tag and a value, a term that is there twice or
        has no id, a parent of this ontology that is not a term, an unknown relation, a cycle of the
        chosen relations, and annotations to terms that the ontology does not have, or has as
        obsolete without a single replacement.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("two.obo").write_text(
    ...     "format-version: 1.2\nontology: two\n\n[Term]\nid: T:1\nname: process\n\n"
    ...     "[Term]\nid: T:2\nname: repair\nis_a: T:1\n")
    >>> read_obo("two.obo")
    [edge2torch] Note: two.obo: 2 terms, 1 edge (1 is_a).
      source target relation source_name target_name
    0    T:2    T:1     is_a      repair     process

    References
    ----------
    The format: OBO Flat File Format 1.4,
    https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html.
    """
    file, text = read_text(path)
    ontology = read_ontology(file, text)
    wanted = list(dict.fromkeys([relations] if isinstance(relations, str) else relations))
    edges, about = _edges(file, ontology, wanted)
    living = {name: term for name, term in ontology.terms.items() if not term.is_obsolete}
    names = {name: term.name for name, term in living.items()}
    if namespace is not None:
        edges, kept = _of_namespace(file, living, edges, namespace)
        names = {node: name for node, name in names.items() if node in kept}
    _check_acyclic(file, living, edges)
    counts = edges["relation"].value_counts().sort_index()
    joined = join_rows(edges).frame
    words = f"{file.name}: {plural('term', len(names))}, {plural('edge', len(joined))}"
    words += f" ({', '.join(f'{n:,} {name}' for name, n in counts.items())})"
    note("; ".join([words, *about]) + ".", quiet=quiet)
    if annotations is not None:
        genes = _annotated(annotations, ontology, names, file=file, quiet=quiet)
        joined = stacked([genes, joined])
        joined = joined.astype(object).where(joined.notna(), None)
    if joined.empty:
        kinds = sorted({kind for term in ontology.terms.values() for kind, *_ in term.parents})
        raise bad_line(
            file,
            1,
            f"the file holds no edges of relations={listing(wanted)}; it has "
            f"{listing(kinds, 12) or 'none at all'}.",
        )
    return add_names(joined, pd.Series(names, dtype=object))


_FATES = {
    "moved": "edge(s) lead to what now stands for their parent",
    "gone": "edge(s) to an obsolete parent without a single replacement were left out",
    "imported": "edge(s) to terms of other ontologies were left out",
    "conditional": "edge(s) that hold only within another term (gci_filler) were left out",
}


def _edges(file: Path, ontology: Ontology, wanted: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return chosen edges between living terms, and words about all others."""
    found: list[tuple[str, str, str]] = []
    other_relations: Counter[str] = Counter()
    fates: dict[str, list[tuple[str, str]]] = {fate: [] for fate in _FATES}
    for child, term in ontology.terms.items():
        if term.is_obsolete:
            continue
        fates["conditional"] += [(child, to) for kind, to, _ in term.conditional if kind in wanted]
        for kind, parent, line in term.parents:
            if kind not in wanted:
                other_relations[kind] += 1
                continue
            living = ontology.stands_for(parent)
            fate = _fate(ontology, child, parent, living)
            if fate == "unknown":
                raise bad_line(
                    file,
                    line,
                    f"the {kind} of {child!r}, {parent!r}, is not a term of this file. Is the file cut "
                    "short? Give the whole ontology, or remove this line.",
                )
            if living is not None and fate in ("kept", "moved"):
                found.append((child, living, kind))
            if fate != "kept":
                fates[fate].append((parent, str(living)) if fate == "moved" else (child, parent))
    known = {kind for *_, kind in found} | set(other_relations) | ontology.relations | {"is_a"}
    if unknown := [name for name in wanted if name not in known and name != "part_of"]:
        raise bad_line(
            file, 1, f"unknown relation {unknown[0]!r}; the file has {listing(sorted(known), 12)}."
        )
    words = []
    if other_relations:
        counts = sorted(other_relations.items())
        words.append("left out " + ", ".join(f"{n:,} {name}" for name, n in counts))
    words += [
        f"{len(edges):,} {_FATES[fate]}: {listing(dict.fromkeys(edges))}"
        for fate, edges in fates.items()
        if edges
    ]
    columns = [[edge[k] for edge in found] for k in range(3)]
    frame = plain_edges(columns[0], columns[1], {"relation": np.asarray(columns[2], object)})
    return frame, words


def _fate(ontology: Ontology, child: str, parent: str, living: str | None) -> str:
    """Say what becomes of an edge whose parent is now ``living``, if anything."""
    if living is None and parent not in ontology.terms:
        return "imported" if ontology.is_imported(parent) else "unknown"
    if living is None or living == child:
        return "gone"
    return "kept" if living == parent else "moved"


def _of_namespace(
    file: Path, living: dict[str, Term], edges: pd.DataFrame, namespace: str | Collection[str]
) -> tuple[pd.DataFrame, set[str]]:
    wanted = {namespace} if isinstance(namespace, str) else set(namespace)
    there = {term.namespace for term in living.values() if term.namespace}
    if unknown := sorted(wanted - there):
        raise bad_line(
            file, 1, f"unknown namespace {unknown[0]!r}; the file has {listing(sorted(there), 12)}."
        )
    kept = {node for node, term in living.items() if term.namespace in wanted}
    both = edges["source"].isin(kept) & edges["target"].isin(kept)
    return edges[both].reset_index(drop=True), kept


def _check_acyclic(file: Path, living: dict[str, Term], edges: pd.DataFrame) -> None:
    codes, names = pd.factorize(pd.concat([edges["source"], edges["target"]]))
    codes = codes.astype(np.int64)
    cycle = shortest_cycle(codes[: len(edges)], codes[len(edges) :], len(names))
    if cycle is not None:
        raise bad_line(
            file,
            living[str(names[cycle[0]])].line,
            f"a cycle: {cycle_words(np.asarray(names, object), cycle)}. Correct the file, or "
            "choose fewer relations.",
        )


def _annotated(
    annotations: FilePath | pd.DataFrame,
    ontology: Ontology,
    names: dict[str, Any],
    *,
    file: Path,
    quiet: bool,
) -> pd.DataFrame:
    """Return genes of the terms that are kept; ids that the file replaces are followed."""
    where, table = "annotations", annotations
    if not isinstance(table, pd.DataFrame):
        where = str(path_of(table, "annotations", "a DataFrame or a path"))
        table = read_annotations(where, quiet=quiet)
    behind = {name: ontology.stands_for(str(name)) for name in table["target"].unique()}
    if strange := [name for name, term in behind.items() if term is None]:
        raise _strange_terms(where, file, ontology, strange)
    target = table["target"].map(behind)
    known = target.isin(names)
    if not known.any():
        raise Edge2TorchError(
            f"{where}: no annotation is to a term of namespace= that was kept from {file}; they are "
            f"to {listing(target.unique())}. Choose their namespace."
        )
    words = []
    if n_moved := int((target != table["target"]).sum()):
        words.append(f"{n_moved:,} annotation(s) are to alternative or replaced identifiers: moved")
    if n_others := int((~known).sum()):
        words.append(f"{n_others:,} annotation(s) of other namespaces were left out")
    note("; ".join(words) + ".", quiet=quiet or not words)
    return join_rows(table.assign(target=target)[known]).frame


def _strange_terms(
    where: str, file: Path, ontology: Ontology, strange: list[Any]
) -> Edge2TorchError:
    proposed = [
        (name, other)
        for name in strange
        if name in ontology.terms
        for term in [ontology.terms[name]]
        for other in [*term.replaced_by, *term.consider]
    ]
    hint = (
        f" The ontology proposes, to be judged one by one: {listing(proposed)}." if proposed else ""
    )
    return Edge2TorchError(
        f"{where}: {len(strange):,} term(s) are not in {file}, or obsolete there: "
        f"{listing(strange)}.{hint} Use files of one release, or drop these rows; where it is "
        "the name of a column, read the table with read_annotations(path, gene=..., term=...)."
    )
