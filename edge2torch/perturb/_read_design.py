"""What was given in each condition, read from tables in either form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike
from edge2torch._core.files import path_of
from edge2torch._core.messages import kind_of, listing
from edge2torch._core.names import nearest
from edge2torch._core.tables import read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table
from edge2torch.perturb._design import INHIBITOR, KINDS, Design
from edge2torch.perturb._read_long import (
    LONG,
    from_long,
    negative,
    numbers,
    out_of_range,
    two_treatments,
    words,
)

_OWN = ("condition", "time", "context")


def read_design(
    design: pd.DataFrame | str | os.PathLike[str],
    readouts: pd.DataFrame | str | os.PathLike[str] | None = None,
    *,
    relative_to: str | None = None,
    edges: EdgesLike | None = None,
    kinds: Mapping[str, str] | None = None,
    targets: Mapping[str, str] | None = None,
) -> Design:
    """Read what was given in each condition, and what was measured.

    Parameters
    ----------
    design : DataFrame or path
        Long: a row per condition and treatment, with ``condition``, ``treatment`` and, where it
        matters, ``kind`` (``stimulus``, ``inhibitor``, ``knock_out``, ``knock_down``,
        ``over_expression``), ``target`` (several separated by ``;``), ``dose`` (of a knock-down the
        fraction that is left), ``unit``, ``share`` (how much of its target an inhibitor's largest
        dose stops, and smaller ones less, in proportion to what :func:`compile` makes of them; or one
        for each dose, with straight lines between),
        ``time`` and ``context``; a control has a row with an empty ``treatment``. Wide: a row per
        condition, a column of doses per treatment (0 for nothing; of a knock-down the fraction
        that is taken away), and ``time`` and ``context`` if there are any.
    readouts : DataFrame or path, optional
        Rows are conditions (the index, or a column ``condition``), more than one of a name where
        there are replicates, with columns ``time`` and ``context`` where there are several; the
        other columns are readouts, NaN where nothing was measured. Left out: a design to predict.
    relative_to : {"control"}, optional
        Subtract the control's mean, of the same time and context.
    edges : DataFrame or Prior, optional
        The network: a treatment ``xi`` or ``x_inhibitor`` whose kind and target are not said is an
        inhibitor of its node ``x``, and is called ``x_inhibitor``, as :func:`read_midas` calls it.
    kinds, targets : dict of treatment to str, optional
        Kind and target of treatments whose table does not say them.

    Returns
    -------
    Design

    Raises
    ------
    Edge2TorchError
        For negative doses, shares outside 0 to 1, unknown kinds, a condition with two different
        treatments, conditions of one table that the other lacks, knock-outs and knock-downs that
        take nothing away, and no control where one is needed.

    Examples
    --------
    >>> given = pd.DataFrame(
    ...     {
    ...         "condition": ["none", "EGF", "EGF + drug", "EGF + drug"],
    ...         "treatment": ["", "EGF", "EGF", "PD0325901"],
    ...         "kind": ["", "stimulus", "stimulus", "inhibitor"],
    ...         "target": ["", "", "", "MEK"],
    ...     }
    ... )
    >>> read = pd.DataFrame({"ERK": [0.1, 0.9, 0.2]}, index=["none", "EGF", "EGF + drug"])
    >>> design = read_design(given, read)
    >>> design.doses.loc["EGF + drug"].tolist(), design.targets["PD0325901"]
    ([1.0, 1.0], ['MEK'])
    """
    if relative_to is not None:
        check_choice("relative_to", relative_to, ("control",))
    table = _table(design, "design")
    if set(LONG) <= set(table):
        doses, treatments, own = from_long(table, kinds or {})
    elif lost := _nearly_long(table):
        raise Edge2TorchError(
            f"design has no column {lost!r}, which a table with a row per treatment needs; it has "
            f"{listing(table, 12)}."
        )
    else:
        doses, treatments, own = _from_wide(table)
    treatments = _completed(treatments, edges, kinds, targets)
    doses = doses.set_axis(treatments.index, axis=1)
    treatments = _checked_treatments(treatments, doses)
    samples, values = _samples(doses, own, readouts)
    return _finished(doses, treatments, samples, values, relative_to)


def _table(given: Any, argument: str) -> pd.DataFrame:
    if isinstance(given, str | os.PathLike):
        given = read_table(path_of(given, argument))
    if not isinstance(given, pd.DataFrame):
        raise Edge2TorchError(
            f"{argument} must be a DataFrame or the path of a table, found {kind_of(given)}."
        )
    table = given.rename(columns=lambda name: str(name).strip())
    if twice := table.columns[table.columns.duplicated()].tolist():
        raise Edge2TorchError(
            f"{argument} has the column(s) {listing(twice)} twice. Keep one each."
        )
    if not len(table) or not table.shape[1]:
        raise Edge2TorchError(f"{argument} holds no rows.")
    return table


def _nearly_long(table: pd.DataFrame) -> str:
    """Return the column that is missing where words beside it show what the table was meant to be."""
    # the first column of a wide table may hold the conditions, whatever it is called
    meant = [name for name in table.columns[1:] if name in ("treatment", "kind", "target")]
    if all(pd.api.types.is_numeric_dtype(table[name].dtype) for name in meant):
        return ""  # treatments may be called so
    return next(name for name in LONG if name not in table)


def _from_wide(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    table = _by_condition(table, "design")
    names = [name for name in table if name not in _OWN]
    if not names:
        raise Edge2TorchError("design has no column of doses, one per treatment.")
    each = pd.DataFrame({name: numbers(table[name], "design") for name in names}).fillna(0.0)
    if (each < 0).any().any():
        raise negative(each.columns[(each < 0).any()])
    own = pd.DataFrame(
        {
            "condition": table["condition"],
            "time": numbers(table["time"], "design") if "time" in table else np.nan,
            "context": words(table["context"]) if "context" in table else "",
        }
    )
    at = each.assign(condition=table["condition"]).drop_duplicates()
    if (clash := at["condition"].duplicated()).any():
        raise two_treatments(at.loc[clash, "condition"].unique().tolist())
    doses = at.set_index("condition").rename_axis(None)
    blank = pd.DataFrame({"kind": "", "target": "", "unit": "", "share": np.nan}, index=names)
    return doses, blank, own.drop_duplicates().reset_index(drop=True)


def _by_condition(table: pd.DataFrame, argument: str) -> pd.DataFrame:
    """Return a table with its conditions in a column, which may be the index or the first one."""
    if "condition" not in table:
        first = table.columns[0]
        is_text = not pd.api.types.is_numeric_dtype(table[first].dtype)
        if isinstance(table.index, pd.RangeIndex) and is_text and first not in _OWN:
            table = table.rename(columns={first: "condition"})
        else:
            table = table.reset_index(drop=False, names="condition")
    table = table.reset_index(drop=True).assign(condition=words(table["condition"]).to_numpy())
    if (table["condition"] == "").any():
        raise Edge2TorchError(f"{argument}: a row has no condition. Name every condition.")
    return table


def _completed(
    treatments: pd.DataFrame,
    edges: EdgesLike | None,
    kinds: Mapping[str, str] | None,
    targets: Mapping[str, str] | None,
) -> pd.DataFrame:
    """Fill in kinds and targets: as told, or from a column's name and the nodes there are."""
    table = treatments.copy()
    for argument, told in (("kinds", kinds or {}), ("targets", targets or {})):
        if unknown := [name for name in told if name not in table.index]:
            raise Edge2TorchError(
                f"{argument} names treatment(s) that the design lacks: {listing(unknown)}; it has "
                f"{listing(table.index, 10)}.{nearest(str(unknown[0]), table.index)}"
            )
        for name, word in told.items():
            joined = word if isinstance(word, str) else ";".join(word)
            table.loc[name, argument[:-1]] = joined
    nodes = set() if edges is None else set(read_edge_table(edges).node_names.tolist())
    renamed = {}
    for name in table.index[(table["kind"] == "") & (table["target"] == "")]:
        node = name.removesuffix(INHIBITOR) if name.endswith(INHIBITOR) else name[:-1]
        stops = name.endswith((INHIBITOR, "i"))
        if stops and node in nodes and name not in nodes:
            table.loc[name, ["kind", "target"]] = ["inhibitor", node]
            renamed[name] = f"{node}{INHIBITOR}"
    table = table.rename(index=renamed)
    if twice := table.index[table.index.duplicated()].tolist():
        raise Edge2TorchError(
            f"design has two treatments that are {listing(twice)}. Name one of them anew, or say "
            "with kinds= and targets= what they are."
        )
    table.loc[table["kind"] == "", "kind"] = "stimulus"
    return table


def _checked_treatments(treatments: pd.DataFrame, doses: pd.DataFrame) -> pd.DataFrame:
    for kind in treatments["kind"].unique():
        check_choice("kind", kind, KINDS)
    share = treatments["share"]
    if ((share < 0) | (share > 1)).any():
        raise out_of_range(share.index[(share < 0) | (share > 1)])
    down = treatments.index[treatments["kind"] == "knock_down"]
    high = doses[down].max()
    if (high > 1).any():
        raise out_of_range(high.index[high > 1])
    if len(idle := doses.columns[~(doses > 0).any()]) and len(idle) == doses.shape[1]:
        raise Edge2TorchError("design: no condition has a treatment; all doses are 0.")
    return treatments


def _samples(
    doses: pd.DataFrame, own: pd.DataFrame, readouts: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return who each row of readouts is, and the readouts."""
    if readouts is None:
        return own, pd.DataFrame(index=range(len(own)))
    given = _table(readouts, "readouts")
    if isinstance(given.index, pd.MultiIndex):
        given = given.reset_index()
    table = _by_condition(given, "readouts")
    names = [name for name in table if name not in _OWN]
    if not names:
        raise Edge2TorchError("readouts has no column but those that say which row it is.")
    values = pd.DataFrame({name: numbers(table[name], "readouts") for name in names})
    if empty := values.columns[values.isna().all()].tolist():
        raise Edge2TorchError(f"readouts: the column(s) {listing(empty)} hold no value. Drop them.")
    told = set(table["condition"])
    known = set(doses.index)
    if unknown := [name for name in dict.fromkeys(table["condition"]) if name not in known]:
        raise Edge2TorchError(
            f"readouts has {len(unknown)} condition(s) that the design lacks: {listing(unknown)}."
            f"{nearest(str(unknown[0]), known)} A "
            "control needs a row there too, with an empty treatment or doses of 0."
        )
    if unread := [name for name in doses.index if name not in told]:
        raise Edge2TorchError(
            f"design has {len(unread)} condition(s) without readouts: {listing(unread)}. Leave them "
            "out, and predict them: read_design(design) takes no readouts."
        )
    by_condition = own.groupby("condition", sort=False)
    samples = pd.DataFrame({"condition": table["condition"]})
    for column, blank in (("time", np.nan), ("context", "")):
        if column in table:
            samples[column] = (
                numbers(table[column], "readouts") if column == "time" else words(table[column])
            )
            continue
        several = by_condition[column].nunique(dropna=False)
        if (several > 1).any():
            names = several.index[several > 1].tolist()
            raise Edge2TorchError(
                f"the design has several values of {column} for {listing(names)}, and readouts has "
                f"no column {column!r}."
            )
        samples[column] = samples["condition"].map(by_condition[column].first())
        samples[column] = samples[column].fillna(blank) if column == "context" else samples[column]
    return samples, values


def _finished(
    doses: pd.DataFrame,
    treatments: pd.DataFrame,
    samples: pd.DataFrame,
    values: pd.DataFrame,
    relative_to: str | None,
) -> Design:
    """Set rows at time 0 aside, and subtract the control if that is asked for."""
    if (samples["time"] < 0).any():
        raise Edge2TorchError("time: there are values below 0. Count from the treatment on.")
    first = (samples["time"] == 0).to_numpy()
    if first.all() and len(first):
        raise Edge2TorchError(
            "time: all rows are at time 0, before any treatment has acted. Give what was read later."
        )
    contexts = samples["context"].astype(object)
    at_rest = values[first].groupby(contexts[first].to_numpy()).mean() if first.any() else None
    samples = samples[~first].reset_index(drop=True)
    values = values[~first].reset_index(drop=True)
    kept = doses.loc[doses.index.isin(samples["condition"])]
    design = Design(
        kept, treatments, samples, values, pd.DataFrame() if at_rest is None else at_rest
    )
    return design if relative_to is None else _relative(design)


def _relative(design: Design) -> Design:
    is_control = design.samples["condition"].isin(design.controls).to_numpy()
    rest = design.at_rest
    if not is_control.any() and rest.empty:
        raise Edge2TorchError(
            "relative_to='control': the design has no control, a condition without any treatment."
        )
    keys = design.samples["time"].fillna(-1.0).astype(str) + " " + design.samples["context"]
    means = design.readouts[is_control].groupby(keys[is_control]).mean()
    if lost := sorted(set(keys) - set(means.index)):
        if rest.empty or not set(design.samples["context"]) <= set(rest.index):
            raise Edge2TorchError(
                f"relative_to='control': no control at {listing(lost)} (time and context)."
            )
        # what was read before the treatment stands for a control that was not measured later
        of_key = dict(zip(keys, design.samples["context"], strict=True))
        means = pd.concat([means, rest.loc[[of_key[key] for key in lost]].set_axis(lost)])
    shift = means.loc[keys].to_numpy()
    resting = rest - rest if len(rest) else rest
    return replace(design, readouts=design.readouts - shift, at_rest=resting)
