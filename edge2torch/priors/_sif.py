"""Signed networks in SIF files."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from edge2torch.errors import listing, note
from edge2torch.priors._edges import join_rows
from edge2torch.priors._rows import FilePath, bad_line, read_text, shown

SIGNS: Mapping[str, int] = {
    "1": 1,
    "+1": 1,
    "+": 1,
    "activates": 1,
    "activation": 1,
    "stimulates": 1,
    "stimulation": 1,
    "-1": -1,
    "-": -1,
    "inhibits": -1,
    "inhibition": -1,
    "0": 0,
}
_FEWEST = 3


def read_sif(
    path: FilePath, *, signs: Mapping[str, int] | None = None, quiet: bool = False
) -> pd.DataFrame:
    r"""Read a signed network: ``node relation node``, with further targets on the same line.

    Parameters
    ----------
    path : str or path
        Fields are separated by tabs where the line has one, otherwise by blanks.
    signs : dict of str to int, optional
        Further relations and what they say: 1, -1, or 0 for neither, such as ``{"pp": 0}``.
        Known are ``1``, ``-1``, ``0``, ``+``, ``-``, ``activates``, ``inhibits`` and their kin.
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
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        fields = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if len(fields) < _FEWEST or not all(fields[:_FEWEST]):
            raise bad_line(
                file, number, f"a line is source, relation and target(s); found {shown(line)}."
            )
        source, relation, *targets = fields
        if relation not in known:
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
    joined = join_rows(edges.assign(sign=edges["relation"].map(known).astype(int)))
    words = f"{file.name}: {len(joined.frame):,} edges, {_counts(joined.frame['sign'])}"
    if joined.n_joined:
        words += f"; {joined.n_joined:,} repeated row(s) were joined"
    if joined.conflicts:
        words += f"; opposite signs, now 0, at {listing(joined.conflicts)}"
    note(f"{words}.", quiet=quiet)
    return joined.frame


def _counts(sign: pd.Series) -> str:
    unsigned = int((sign == 0).sum())
    words = f"{int((sign > 0).sum()):,} positive and {int((sign < 0).sum()):,} negative"
    return words + (f", {unsigned:,} without a sign" if unsigned else "")
