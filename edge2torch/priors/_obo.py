"""Ontologies in OBO files, with the genes annotated to their terms."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, listing, note, require
from edge2torch.graph import cycle_words, shortest_cycle
from edge2torch.priors._annotations import read_annotations
from edge2torch.priors._edges import join_rows, plain_edges, stacked
from edge2torch.priors._names import add_names
from edge2torch.priors._rows import FilePath, bad_line, read_text, shown

_STANZA = re.compile(r"\[(Term|Typedef|Instance)\]")
_TAG = re.compile(r"[^\s:][^:]*:")


def read_obo(
    path: FilePath,
    *,
    relations: Collection[str] = ("is_a", "part_of"),
    namespace: str | Collection[str] | None = None,
    annotations: FilePath | pd.DataFrame | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read an ontology; every term leads to its parents, and every gene to its terms.

    The parsing is obonet's.

    Parameters
    ----------
    path : str or path
        An OBO file, ``.gz`` or not. Obsolete terms are left out.
    relations : list of str
        Relations that become edges, such as ``"is_a"``, ``"part_of"``, ``"regulates"``.
    namespace : str or list of str, optional
        Keep terms of these namespaces only, such as ``"biological_process"``.
    annotations : path or DataFrame, optional
        A file that :func:`read_annotations` reads with its defaults, or what it returned.
        Alternative identifiers of a term are followed.
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
        With file and line: for a line that is no tag and value, a term that is there twice or
        has no id, a parent that is no term, an unknown relation, a cycle of the chosen relations,
        and annotations to terms that the ontology does not have.

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
    obonet: Himmelstein, doi:10.5281/zenodo.2605950.
    """
    file, text = read_text(path)
    lines = _scan(file, text)
    graph = _parse(file, text)
    wanted = list(dict.fromkeys([relations] if isinstance(relations, str) else relations))
    source, target, relation, left_out = _edges(file, lines, graph, wanted)
    names = {node: data.get("name") for node, data in graph.nodes(data=True)}
    edges = plain_edges(source, target, {"relation": np.asarray(relation, object)})
    if namespace is not None:
        edges, kept = _of_namespace(file, graph, edges, namespace)
        names = {node: name for node, name in names.items() if node in kept}
    _check_acyclic(file, lines, edges)
    counts = edges["relation"].value_counts().sort_index()
    joined = join_rows(edges).frame
    words = [
        f"{file.name}: {len(names):,} terms, {len(joined):,} edge{'' if len(joined) == 1 else 's'}"
    ]
    words[0] += f" ({', '.join(f'{n:,} {name}' for name, n in counts.items())})"
    if left_out:
        words.append("left out " + ", ".join(f"{n:,} {name}" for name, n in left_out.items()))
    note("; ".join(words) + ".", quiet=quiet)
    if annotations is not None:
        genes = _annotated(annotations, graph, names, file=file, quiet=quiet)
        joined = stacked([genes, joined])
        joined = joined.astype(object).where(joined.notna(), None)
    if joined.empty:
        raise bad_line(file, 1, f"the file holds no edges of relations={listing(wanted)}.")
    return add_names(joined, pd.Series(names, dtype=object))


def _scan(file: Path, text: str) -> dict[str, int]:
    """Check the form of every line; return the line of each term's id."""
    lines: dict[str, int] = {}
    stanza, began, has_id = "", 1, True
    for number, line in enumerate([*text.splitlines(), "[Term]"], 1):
        words = line.strip()
        if words.startswith("["):
            if stanza == "Term" and not has_id:
                raise bad_line(file, began, "a [Term] without an id. Is the file cut short?")
            match = _STANZA.match(words)
            if match is None:
                raise bad_line(file, number, f"no known kind of entry: {shown(words)}.")
            stanza, began, has_id = match[1], number, False
        elif words and not words.startswith("!"):
            _check_line(file, number, words, stanza)
            if words.startswith("id:"):
                has_id = True
                own = words.removeprefix("id:").split("!")[0].strip()
                if stanza == "Term" and lines.setdefault(own, number) != number:
                    first = lines[own]
                    raise bad_line(file, number, f"{own!r} is there twice, first on line {first}.")
    if not lines:
        raise bad_line(file, 1, "the file holds no [Term].")
    return lines


def _check_line(file: Path, number: int, words: str, stanza: str) -> None:
    if not _TAG.match(words):
        raise bad_line(file, number, f"a line is 'tag: value', found {shown(words)}.")
    fields = words.split()
    if stanza == "Term" and fields[0] == "relationship:" and len(fields) < 3:
        raise bad_line(file, number, f"a relationship names relation and term: {shown(words)}.")


def _parse(file: Path, text: str) -> Any:
    obonet = require("obonet", extra="priors")
    if "\nontology:" not in f"\n{text}":
        text = f"ontology: {file.stem}\n{text}"  # obonet logs a warning where the file has none
    clean = re.sub(
        r"^(relationship: \S+ \S+)[^\n]*$", r"\1", text.replace("\r\n", "\n"), flags=re.MULTILINE
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return obonet.read_obo(io.StringIO(clean))
    except (ValueError, KeyError) as error:
        raise Edge2TorchError(f"{file}: obonet cannot read this file: {error!r}") from error


def _edges(
    file: Path, lines: dict[str, int], graph: Any, wanted: list[str]
) -> tuple[list[str], list[str], list[str], dict[str, int]]:
    """Return chosen edges, and how many there are of every other relation."""
    source, target, relation = [], [], []
    left_out: dict[str, int] = {}
    for child, parent, kind in graph.edges(keys=True):
        if kind not in wanted:
            left_out[kind] = left_out.get(kind, 0) + 1
            continue
        if parent not in lines or child not in lines:
            raise bad_line(
                file,
                _line_of_parent(file, lines.get(child, 1), parent),
                f"the {kind} of {child!r}, {parent!r}, is no term of this file.",
            )
        source.append(child)
        target.append(parent)
        relation.append(kind)
    declared = {str(own.get("id")) for own in graph.graph.get("typedefs", [])}
    found = set(relation) | set(left_out) | declared | {"is_a"}
    if unknown := [name for name in wanted if name not in found and name != "part_of"]:
        raise bad_line(
            file, 1, f"unknown relation {unknown[0]!r}; the file has {listing(sorted(found), 12)}."
        )
    return source, target, relation, dict(sorted(left_out.items()))


def _line_of_parent(file: Path, first: int, parent: str) -> int:
    """Return the line, from that of a term's id on, that names the parent."""
    _, text = read_text(file)
    for number, line in enumerate(text.splitlines()[first - 1 :], first):
        if parent in line:
            return number
    return first


def _of_namespace(
    file: Path, graph: Any, edges: pd.DataFrame, namespace: str | Collection[str]
) -> tuple[pd.DataFrame, set[str]]:
    wanted = {namespace} if isinstance(namespace, str) else set(namespace)
    of_node = {node: data.get("namespace") for node, data in graph.nodes(data=True)}
    there = {name for name in of_node.values() if name}
    if unknown := sorted(wanted - there):
        raise bad_line(
            file, 1, f"unknown namespace {unknown[0]!r}; the file has {listing(sorted(there), 12)}."
        )
    kept = {node for node, name in of_node.items() if name in wanted}
    both = edges["source"].isin(kept) & edges["target"].isin(kept)
    return edges[both].reset_index(drop=True), kept


def _check_acyclic(file: Path, lines: dict[str, int], edges: pd.DataFrame) -> None:
    codes, names = pd.factorize(pd.concat([edges["source"], edges["target"]]))
    codes = codes.astype(np.int64)
    cycle = shortest_cycle(codes[: len(edges)], codes[len(edges) :], len(names))
    if cycle is not None:
        raise bad_line(
            file,
            lines[str(names[cycle[0]])],
            f"a cycle: {cycle_words(np.asarray(names, object), cycle)}. Correct the file, or "
            "choose fewer relations.",
        )


def _annotated(
    annotations: FilePath | pd.DataFrame,
    graph: Any,
    names: dict[str, Any],
    *,
    file: Path,
    quiet: bool,
) -> pd.DataFrame:
    given = isinstance(annotations, pd.DataFrame)
    table: Any = annotations if given else read_annotations(annotations, quiet=quiet)  # type: ignore[arg-type]
    other = {alt: node for node, data in graph.nodes(data=True) for alt in data.get("alt_id", [])}
    target = table["target"].where(~table["target"].isin(other), table["target"].map(other))
    known, elsewhere = target.isin(names), target.isin(set(graph.nodes))
    strange = target[~known & ~elsewhere]
    if len(strange):
        where = "annotations" if given else str(annotations)
        raise Edge2TorchError(
            f"{where}: {strange.nunique():,} term(s) are not in {file}, or obsolete there: "
            f"{listing(strange.unique())}. Use files of one release, or drop these rows; where it is "
            "the name of a column, read the table with read_annotations(path, gene=..., term=...)."
        )
    left_out = int((~known).sum())
    note(
        f"{left_out:,} annotation(s) of other namespaces were left out.",
        quiet=quiet or not left_out,
    )
    return join_rows(table.assign(target=target)[known]).frame
