"""Node names of an edge table: each is read once, checked and numbered."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch._core.order import sorted_with_order, whole
from edge2torch.errors import Edge2TorchError

_OBJECT = 4  # bits: no object is shorter than 16 bytes
_PART = 12  # bits of a slot's place in its part of the memory: 64 kB
_AT_ONCE = 1 << 15
_IN_CACHE = 1 << 16  # fewer names than this are hashed as fast as their addresses are sorted
RESERVED_PREFIX = "__edge2torch_"


def number_nodes(
    edgelist: pd.DataFrame,
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]:
    """Return sorted node names and each row's source and target as positions among them."""
    columns = [edgelist[side] for side in ("source", "target")]
    coded = _coded_text(columns)
    if coded is None:
        for side, column in zip(("source", "target"), columns, strict=True):
            _check_no_nulls(side, column)
            _check_no_bytes(side, column)
        texts = [_as_text(column) for column in columns]
        _check_one_spelling(columns, texts)
        coded = pd.factorize(np.concatenate(texts))
    codes, distinct = coded
    known = distinct.tolist()
    # of an Enum of text str() says its name
    spelled = [*map(str.strip, known if {*map(type, known)} == {str} else map(str, known))]
    if spelled != known:
        again, distinct = pd.factorize(np.array(spelled, object))
        codes, spelled = again.astype(codes.dtype)[codes], distinct.tolist()
    # Python sorts text three times as fast as numpy sorts an array of objects
    order = sorted(range(len(spelled)), key=spelled.__getitem__)
    names = np.array(spelled, object)[order]
    number = np.empty(len(order), codes.dtype)
    number[order] = np.arange(len(order))
    codes = number[codes]
    _check_names(edgelist, names, codes)
    source, target = codes[: len(edgelist)], codes[len(edgelist) :]
    return names, source.astype(np.int64), target.astype(np.int64)


def _coded_text(columns: list[pd.Series]) -> tuple[NDArray[np.integer], NDArray[np.object_]] | None:
    """Return codes of all sources, then targets, and what they stand for; None if not all is text.

    Each row is looked at once: where names lie all over the memory, that is what takes the time.
    """
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        first, second = (column.cat.categories.to_numpy(dtype=object) for column in columns)
        width = whole(len(first) + len(second))
        codes = np.concatenate([column.cat.codes.to_numpy().astype(width) for column in columns])
        others = codes[len(columns[0]) :]
        others[others >= 0] += len(first)
        again, distinct = pd.factorize(np.concatenate([first, second]))
        if len(distinct) < len(again):  # names that both columns have
            codes = np.append(again, -1).astype(width)[codes]
        used = np.zeros(len(distinct) + 1, bool)  # the last one is what -1, a missing name, marks
        for own in np.split(codes, [len(columns[0])]):
            used[own] = True  # by marking: pandas would sort all rows to leave out what none has
        if not used[:-1].all():
            place = np.cumsum(used, dtype=width) - 1
            place[-1] = -1
            codes, distinct = place[codes], distinct[used[:-1]]
    elif all(isinstance(column.dtype, pd.StringDtype) for column in columns):
        # pandas' own text, from 3.0 on the usual kind: no object per row is there to be shared
        codes, known = pd.factorize(pd.concat(columns))
        distinct = known.to_numpy(dtype=object)
    else:
        try:
            codes, distinct = _factorized([column.to_numpy(dtype=object) for column in columns])
        except TypeError:  # not hashable
            return None
    # what equals a text is one; 1, 1.0 and True are equal, too, but that is looked into elsewhere
    is_text = all(issubclass(kind, str) for kind in set(map(type, distinct.tolist())))
    return (codes, distinct) if is_text and codes.min(initial=0) >= 0 else None


def _factorized(
    columns: list[NDArray[np.object_]],
) -> tuple[NDArray[np.integer], NDArray[np.object_]]:
    """``pd.factorize`` of one column after the other, with a look at each object where rows share theirs.

    Readers of files and ``names[codes]`` make one object per name. To sort addresses is to go through
    the memory in order; hashed row by row, or counted as held by one array more, the objects lie
    anywhere, at a cost that grows with them.
    """
    n = sum(map(len, columns))
    if n < _IN_CACHE:
        return pd.factorize(np.concatenate(columns))
    addresses = [np.frombuffer(np.ascontiguousarray(one), np.intp) for one in columns]
    drawn = np.random.default_rng(0).choice(n, int(10 * n**0.5), replace=False)
    cut = len(columns[0])
    seen = {
        *addresses[0][drawn[drawn < cut]].tolist(),
        *addresses[1][drawn[drawn >= cut] - cut].tolist(),
    }
    # fifty or more pairs of such a draw are one object where each object is in two rows
    if len(drawn) - len(seen) < 25:
        return pd.factorize(np.concatenate(columns))
    codes, first = _numbered(addresses)
    shared = np.empty(len(first), object)
    shared[first < cut] = columns[0][first[first < cut]]
    shared[first >= cut] = columns[1][first[first >= cut] - cut]
    known, distinct = pd.factorize(shared)
    return known.astype(codes.dtype)[codes], distinct


def _numbered(
    columns: list[NDArray[np.intp]],
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Number objects in the order of their addresses; return each row's, and a row of each.

    Names that were made together lie together: the parts of the memory that hold any are numbered, and each
    place in them has a slot of a table. Where that would be much longer than the rows, addresses are sorted.
    A part of the rows at a time: what is computed on the way would drive the table out of the cache.
    """
    n = sum(map(len, columns))
    # half as wide as places: what allocators give back to the system is slow to get again
    width = whole(n)
    lowest, highest = min(int(one.min()) for one in columns), max(int(one.max()) for one in columns)
    n_parts = (highest - lowest >> _OBJECT + _PART) + 1
    chunks = [one[k : k + _AT_ONCE] for one in columns for k in range(0, len(one), _AT_ONCE)]
    starts = np.cumsum([0, *map(len, chunks)])
    if n_parts <= 2 * n:
        part = np.zeros(n_parts, bool)
        for own in chunks:
            part[own - lowest >> _OBJECT + _PART] = True
        if (n_slots := int(part.sum()) << _PART) <= 8 * n:
            moved = (np.cumsum(part) - 1 - np.arange(n_parts)) << _PART

            def slots(own: NDArray[np.intp]) -> NDArray[np.intp]:
                place: NDArray[np.intp] = own - lowest >> _OBJECT
                place += moved[place >> _PART]
                return place

            row = np.full(n_slots, -1, width)
            for start, own in zip(starts[:-1], chunks, strict=True):
                row[slots(own)] = np.arange(start, start + len(own), dtype=width)
            there = np.flatnonzero(row >= 0)
            first = row[there]
            row[there] = np.arange(len(there), dtype=width)
            codes = np.empty(n, width)
            for start, own in zip(starts[:-1], chunks, strict=True):
                codes[start : start + len(own)] = row[slots(own)]
            return codes, first
    found, order = sorted_with_order(np.concatenate(columns) - lowest, highest - lowest)
    is_new = np.ones(len(order), bool)
    np.not_equal(found[1:], found[:-1], out=is_new[1:])
    codes = np.empty(len(order), width)
    codes[order] = np.cumsum(is_new, dtype=width) - 1
    return codes, order[is_new]


def _check_no_nulls(side: str, column: pd.Series) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        rows = np.flatnonzero(missing)
        raise Edge2TorchError(
            f"edgelist column {side!r} has {len(rows)} missing name(s), at row(s) "
            f"{listing(rows.tolist())} (counted from 0). Drop or name these nodes."
        )


def _check_no_bytes(side: str, column: pd.Series) -> None:
    """Refuse what h5py reads where text was written: ``str`` of it would begin with ``b'``."""
    if raw := [name for name in column if isinstance(name, bytes)]:
        raise Edge2TorchError(
            f"edgelist column {side!r} has {len(raw)} name(s) as bytes, not text: {listing(raw)}. "
            f"Decode them: edgelist[{side!r}].str.decode('utf-8')."
        )


def _as_text(column: pd.Series) -> NDArray[np.object_]:
    """``str(name).strip()`` of every row, converting each distinct value once."""
    if pd.api.types.infer_dtype(column, skipna=False) in ("mixed-integer", "mixed"):
        return np.array([str(name).strip() for name in column], dtype=object)
    codes, distinct = pd.factorize(column)
    texts = pd.Series(list(distinct), dtype=object).map(str).str.strip()
    return np.asarray(texts.to_numpy(dtype=object)[codes], dtype=object)


def _check_one_spelling(columns: list[pd.Series], texts: list[NDArray[np.object_]]) -> None:
    """Refuse ``1`` beside ``"1"`` or ``1.0``: one node or two, nobody can tell."""
    if all(pd.api.types.infer_dtype(column, skipna=False) == "string" for column in columns):
        return
    originals = np.concatenate([column.to_numpy(dtype=object) for column in columns])
    seen = pd.DataFrame(
        {
            "text": np.concatenate(texts),
            "kind": [_kind(name) for name in originals],
            "shown": [repr(_plain(name)) for name in originals],
        }
    ).drop_duplicates(["text", "kind"])
    seen["number"] = pd.to_numeric(seen["text"], errors="coerce")
    numbers = seen.dropna(subset=["number"]).groupby("number")
    by_number = numbers.filter(lambda group: group["kind"].nunique() > 1)
    by_text = seen.groupby("text").filter(lambda group: len(group) > 1)
    for clash in (by_text, by_number):
        if len(clash):
            raise Edge2TorchError(
                "edgelist has node names that read the same as text or as numbers: "
                f"{', '.join(clash['shown'].head(6))}. Give each node one spelling, for "
                "example edgelist.astype({'source': str, 'target': str})."
            )


def _kind(name: Hashable) -> str:
    return type(_plain(name)).__name__


def _plain(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def _check_names(
    edgelist: pd.DataFrame, names: NDArray[np.object_], codes: NDArray[np.integer]
) -> None:
    """Refuse what sorts to the front, no name at all, and what begins as our own do."""
    if names[0] == "":
        rows = np.unique(np.flatnonzero(codes == 0) % len(edgelist))
        raise Edge2TorchError(
            f"edgelist has blank node names at row(s) {listing(rows.tolist())} (counted from "
            "0). Drop or name these nodes."
        )
    start = np.searchsorted(names, RESERVED_PREFIX)
    reserved = list(takewhile(lambda name: name.startswith(RESERVED_PREFIX), names[start:]))
    if reserved:
        raise Edge2TorchError(
            f"edgelist has node names that start with {RESERVED_PREFIX!r}, which is reserved: "
            f"{listing(reserved)}. Rename these nodes."
        )
