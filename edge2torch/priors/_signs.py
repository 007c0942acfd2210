"""What says that an edge activates or inhibits: words, numbers, pairs of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import is_whole
from edge2torch._core.messages import listing
from edge2torch._core.tables import MISSING
from edge2torch.errors import Edge2TorchError

SIGNS: Mapping[str, int] = {
    "1": 1,
    "+1": 1,
    "+": 1,
    "activates": 1,
    "activation": 1,
    "stimulates": 1,
    "stimulation": 1,
    "positive": 1,
    "-1": -1,
    "-": -1,
    "inhibits": -1,
    "inhibition": -1,
    "represses": -1,
    "repression": -1,
    "negative": -1,
    # SIGNOR's words, and arrows
    "up-regulates": 1,
    "up-regulates activity": 1,
    "up-regulates quantity": 1,
    "up-regulates quantity by expression": 1,
    "up-regulates quantity by stabilization": 1,
    "down-regulates": -1,
    "down-regulates activity": -1,
    "down-regulates quantity": -1,
    "down-regulates quantity by repression": -1,
    "down-regulates quantity by destabilization": -1,
    "->": 1,
    "-->": 1,
    "-|": -1,
    "--|": -1,
    "0": 0,
    "unknown": 0,
    "to": 0,  # as write_network calls an edge of which nothing more is known
}
FLAGS: dict[str, dict[str, tuple[str, ...]]] = {
    "any": {
        "direction": ("is_directed", "direction"),
        "stimulation": ("is_stimulation", "stimulation", "activation", "positive"),
        "inhibition": ("is_inhibition", "inhibition", "repression", "negative"),
    },
    "consensus": {
        "direction": ("consensus_direction",),
        "stimulation": ("consensus_stimulation",),
        "inhibition": ("consensus_inhibition",),
    },
}
ONE_SIDED = {
    name
    for names in FLAGS.values()
    for what in ("stimulation", "inhibition")
    for name in names[what]
}
_SIGN_COLUMNS = ("sign", "constraint")  # columns that say a sign in the way of an edge table
_EDGE_COLUMNS = ("source", "target", "initial_weight")
_TEXT_KINDS = ("string", "categorical", "mixed-integer")  # a column of 1 and "+" is one of words
_STRENGTH_COLUMNS = ("mor", "mode_of_regulation", "effect")


def known_signs(signs: Any) -> dict[str, int]:
    """Return the words that are known, with those of a user."""
    if signs is None:
        return dict(SIGNS)
    if not isinstance(signs, Mapping):
        raise Edge2TorchError(
            f"signs must be a dict such as {{'binds': 0}}, found {type(signs).__name__}."
        )
    if wrong := [word for word, sign in signs.items() if not (is_whole(sign) and abs(sign) <= 1)]:
        raise Edge2TorchError(
            f"signs says what words mean by 1, -1 or 0; it does not for {listing(wrong)}."
        )
    return {**SIGNS, **{str(word): int(sign) for word, sign in signs.items()}}


def sign_of(word: str, signs: Mapping[str, int]) -> int | None:
    """Return what a word says; capital letters mean nothing where they are not in ``signs``."""
    return signs.get(word, signs.get(word.lower()))


def read_signs(
    column: pd.Series, argument: str, signs: Mapping[str, int] | None = None
) -> pd.Series:
    """Return 1, -1, or 0 for neither; a number says it by its own sign, what is missing nothing."""
    present = column.dropna()
    if not signs and pd.api.types.is_numeric_dtype(column):
        return pd.Series(np.sign(column.fillna(0).to_numpy()).astype(int), index=column.index)
    if len(present) and pd.api.types.infer_dtype(present) not in _TEXT_KINDS:
        raise Edge2TorchError(f"{argument} holds neither numbers nor words.")
    known = {**dict.fromkeys(MISSING, 0), **known_signs(signs)}
    codes = {word: sign_of(str(word).strip(), known) for word in present.unique()}
    if unknown := [word for word, sign in codes.items() if sign is None]:
        raise Edge2TorchError(
            f"{argument} has {len(unknown):,} word(s) without a known sign: {listing(unknown)}; known "
            f"are {listing(SIGNS, 12)}. Say what they mean with signs={{{unknown[0]!r}: 0}}, or 1, or -1."
        )
    return column.map(codes).fillna(0).astype(int)


def unread_signs(frame: pd.DataFrame) -> str:
    """Say which columns look like signs that nothing has read, and how to read them."""
    if set(_SIGN_COLUMNS) & set(frame.columns):
        return ""
    for columns in FLAGS.values():
        pair = [name for what in ("stimulation", "inhibition") for name in columns[what]]
        found = [name for name in frame if str(name).lower() in pair]
        if len(found) > 1:
            return (
                f"the columns {listing(found)} say signs that are not read, so no edge has one. Read "
                "the file with read_omnipath (in a shell: edge2torch prior --format omnipath)."
            )
    told = [
        str(name)
        for name in frame
        if name not in _EDGE_COLUMNS and _says_signs(str(name), frame[name])
    ]
    if not told:
        return ""
    told = [name for name in told if name.lower() != "weight"] or told  # words say it better
    return (
        f"the column {listing(told)} looks like signs that are not read, so no edge has one. Read "
        f"it with sign={told[0]!r} (in a shell: edge2torch prior --sign {told[0]}), and hold weights to it "
        "with compile_graph(sign_column='sign') (in a shell: --hold-signs)."
    )


def _says_signs(name: str, column: pd.Series) -> bool:
    present = column.dropna()
    if pd.api.types.is_bool_dtype(column) or not len(present):
        return False
    if pd.api.types.is_numeric_dtype(column):
        of_strength = name.lower() in _STRENGTH_COLUMNS  # a weight is asked about by compile_graph
        return float(present.min()) < 0 and (of_strength or bool(present.isin((-1, 0, 1)).all()))
    if pd.api.types.infer_dtype(present) not in _TEXT_KINDS:
        return False
    found = {SIGNS.get(str(value).strip().lower()) for value in present.unique()}
    return None not in found and found != {0}
