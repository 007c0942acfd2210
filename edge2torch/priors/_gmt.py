"""Gene sets in GMT files."""

from __future__ import annotations

from itertools import chain
from typing import Literal

import numpy as np
import pandas as pd

from edge2torch.errors import listing, note
from edge2torch.priors._edges import check_choice, plain_edges
from edge2torch.priors._rows import FilePath, Rows, check_distinct, read_rows, shown

_FEWEST = 3  # name, description, one member


def read_gmt(
    path: FilePath,
    *,
    identifier: Literal["name", "description"] = "name",
    prefix: str = "",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read gene sets; every gene leads to the sets that it is a member of.

    Parameters
    ----------
    path : str or path
        A GMT file, ``.gz`` or not: a set per line, with its name, a description and its genes,
        separated by tabs.
    identifier : {"name", "description"}
        What the set's node is called. Reactome's own file has the stable identifier in the place
        of the description; the name is then kept in ``target_name``.
    prefix : str
        Put before the name of every set, where sets are called as genes are.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per membership
        ``source`` (gene), ``target`` (set), and ``description`` or ``target_name``.

    Raises
    ------
    Edge2TorchError
        With file and line: for a line without genes, a set that is there twice, a set called as
        a gene is, and for files that are no text.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("two.gmt").write_text("repair\tDNA repair\tBRCA1\tATM\ndeath\tApoptosis\tATM\n")
    >>> read_gmt("two.gmt")
    [edge2torch] Note: two.gmt: 2 sets, 2 genes, 3 memberships.
      source  target description
    0  BRCA1  repair  DNA repair
    1    ATM  repair  DNA repair
    2    ATM   death   Apoptosis
    """
    check_choice(identifier, "identifier", ("name", "description"))
    rows = read_rows(path)
    _check(rows)
    sets = pd.DataFrame([row[:2] for row in rows.fields], columns=["name", "description"])
    sets = sets.apply(lambda column: column.str.strip())
    check_distinct(rows, sets, [identifier], " Rename or remove one.")
    other = "description" if identifier == "name" else "name"
    members = [[gene for gene in map(str.strip, row[2:]) if gene] for row in rows.fields]
    of_set = np.repeat(np.arange(len(rows)), [len(own) for own in members])
    genes = pd.Series(list(chain.from_iterable(members)), dtype=object)
    known = set(genes)
    targets = prefix + sets[identifier]
    rows.check(
        targets.isin(known).to_numpy(bool),
        lambda row: (
            f"the set {targets[row]!r} bears the name of a gene, so both would be one node. "
            "Give prefix='set:' or the like."
        ),
    )
    edges = plain_edges(
        genes,
        targets.to_numpy(object)[of_set],
        {"target_name" if other == "name" else other: sets[other].to_numpy(object)[of_set]},
    )
    repeats = edges.duplicated(["source", "target"])
    words = f"{rows.path.name}: {len(rows):,} sets, {len(known):,} genes, "
    words += f"{int((~repeats).sum()):,} memberships"
    if repeats.any():
        twice = edges.loc[repeats, ["source", "target"]].itertuples(index=False, name=None)
        words += f"; {int(repeats.sum()):,} named twice are kept once: {listing(twice)}"
    note(f"{words}.", quiet=quiet)
    return edges[~repeats].reset_index(drop=True)


def _check(rows: Rows) -> None:
    width = np.array([len(row) for row in rows.fields])
    rows.check(
        width < _FEWEST,
        lambda row: (
            "a GMT line is a name, a description and at least one gene, separated by tabs; found "
            f"{shown(' | '.join(rows.fields[row]))}."
        ),
    )
    for place, what in ((0, "set has no name"), (2, "set has no genes")):
        blank = [not any(map(str.strip, row[place : None if place else 1])) for row in rows.fields]
        problem = f"a {what}."
        rows.check(np.array(blank), problem)
