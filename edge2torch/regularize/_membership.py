"""Which node belongs to which pathway: a dict, a GMT file or a matrix becomes one table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_choice
from edge2torch._core.files import path_of
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_gmt

Membership = Mapping[str, Iterable[str]] | str | os.PathLike[str] | pd.DataFrame | ArrayLike

_PREFIX = "set:"  # a pathway may bear the name of a node


def read_membership(
    given: Membership,
    nodes: Sequence[str],
    *,
    not_here: Mapping[str, str],
    missing: Literal["error", "ignore"],
) -> pd.DataFrame:
    """Return membership (pathways, nodes), 0 where a node is no member.

    ``not_here`` says of names that are no such nodes what they are instead.
    """
    check_choice("missing", missing, ("error", "ignore"))
    if isinstance(given, str | os.PathLike):
        given = _read_gmt(path_of(given, "pathway_membership"))
    if isinstance(given, Mapping):
        table = _from_names(given, nodes, not_here, missing)
    elif isinstance(given, pd.DataFrame):
        _check_names(map(str, given.columns), nodes, not_here, missing)
        table = given.rename(columns=str).reindex(columns=list(nodes), fill_value=0.0)
    else:
        table = _from_matrix(_as_matrix(given), nodes)
    table = table.astype(np.float64).rename(index=str)
    _check_values(table)
    return table


def _read_gmt(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise Edge2TorchError(
            f"pathway_membership={str(path)!r} is no file. Give the path of a GMT file, a dict "
            "of pathway to nodes, or a (pathways, nodes) matrix."
        )
    edges = read_gmt(path, prefix=_PREFIX, quiet=True)
    members = edges.groupby("target", sort=False)["source"]
    return {str(name).removeprefix(_PREFIX): own.tolist() for name, own in members}


def _from_names(
    given: Mapping[str, Iterable[str]],
    nodes: Sequence[str],
    not_here: Mapping[str, str],
    missing: str,
) -> pd.DataFrame:
    texts = [name for name, members in given.items() if isinstance(members, str)]
    if texts:
        raise Edge2TorchError(
            f"pathway_membership: the members of {listing(texts)} are one string. Give a list."
        )
    members = {str(name): [str(m).strip() for m in own] for name, own in given.items()}
    named = (node for own in members.values() for node in own)
    _check_names(dict.fromkeys(named), nodes, not_here, missing)
    place = {node: k for k, node in enumerate(nodes)}
    values = np.zeros((len(members), len(nodes)))
    for row, own in enumerate(members.values()):
        values[row, [place[node] for node in own if node in place]] = 1.0
    return pd.DataFrame(values, index=list(members), columns=list(nodes))


def _as_matrix(given: object) -> NDArray[np.float64]:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            "pathway_membership must be a dict of pathway to nodes, the path of a GMT file, a "
            f"DataFrame or a (pathways, nodes) matrix; found {type(given).__name__} of other things."
        ) from error


def _from_matrix(values: NDArray[np.float64], nodes: Sequence[str]) -> pd.DataFrame:
    if values.ndim != 2 or values.shape[1] != len(nodes):
        raise Edge2TorchError(
            f"pathway_membership has shape {values.shape}; a matrix needs one row per pathway and "
            f"one column for each of the {len(nodes)} nodes with values inside the model, "
            f"{listing(nodes)}. A DataFrame with node names as columns may have fewer."
        )
    names = [f"pathway_{k}" for k in range(len(values))]
    return pd.DataFrame(values, index=names, columns=list(nodes))


def _check_names(
    named: Iterable[str], nodes: Sequence[str], not_here: Mapping[str, str], missing: str
) -> None:
    known = set(nodes)
    unknown = [name for name in named if name not in known]
    if not unknown or missing == "ignore":
        return
    first = unknown[0]
    hint = f" {first!r} is {not_here[first]}." if first in not_here else nearest(first, nodes)
    raise Edge2TorchError(
        f"pathway_membership names {len(unknown)} node(s) without values inside the model: "
        f"{listing(unknown)}.{hint} missing='ignore' leaves such names out."
    )


def _check_values(table: pd.DataFrame) -> None:
    values = table.to_numpy()
    if not len(table):
        raise Edge2TorchError("pathway_membership holds no pathway.")
    if not np.isfinite(values).all() or (values < 0).any():
        raise Edge2TorchError(
            "pathway_membership must hold finite numbers, 0 for no member and positive for a "
            "member, found others."
        )
    if twice := table.index[table.index.duplicated()].tolist():
        raise Edge2TorchError(f"pathway_membership has pathways twice: {listing(twice)}.")
    if empty := table.index[(values > 0).sum(1) == 0].tolist():
        raise Edge2TorchError(
            f"pathway_membership: {len(empty)} pathway(s) have no member inside the model: "
            f"{listing(empty)}. Leave them out."
        )


def read_pairs(
    pairs: Iterable[tuple[Any, Any]] | None, pathways: Sequence[str]
) -> NDArray[np.int64]:
    """Return pairs of pathway numbers, (pairs, 2)."""
    place = {name: k for k, name in enumerate(pathways)}
    wanted = [(str(a), str(b)) for a, b in pairs or ()]
    if unknown := sorted({name for pair in wanted for name in pair} - set(place)):
        raise Edge2TorchError(
            f"dissim_pairs names pathways that are not in pathway_membership: {listing(unknown)}."
            f"{nearest(unknown[0], pathways)}"
        )
    return np.array([(place[a], place[b]) for a, b in wanted], np.int64).reshape(-1, 2)
