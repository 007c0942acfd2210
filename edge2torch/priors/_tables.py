"""Edge tables in CSV, TSV and Parquet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.files import path_of, write_file
from edge2torch._core.messages import listing, note, plural, require, warn
from edge2torch._core.packed import PACKED, plain_suffix
from edge2torch._core.parquet import read_parquet
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._annotations import says_not
from edge2torch.priors._edges import Joined, join_rows
from edge2torch.priors._network import Weight, with_weight
from edge2torch.priors._rows import (
    FilePath,
    check_distinct,
    check_filled,
    check_header,
    check_width,
    read_rows,
    typed,
)
from edge2torch.priors._signs import ONE_SIDED, read_signs, unread_signs

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_ENDS = ["source", "target"]


def read_edges(
    path: FilePath,
    *,
    source: str = "source",
    target: str = "target",
    rename: Mapping[str, str] | None = None,
    sign: str | None = None,
    signs: Mapping[str, int] | None = None,
    duplicates: Literal["error", "join"] = "error",
    weight: Weight = "keep",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a plain table of edges.

    Parameters
    ----------
    path : str or path
        ``.csv``, ``.tsv``, ``.tab`` or ``.txt`` (separated by tabs), each also ``.gz``, ``.bz2``,
        ``.xz`` or ``.zip``; or ``.parquet``. With a header.
    source, target : str
        Columns that an edge leads from and to, in the direction of computation: for a hierarchy
        from child to parent.
    rename : dict of str to str, optional
        New names of other columns, such as ``{"score": "initial_weight"}``.
    sign : str, optional
        Column that says whether an edge activates or inhibits, by a number (1, -1, 0, or any of that
        sign) or by a word, as in :func:`read_sif`. It is read into ``sign``; a column of words, and
        one with other numbers, is kept beside it (as ``sign_given`` if it is called ``sign``).
    signs : dict of str to int, optional
        Further words of that column and what they say, such as ``{"binding": 0}``.
    duplicates : {"error", "join"}
        What becomes of an edge that has several rows: words are joined by ``|``, of numbers the
        first is kept, opposite signs become 0.
    weight : {"keep", "start", "drop"}
        What the edges' ``weight`` is to a model, which may be a trained one or a confidence:
        ``"start"`` makes it ``initial_weight``, where training starts; ``"drop"`` leaves it out. As
        ``weight`` it can be looked at, and :func:`~edge2torch.compile_graph` asks what it is.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, then all other columns. Node names stay text; other columns become
        numbers where every value is one and nothing is lost by it. What is blank is missing; so
        are ``NA``, ``nan``, ``None`` and the like in columns of numbers and in ``constraint``.

    Raises
    ------
    Edge2TorchError
        With file and line: for wrong column counts, blank names and repeated edges; for words
        without a known sign.

    Warns
    -----
    Edge2TorchWarning
        For columns that look like signs and are not read: pairs of stimulation and inhibition, as
        :func:`read_omnipath` reads them, words such as ``inhibition``, and numbers of -1, 0, 1.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("go.csv").write_text("child,parent,rel\nGO:2,GO:1,is_a\n")
    >>> read_edges("go.csv", source="child", target="parent")
    [edge2torch] Note: go.csv: 1 edge, 2 nodes.
      source target   rel
    0   GO:2   GO:1  is_a
    """
    check_choice("duplicates", duplicates, ("error", "join"))
    names = {source: "source", target: "target", **(rename or {})}
    kind, path = _kind(path), path_of(path)
    is_text = kind != ".parquet"
    frame = (
        _read_text(path, _SEPARATORS[kind], names, duplicates)
        if is_text
        else _read_parquet(path, names)
    )
    if sign is not None:
        column = names.get(sign, sign) if isinstance(sign, str) else sign
        frame = _with_sign(frame, path, column, signs)
    elif signs:
        raise Edge2TorchError("signs= says what the words of a column mean: name it with sign=.")
    frame, further = with_weight(frame, weight, path, rename=False)
    if words := unread_signs(frame):
        warn(f"{Path(path).name}: {words}")
    others = frame.drop(columns=_ENDS).select_dtypes(exclude="number")
    if n_negated := int(says_not(others).sum()):
        warn(
            f"{Path(path).name}: {n_negated:,} row(s) say NOT, and are edges like the others. Read "
            "annotations with read_annotations, which leaves them out, or drop these rows."
        )
    joined = join_rows(frame) if duplicates == "join" else Joined(frame)
    frame = joined.frame
    nodes = pd.concat([frame["source"], frame["target"]]).nunique()
    words = f"{Path(path).name}: {plural('edge', len(frame))}, {nodes:,} nodes{joined.words}"
    note(f"{'; '.join([words, *further])}.", quiet=quiet)
    return frame


def write_edges(edges: EdgesLike, path: FilePath) -> Path:
    """Write an edge table; :func:`read_edges` reads it back.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, and any others.
    path : str or path
        ``.parquet`` keeps every value and type; ``.csv`` and ``.tsv`` keep names as they are.

    Returns
    -------
    Path

    Raises
    ------
    Edge2TorchError
        For what is not a table, an unknown ending, a folder that is not there, or a column that Parquet cannot hold.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["a, b"], "target": ["NA"]})
    >>> read_edges(write_edges(edges, "mine.csv"), quiet=True).equals(edges)
    True
    """
    frame = edge_frame(edges)
    kind, file = edges_to_write(path), path_of(path)

    def fill(draft: Path) -> None:
        if kind == ".parquet":
            require("pyarrow", extra="priors")
            frame.to_parquet(draft, index=False)
        else:
            frame.to_csv(draft, sep=_SEPARATORS[kind], index=False, compression=_packing(file))

    try:
        return write_file(file, fill)
    except (ValueError, TypeError) as error:
        raise Edge2TorchError(f"edges cannot be written to {str(file)!r}: {error}") from error


def edges_to_write(path: FilePath) -> str:
    """Return the ending of a table to write, where one can be; asked before long work, too."""
    kind, folder = _kind(path, exists=False), path_of(path).parent
    if not folder.is_dir():
        raise Edge2TorchError(f"path={str(path)!r}: there is no folder {str(folder)!r}.")
    return kind


_OTHER_FILES = (
    " Gene sets, ontologies and networks have readers of their own in edge2torch.priors "
    "(in a shell: edge2torch prior)."
)


def _with_sign(
    frame: pd.DataFrame, path: FilePath, column: str, signs: Mapping[str, int] | None
) -> pd.DataFrame:
    """Read a column's signs; what is more than that is kept."""
    if not isinstance(column, str) or column not in frame or column in _ENDS:
        raise Edge2TorchError(
            f"{path}: sign={column!r} is not a column beside the ends; there are "
            f"{listing(frame.columns, 12)}."
        )
    if column in ONE_SIDED or pd.api.types.is_bool_dtype(frame[column]):
        raise Edge2TorchError(
            f"{path}: the column {column!r} says one side of a sign only. Read the file with "
            "read_omnipath, which takes stimulation and inhibition together."
        )
    if column != "sign" and "sign" in frame:
        raise Edge2TorchError(f"{path} has a column 'sign' beside {column!r}. Rename one.")
    given = frame[column]
    found = read_signs(given, f"{path}: column {column!r}", signs)
    if pd.api.types.is_numeric_dtype(given) and given.isin((-1, 0, 1)).all():
        return frame.rename(columns={column: "sign"}).assign(sign=found)
    kept = {"sign": "sign_given"} if column == "sign" else {}
    return frame.rename(columns=kept).assign(sign=found)


def _kind(path: FilePath, *, exists: bool = True) -> str:
    if not exists:
        path_of(path)
    elif not isinstance(path, str | os.PathLike) or not os.fspath(path):
        found = "an empty text" if isinstance(path, str) else f"a {type(path).__name__}"
        raise Edge2TorchError(
            f"path must name a file, found {found}. A table with the columns source and "
            "target needs no reading: give it to compile_graph or prepare_prior as it is."
        )
    kind = plain_suffix(path_of(path))
    if kind == ".cyjs":
        raise Edge2TorchError(
            f"{str(path)!r}: JSON of Cytoscape.js is written and not read. Write .cx2 or .graphml, "
            "as Cytoscape does, too."
            if exists
            else f"path={str(path)!r}: write_network writes .cyjs; this is for tables."
        )
    if kind not in (*_SEPARATORS, ".parquet"):
        raise Edge2TorchError(
            f"{'' if exists else 'path='}{str(path)!r} has an unknown ending. Use one of "
            f"{listing([*_SEPARATORS, '.parquet'], 8)}; text files may be compressed: "
            f"{', '.join(PACKED)}.{_OTHER_FILES if exists else ''}"
        )
    if exists and not path_of(path).is_file():
        raise Edge2TorchError(f"{str(path)!r} is not a file.")
    return kind


def _packing(file: Path) -> Any:
    suffix = file.suffix.lower()
    if suffix not in PACKED:
        return None
    inside = {"archive_name": file.stem} if suffix == ".zip" else {}
    return {"method": PACKED[suffix].name, **inside}


def _read_text(
    path: FilePath, separator: str, names: Mapping[str, str], duplicates: str
) -> pd.DataFrame:
    rows = read_rows(path, separator, quoted=True)
    header = [text.strip() for text in rows.fields[0]]
    if absent := [name for name in names if name not in header]:
        raise rows.error(
            0, f"no column {absent[0]!r}; there are {listing(header, 12)}. {_columns_hint(header)}"
        )
    header = [names.get(name, name) for name in header]
    check_header(rows, header)
    body = rows.without(1)
    if not len(body):
        raise rows.error(0, "the file holds nothing but a header.")
    check_width(body, len(header), "by the header")
    frame = body.frame(header)
    check_filled(body, frame, _ENDS)
    if duplicates == "error":
        check_distinct(
            body,
            frame,
            _ENDS,
            " Use duplicates='join' (in a shell: edge2torch prior --join) to make one edge of them.",
        )
    for name in header:
        if name not in _ENDS:
            frame[name] = typed(frame[name], always_missing=name == "constraint")
    return _ends_first(frame)


def _columns_hint(header: list[str]) -> str:
    if header[0].startswith("#"):
        return "The file begins with a comment. Remove the lines that begin with '#'."
    other = next((mark for mark in "\t;," if len(header) == 1 and mark in header[0]), None)
    if other is None:
        return (
            "Rename yours, or name them with read_edges(source=, target=) (in a shell: edge2torch prior "
            "--source and --target); where the first line is an edge, write source and target above it."
        )
    return f"The columns seem to be separated by {other!r}: .csv takes ',', .tsv tabs."


def _read_parquet(path: FilePath, names: Mapping[str, str]) -> pd.DataFrame:
    frame = read_parquet(Path(path))
    if absent := [name for name in names if name not in frame]:
        raise Edge2TorchError(
            f"{path} has no column {absent[0]!r}; there are {listing(frame.columns, 12)}."
        )
    return _ends_first(frame.rename(columns=dict(names)))


def _ends_first(frame: pd.DataFrame) -> pd.DataFrame:
    others = [name for name in frame.columns if name not in _ENDS]
    return frame[[*_ENDS, *others]]
