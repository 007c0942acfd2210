"""Reactome's two tables: which pathway is part of which, and which protein is in which."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch._core.files import path_of
from edge2torch._core.messages import listing, note
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import join_rows, plain_edges, stacked
from edge2torch.priors._names import add_names
from edge2torch.priors._rows import (
    FilePath,
    Pairs,
    Rows,
    bad_line,
    check_distinct,
    check_filled,
    read_rows,
    shown,
)

_ID = r"R-[A-Z]{3}-\d+(?:\.\d+)?"
# Where identifier, pathway and evidence stand, by the number of columns: Reactome's own files have
# identifier, pathway, URL, name, evidence, species, or a physical entity and its name before the
# pathway.
_PLACES = {3: [0, 1, 2], 6: [0, 1, 4], 8: [0, 3, 6]}


def read_reactome(
    relation: FilePath,
    members: FilePath,
    *,
    names: Pairs | None = None,
    species: str | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read Reactome: every protein leads to its pathways, every pathway to those it is part of.

    Parameters
    ----------
    relation : str or path
        ``ReactomePathwaysRelation.txt``: parent and child, separated by tabs.
    members : str or path
        ``UniProt2Reactome.txt``, ``NCBI2Reactome.txt`` and the like: identifier and pathway in
        the first two columns, or identifier, pathway and evidence; or with physical entities, as
        ``UniProt2Reactome_PE_Pathway.txt``, whose fourth column is the pathway. The file that lists
        the lowest level is enough; the hierarchy says the rest.
    names : dict, Series or path, optional
        ``ReactomePathways.txt``: pathway and name. Kept as ``source_name`` and ``target_name``.
    species : str, optional
        Three letters, such as ``"HSA"``; by default all that the files hold.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``relation`` (``member`` or ``part_of``), ``evidence`` where the
        file has it, and names.

    Raises
    ------
    Edge2TorchError
        With file and line: for missing columns, what is not a Reactome identifier, and a relation
        that is there twice; for species that the files do not hold, and for files that have no
        pathway in common, such as one of reactions.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("relation.txt").write_text("R-HSA-1\tR-HSA-2\n")
    >>> _ = Path("members.txt").write_text("P04637\tR-HSA-2\tTAS\n")
    >>> read_reactome("relation.txt", "members.txt", quiet=True)
        source   target relation evidence
    0   P04637  R-HSA-2   member      TAS
    1  R-HSA-2  R-HSA-1  part_of     None
    """
    above = _relation(path_of(relation, "relation"), species)
    below, n_joined = _members(path_of(members, "members"), species)
    edges = stacked([below, above])
    edges = edges.astype(object).where(edges.notna(), None)
    n_genes = below["source"].nunique()
    lost = ~below["target"].isin(above["source"]) & ~below["target"].isin(above["target"])
    if lost.all():
        raise Edge2TorchError(
            f"members and relation have no pathway in common: {members} has "
            f"{listing(below['target'].unique())}, {relation} has {listing(above['source'].unique())}. "
            "Reactions and physical entities are not pathways: give UniProt2Reactome.txt or the like, "
            "of the same release and species."
        )
    words = (
        f"{n_genes:,} identifiers in {below['target'].nunique():,} pathways "
        f"({len(below):,} memberships), {len(above):,} relations between pathways"
    )
    if n_joined:
        words += f"; {n_joined:,} membership(s) with several evidence codes were joined"
    if lost.any():
        words += f"; {below.loc[lost, 'target'].nunique():,} pathway(s) have no relation to others"
    note(f"{words}.", quiet=quiet)
    return edges if names is None else add_names(edges, names)


def _relation(path: FilePath, species: str | None) -> pd.DataFrame:
    rows = _rows(path, 1, 2, "parent and child")
    table = rows.frame(["parent", "child"])
    _check_ids(rows, table["parent"])
    _check_ids(rows, table["child"])
    check_distinct(rows, table, ["parent", "child"], " Remove one line.")
    table = table[_of_species(rows, table["parent"], species)]
    return plain_edges(table["child"], table["parent"], {"relation": "part_of"})


def _members(path: FilePath, species: str | None) -> tuple[pd.DataFrame, int]:
    rows = _rows(path, 1, None, "identifier, pathway, and more")
    width = len(rows.fields[0])
    wanted = _PLACES.get(width, [0, 1])
    columns = ["source", "target", "evidence"][: len(wanted)]
    table = Rows(
        rows.path, [[row[place] for place in wanted] for row in rows.fields], rows.lines
    ).frame(columns)
    check_filled(rows, table, ["source"])
    _check_ids(rows, table["target"])
    table = table[_of_species(rows, table["target"], species)]
    table.insert(2, "relation", "member")
    if table["source"].str.fullmatch(_ID).all():
        raise Edge2TorchError(
            f"members={str(path)!r} holds pathways in both columns, so it looks like the relation of "
            "pathways. Give UniProt2Reactome.txt or the like, which has proteins in the first."
        )
    joined = join_rows(table)
    return joined.frame, joined.n_joined


def _rows(path: FilePath, id_place: int, width: int | None, what: str) -> Rows:
    """Return the rows below a header, if there is one, all of one width."""
    rows = read_rows(path)
    wanted = width or len(rows.fields[0])
    found = np.fromiter(map(len, rows.fields), np.int64, len(rows))
    rows.check(
        (found != wanted) | (found < 2),
        lambda row: (
            f"{max(wanted, 2)} columns were expected ({what}), found {found[row]}: "
            f"{shown(' | '.join(rows.fields[row]))}."
        ),
    )
    is_id = pd.Series([rows.fields[0][id_place].strip()]).str.fullmatch(_ID)
    rows = rows if is_id.iloc[0] else rows.without(1)
    if not len(rows):
        raise bad_line(rows.path, 1, "the file holds no Reactome identifier.")
    return rows


def _check_ids(rows: Rows, ids: pd.Series) -> None:
    rows.check(
        ~ids.str.fullmatch(_ID).to_numpy(bool),
        lambda row: f"{ids[row]!r} is not a Reactome identifier, such as 'R-HSA-69473'.",
    )


def _of_species(rows: Rows, ids: pd.Series, species: str | None) -> pd.Series:
    if species is None:
        return pd.Series(True, index=ids.index)
    is_of_species = ids.str.slice(2, 5) == species.upper()
    if not is_of_species.any():
        raise rows.error(0, f"no pathway of species={species!r}; there is {ids[0]!r}.")
    return is_of_species
