"""Signed networks in SIF files."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from edge2torch._core.messages import listing, note
from edge2torch.priors._edges import join_rows
from edge2torch.priors._rows import FilePath, bad_line, read_text, shown
from edge2torch.priors._signs import SIGNS, read_signs, sign_of

_MIN_FIELDS = 3


def read_sif(
    path: FilePath, *, signs: Mapping[str, int] | None = None, quiet: bool = False
) -> pd.DataFrame:
    r"""Read a signed network: ``node relation node``, with further targets on the same line.

    Parameters
    ----------
    path : str or path
        Fields are separated by tabs where the line has one, otherwise by blanks. A node alone on
        its line has no edge: it is named in the note, and an edge table cannot hold it.
    signs : dict of str to int, optional
        Further relations and what they say: 1, -1, or 0 for neither, such as ``{"pp": 0}``.
        Known are ``1``, ``-1``, ``0``, ``+``, ``-``, ``activates``, ``inhibits`` and their kin, in
        capital letters or not.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``relation`` as in the file, and ``sign``: compile it with
        ``sign_column="sign"``.

    Raises
    ------
    Edge2TorchError
        With file and line: for lines with fewer than three fields and for unknown relations.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("net.sif").write_text("EGF 1 Ras\nRas -1 Erk Akt\n")
    >>> read_sif("net.sif")
    [edge2torch] Note: net.sif: 3 edges, 1 positive and 2 negative.
      source target relation  sign
    0    EGF    Ras        1     1
    1    Ras    Erk       -1    -1
    2    Ras    Akt       -1    -1
    """
    known = {**SIGNS, **(signs or {})}
    file, text = read_text(path)
    found: list[tuple[str, str, str]] = []
    alone: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        fields = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if not any(fields[1:]):
            alone[fields[0]] = None
            continue
        if len(fields) < _MIN_FIELDS or not all(fields[:_MIN_FIELDS]):
            raise bad_line(
                file, number, f"a line is source, relation and target(s); found {shown(line)}."
            )
        source, relation, *targets = fields
        if sign_of(relation, known) is None:
            raise bad_line(
                file,
                number,
                f"unknown relation {relation!r}; known are {listing(known, 20)}. Say what it means "
                f"with signs={{{relation!r}: 0}}, or 1, or -1.",
            )
        found += [(source, target, relation) for target in targets if target]
    if not found:
        raise bad_line(file, 1, "the file holds no edges.")
    edges = pd.DataFrame(found, columns=["source", "target", "relation"], dtype=object)
    joined = join_rows(edges.assign(sign=read_signs(edges["relation"], "relation", known)))
    ends = {*joined.frame["source"], *joined.frame["target"]}
    words = (
        f"{file.name}: {len(joined.frame):,} edges, {_counts(joined.frame['sign'])}{joined.words}"
    )
    if isolated := [node for node in alone if node not in ends]:
        words += (
            f"; {len(isolated):,} node(s) without edges are not in the table: {listing(isolated)}"
        )
    note(f"{words}.", quiet=quiet)
    return joined.frame


def _counts(sign: pd.Series) -> str:
    unsigned = int((sign == 0).sum())
    words = f"{int((sign > 0).sum()):,} positive and {int((sign < 0).sum()):,} negative"
    return words + (f", {unsigned:,} without a sign" if unsigned else "")
