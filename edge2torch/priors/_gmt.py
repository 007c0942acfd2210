"""Gene sets in GMT files."""

from __future__ import annotations

import re
from itertools import chain
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing, note, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import plain_edges
from edge2torch.priors._rows import FilePath, Rows, check_distinct, read_rows, shown

_MOST_SHARED = 0.5  # share of second fields that are genes elsewhere, from which on nobody can tell
_MOST_ALIKE = 0.9  # share of second fields that look like genes, from which on it is asked
_COLUMNS = ["name", "description"]
_BLANKS = ("", "na", "n/a", "none", "null", "-", ".")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{1,9}(-[A-Z0-9]{1,4})?")
_WEIGHTED = re.compile(r"(.+),(\d+\.\d+(?:[eE][+-]?\d+)?)")


def read_gmt(
    path: FilePath,
    *,
    identifier: Literal["name", "description"] = "name",
    description: bool | None = None,
    prefix: str = "",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read gene sets; every gene leads to the sets that it is a member of.

    Parameters
    ----------
    path : str or path
        A GMT file, ``.gz`` or not: a set per line, with its name, a description and its genes,
        separated by tabs. Weights as Enrichr writes them, ``TP53,1.0``, are cut off the genes.
    identifier : {"name", "description"}
        What the set's node is called. Reactome's own file has the stable identifier in the place
        of the description; the name is then kept in ``target_name``.
    description : bool, optional
        Whether the second field describes the set, or is its first gene. By default it describes;
        where most second fields are genes of other sets, the file is refused until this is said,
        and where they only look like its genes, a warning asks.
    prefix : str
        Put before the name of every set, where sets are called as genes are.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per membership
        ``source`` (gene), ``target`` (set), ``description`` or ``target_name`` where there are
        any, and ``membership`` where the genes have weights other than 1.

    Raises
    ------
    Edge2TorchError
        With file and line: for a line without genes, a set that is there twice, a set called as
        a gene is, and for files that are not text; where it cannot be told whether sets are described.

    Warns
    -----
    Edge2TorchWarning
        Where the second fields look like genes.

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
    check_choice("identifier", identifier, ("name", "description"))
    rows = read_rows(path)
    described = description is not False
    if not described and identifier == "description":
        raise Edge2TorchError("identifier='description' needs a file with descriptions.")
    first = 2 if described else 1  # place of a set's first gene
    _check(rows, first)
    fields = [[text.strip() for text in row] for row in rows.fields]
    members = [[gene for gene in row[first:] if gene] for row in fields]
    genes, weights = _cut_weights(list(chain.from_iterable(members)))
    of_set = np.repeat(np.arange(len(rows)), [len(row) for row in members])
    if description is None:
        _check_described(rows, [row[:2] for row in fields], genes, of_set)
    sets = pd.DataFrame([row[:first] for row in fields], columns=_COLUMNS[:first])
    check_distinct(rows, sets, [identifier], " Rename or remove one.")
    known = set(genes)
    targets = prefix + sets[identifier]
    rows.check(
        targets.isin(known).to_numpy(bool),
        lambda row: (
            f"the set {targets[row]!r} bears the name of a gene, so both would be one node. "
            "Give prefix='set:' or the like."
        ),
    )
    columns = {
        "target_name" if name == "name" else name: sets[name].to_numpy(object)[of_set]
        for name in _COLUMNS[:first]
        if name != identifier
    }
    words = f"{rows.path.name}: {len(rows):,} sets, {len(known):,} genes, "
    if weights is not None and any(weight != 1 for weight in weights):
        columns["membership"] = np.array(weights)
    edges = plain_edges(genes, targets.to_numpy(object)[of_set], columns)
    repeats = edges.duplicated(["source", "target"])
    words += f"{int((~repeats).sum()):,} memberships"
    if repeats.any():
        twice = edges.loc[repeats, ["source", "target"]].itertuples(index=False, name=None)
        words += f"; {int(repeats.sum()):,} named twice are kept once: {listing(twice)}"
    if weights is not None:
        fate = "stand in 'membership'" if "membership" in edges else "are all 1 and were cut off"
        words += f"; weights of the genes {fate}"
    note(f"{words}.", quiet=quiet)
    return edges[~repeats].reset_index(drop=True)


def _check(rows: Rows, first: int) -> None:
    width = np.array([len(row) for row in rows.fields])
    wanted = "a name, a description and at least one gene"
    if first == 1:
        wanted = "a name and at least one gene"
    rows.check(
        width <= first,
        lambda row: (
            f"a GMT line is {wanted}, separated by tabs; found "
            f"{shown(' | '.join(rows.fields[row]))}."
            + (
                " Is the description missing? Give description=False."
                if first == width[row] == 2
                else ""
            )
        ),
    )
    for place, what in ((0, "set has no name"), (first, "set has no genes")):
        blank = [not any(map(str.strip, row[place : None if place else 1])) for row in rows.fields]
        problem = f"a {what}."
        rows.check(np.array(blank), problem)


def _cut_weights(members: list[str]) -> tuple[list[str], list[float] | None]:
    """Return genes without the weights that any of them have, and these; 1 where there is none."""
    matches = [_WEIGHTED.fullmatch(member) for member in members]
    if not any(matches):
        return members, None
    genes = [
        match[1].strip() if match else gene for match, gene in zip(matches, members, strict=True)
    ]
    return genes, [float(match[2]) if match else 1.0 for match in matches]


def _check_described(
    rows: Rows, heads: list[list[str]], genes: list[str], of_set: NDArray[np.int64]
) -> None:
    """Refuse, or ask about, second fields that seem to be genes."""
    sets_of: dict[str, set[int]] = {}
    for gene, number in zip(genes, of_set.tolist(), strict=True):
        sets_of.setdefault(gene, set()).add(number)
    second = [_cut_weights([head[1]])[0][0] for head in heads]
    shared = [word for k, word in enumerate(second) if sets_of.get(word, set()) - {k}]
    ask = "Give description=False if they are genes, description=True if they describe."
    if len(shared) > _MOST_SHARED * len(second):
        raise rows.error(
            0,
            f"{len(shared):,} of {len(second):,} second fields, where descriptions stand, are genes "
            f"of other sets: {listing(dict.fromkeys(shared))}. {ask}",
        )
    shapes = {_shape(gene) for gene in sets_of}
    are_symbols = all(map(_SYMBOL.fullmatch, sets_of))
    alike = [
        word
        for name, word in heads
        if word.lower() not in _BLANKS
        and word != name
        and (_shape(word) in shapes or (are_symbols and _SYMBOL.fullmatch(word)))
    ]
    if alike and len(alike) >= _MOST_ALIKE * len(second) and len(set(alike)) == len(alike):
        warn(
            f"{rows.path.name}: the second fields, read as descriptions, look like genes: "
            f"{listing(alike)}. {ask}"
        )


def _shape(word: str) -> str:
    """Return what kinds of characters follow each other, as ``A9`` of ``BRCA1``."""
    return re.sub(r"[A-Z]+", "A", re.sub(r"[a-z]+", "a", re.sub(r"\d+", "9", word)))
