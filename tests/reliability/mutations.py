"""Ways to spoil a file."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import random
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

MUCH = 200_000  # bytes that a mutation may add

NAMES = ["../../x", "/etc/x", "CON", "a\0b", "n" * 300, "..", ".", "\u202e", "-rf", "{}", "\ud7ff"]
NUMBERS = [-1, 0, 1e308, -1e308, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, 0.5, True]
FRAGMENTS = [
    *(name.encode() for name in NAMES),
    *(str(number).encode() for number in NUMBERS),
    *b"NaN null -1 1e400 {} [] true nan inf -inf NA \" ' , ; \t\t \\ ! # < > & ]]> &x; <node <!-- ".split(b" "),
    b"\n", b"\r", b"\r\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1c",
    b"[" * 2_000, b'{"a":' * 2_000, b"<node>" * 2_000, b"\t" * 5_000, b"9" * 5_000, b'"' * 999,
]  # fmt: skip


def flip(content: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        if spoiled:
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randint(0, len(content))]


def delete(content: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(content))
    return content[:start] + content[start + rng.randint(1, 40) :]


def insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(FRAGMENTS) + content[at + rng.choice([0, 0, 1, 5]) :]


def splice(content: bytes, rng: random.Random) -> bytes:
    """Copy one valid part over another place."""
    start, end = sorted(rng.randint(0, len(content)) for _ in range(2))
    at = rng.randint(0, len(content))
    return content[:at] + content[start:end] + content[at:]


def repeat(content: bytes, rng: random.Random) -> bytes:
    """Repeat a short part many times."""
    at = rng.randint(0, len(content))
    part = content[at : at + rng.randint(1, 40)]
    much = rng.choice([100, 2_000, 2_000, 20_000, MUCH])
    return content[:at] + part * (rng.randint(2, much) // max(len(part), 1)) + content[at:]


def swap_words(content: bytes, rng: random.Random) -> bytes:
    """Put a hostile word in the place of a word."""
    words = content.replace(b"\t", b"\t ").split(b" ")
    words[rng.randrange(len(words))] = rng.choice(FRAGMENTS)
    return b" ".join(words).replace(b"\t ", b"\t")


BYTES: list[Callable[[bytes, random.Random], bytes]] = [
    flip, cut, delete, insert, insert, splice, repeat, swap_words,
]  # fmt: skip


def spoil(content: bytes, rng: random.Random) -> bytes:
    """Apply one to three mutations of bytes; compressed content also inside."""
    if rng.random() < 0.6 and (packing := _unpacked(content)) is not None:
        inside, pack = packing
        return pack(spoil(inside, rng))
    if content[:1] in (b"{", b"[") and rng.random() < 0.6:
        return spoil_json(content, rng)
    for _ in range(rng.choice([1, 1, 2, 3])):
        content = rng.choice(BYTES)(content, rng)
    return content


def spoil_json(content: bytes, rng: random.Random) -> bytes:
    """Put something of another kind in the place of one value."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return flip(content, rng)
    for _ in range(rng.choice([1, 1, 1, 2])):
        tree = _with_other(tree, rng, rng.randint(1, 6))
    return json.dumps(tree).encode()


def _with_other(tree: Any, rng: random.Random, depth: int) -> Any:
    if depth == 0 or not isinstance(tree, dict | list) or not tree:
        return _other(tree, rng)
    place = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
    if rng.random() < 0.1:
        tree.pop(place)
    elif isinstance(tree, list) and rng.random() < 0.1:
        tree.insert(place, rng.choice(tree))
    else:
        tree[place] = _with_other(tree[place], rng, depth - 1)
    return tree


def _other(value: Any, rng: random.Random) -> Any:
    nested: Any = 1
    for _ in range(rng.choice([1, 50, 900])):
        nested = [nested]
    kinds = [None, "", {}, [], nested, [value], {"x": value}, str(value), float("nan"), [value] * 3]
    return rng.choice([*kinds, *NAMES, *NUMBERS])


def _unpacked(content: bytes) -> tuple[bytes, Callable[[bytes], bytes]] | None:
    """Return what is inside and how to pack it again; nothing where it is not packed, or damaged."""
    for start, unpack, pack in _PACKED:
        if content.startswith(start):
            with contextlib.suppress(
                EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
            ):
                return unpack(content), pack
    return None


def _unzip_first(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def _zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", content)
    return packed.getvalue()


_PACKED = (
    (b"\x1f\x8b", gzip.decompress, gzip.compress),
    (b"BZh", bz2.decompress, bz2.compress),
    (b"\xfd7zXZ", lzma.decompress, lzma.compress),
    (b"PK\x03\x04", _unzip_first, _zip),
)
