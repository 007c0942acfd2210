"""Node names of an edge table: each is read once, checked and numbered."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch._core.order import sorted_with_order
from edge2torch.errors import Edge2TorchError

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
    spelled = [str(name).strip() for name in known]  # of an Enum of text str() says its name
    if spelled != known or len(set(spelled)) < len(spelled):
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
    codes: NDArray[np.integer]
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        parts = [column.cat.remove_unused_categories().cat for column in columns]
        first, second = (part.categories.to_numpy(dtype=object) for part in parts)
        is_few = len(first) + len(second) < 2**31
        width: type[np.signedinteger] = np.int32 if is_few else np.int64
        codes, others = (part.codes.to_numpy().astype(width) for part in parts)
        others[others >= 0] += len(first)
        codes, distinct = np.concatenate([codes, others]), np.concatenate([first, second])
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
    addresses = np.frombuffer(b"".join(column.tobytes() for column in columns), np.intp)
    drawn = np.random.default_rng(0).choice(n, int(10 * n**0.5), replace=False)
    # fifty or more pairs of such a draw are one object where each object is in two rows
    if len(drawn) - len(set(addresses[drawn].tolist())) < 25:
        return pd.factorize(np.concatenate(columns))
    lowest = addresses.min()
    found, order = sorted_with_order(addresses - lowest, int(addresses.max() - lowest))
    is_new = np.ones(len(order), bool)
    np.not_equal(found[1:], found[:-1], out=is_new[1:])
    first, cut = order[is_new], len(columns[0])
    shared = np.empty(len(first), object)
    shared[first < cut] = columns[0][first[first < cut]]
    shared[first >= cut] = columns[1][first[first >= cut] - cut]
    known, distinct = pd.factorize(shared)
    # half as wide as places: what allocators give back to the system is slow to get again
    codes: NDArray[np.integer] = np.empty(n, np.int32 if n < 2**31 else np.int64)
    place = np.cumsum(is_new, dtype=codes.dtype)
    place -= 1
    codes[order] = known.astype(codes.dtype)[place]
    return codes, distinct


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
