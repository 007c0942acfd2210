"""What readers of signed networks share: one table, and one note of what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import OWN_COLUMNS, nearly_ours
from edge2torch._core.messages import listing, note, plural
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import JOINED_BY, join_rows
from edge2torch.priors._reach import tidy
from edge2torch.priors._rows import bad_line

WEIGHTS = ("keep", "start", "drop")
Weight = Literal["keep", "start", "drop"]
_MOST = 5_000_000  # edges between the members of boxes, of which a small file can claim any number

_DEEPEST = 100


def network_table(
    file: Path,
    rows: Sequence[Mapping[str, Any]] | pd.DataFrame,
    left_out: Mapping[str, int],
    *,
    further: Iterable[str] = (),
    quiet: bool,
) -> pd.DataFrame:
    """Return one row per edge, in the order of the rows, and say what was read and left out."""
    frame = rows if isinstance(rows, pd.DataFrame) else _frame(rows)
    joined = join_rows(frame)
    edges = tidy(joined.frame, frame)
    if joined.n_joined and "relation" in edges:  # rows that were joined may share words
        edges["relation"] = edges["relation"].map(_once, na_action="ignore")
    gone = [f"{count:,} {what}" for what, count in left_out.items() if count]
    words = f"{file.name}: {plural('edge', len(edges))}, {sign_counts(edges['sign'])}{joined.words}"
    words += "".join(f"; {part}" for part in further)
    words += f"; left out: {', '.join(gone)}" if gone else ""
    note(f"{words}.", quiet=quiet)
    return edges


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = dict.fromkeys(name for row in rows for name in row)
    # names as pandas would have them, text from its version 3 on, so that tables compare
    kinds: dict[str, Any] = {"source": None, "target": None, "sign": "int64"}
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=kinds.get(name, object))
            for name in columns
        }
    )


def _once(words: str) -> str:
    return JOINED_BY.join(dict.fromkeys(words.split(JOINED_BY)))


def sign_counts(sign: pd.Series) -> str:
    """Say how many edges have which sign."""
    unsigned = int((sign == 0).sum())
    words = f"{int((sign > 0).sum()):,} positive and {int((sign < 0).sum()):,} negative"
    return words + (f", {unsigned:,} without a sign" if unsigned else "")


def with_weight(
    frame: pd.DataFrame, weight: str, file: Any, *, rename: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """Say what a file's ``weight`` is to a model; return the table, and what was done, in words.

    A confidence or a correlation is no start of training, so that nothing is taken for one unasked.
    Other attributes whose names are nearly those of an edge table are metadata by another name.
    """
    check_choice("weight", weight, WEIGHTS)
    columns, words = [str(name) for name in frame], []
    new: dict[str, str] = {}
    if weight == "start":
        if "weight" not in columns:
            raise Edge2TorchError(
                f"{file}: weight='start', but edges have no 'weight'; there are {listing(columns, 12)}."
            )
        new = {"initial_weight": "weight_before"} if "initial_weight" in columns else {}
        new["weight"] = "initial_weight"
    elif "weight" in columns and weight == "drop":
        frame = frame.drop(columns="weight")
        words.append("'weight' is left out (weight='start' makes it initial_weight)")
    elif "weight" in columns and rename:
        words.append(
            "compile_graph takes no 'weight': weight='start' makes it initial_weight, 'drop' leaves it out"
        )
    if rename:
        others = [name for name in columns if name not in (*OWN_COLUMNS, "weight")]
        new |= {name: f"edge_{name}" for name in others if nearly_ours(name)}
    if new:
        words.append(f"called otherwise: {listing(new.items())}")
    return frame.rename(columns=new), words


def without_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop columns of human names that say nothing."""
    blank = [f"{side}_name" for side in ("source", "target")]
    known = [name for name in blank if name in frame]
    return frame.drop(columns=known) if frame[known].isna().all(axis=None) else frame


def check_size(file: Path, line: int, found: int, advice: str) -> None:
    """Refuse more edges than a network has; boxes of many members claim them easily."""
    if found > _MOST:
        raise bad_line(file, line, f"over {_MOST:,} edges between members of boxes.{advice}")


def check_depth(file: Path, line: int, depth: int) -> None:
    """Refuse parts within parts, or edges on edges, beyond what any drawing has."""
    if depth > _DEEPEST:
        raise bad_line(file, line, f"parts refer to others over {_DEEPEST} deep.")


def no_edges(file: Path, left_out: Mapping[str, int], advice: str = "") -> Edge2TorchError:
    """Return the error for a file of which no edge is left."""
    gone = listing([f"{count:,} {what}" for what, count in left_out.items() if count], 12)
    return bad_line(
        file, 1, f"the file holds no edges{f' (left out: {gone})' if gone else ''}.{advice}"
    )
