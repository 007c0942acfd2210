"""The long form of a design: a row per condition and treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.columns import numbers_of
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError

LONG = ("condition", "treatment")
_ADVICE = {
    "share": "Give one for each dose, or that of the largest alone: a smaller one stops less then.",
    "": "Give each kind of treatment a name of its own.",
}


def numbers(column: pd.Series[Any], argument: str) -> pd.Series[float]:
    """Return a column as finite numbers or NaN where it is blank."""
    blank = column.isna() | (column.astype(object).map(lambda cell: str(cell).strip()) == "")
    found = pd.Series(numbers_of(column.where(~blank)), column.index)
    wrong = ~blank & ~np.isfinite(found)
    if wrong.any():
        raise Edge2TorchError(
            f"{argument}: column {str(column.name)!r} has {int(wrong.sum())} cell(s) that are not "
            f"finite numbers: {listing(column[wrong].tolist())}."
        )
    return found


def words(column: pd.Series[Any]) -> pd.Series[str]:
    return column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip())


def from_long(
    table: pd.DataFrame, kinds: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return doses, treatments and what each condition says of time and context."""
    known = {*LONG, "kind", "target", "dose", "unit", "share", "time", "context"}
    if unknown := sorted(set(table.columns.tolist()) - known):
        raise Edge2TorchError(
            f"design has column(s) that the long form does not know: {listing(unknown)}. It takes "
            f"{listing(sorted(known), 20)}.{nearest(str(unknown[0]), known)}"
        )
    text = {
        name: words(table[name]) if name in table else pd.Series("", table.index, dtype=object)
        for name in (*LONG, "kind", "target", "unit", "context")
    }
    if (text["condition"] == "").any():
        raise Edge2TorchError("design: column 'condition' has blank cells. Name every condition.")
    dose = numbers(table["dose"], "design") if "dose" in table else pd.Series(np.nan, table.index)
    share = numbers(table["share"], "design") if "share" in table else dose * np.nan
    rows = pd.DataFrame({**text, "dose": dose, "share": share})
    rows["time"] = numbers(table["time"], "design") if "time" in table else np.nan
    own = rows[["condition", "time", "context"]].drop_duplicates().reset_index(drop=True)
    conditions = list(dict.fromkeys(rows["condition"]))
    given = rows[rows["treatment"] != ""].copy()
    if not len(given):
        raise Edge2TorchError("design: no condition has a treatment.")
    treatments = _treatments_of(given)
    # what a dose means depends on the kind, wherever that is said
    of_treatment: dict[Any, str] = {**treatments["kind"].to_dict(), **kinds}
    down = given["treatment"].map(of_treatment) == "knock_down"
    if (down & given["dose"].isna()).any():
        names = given.loc[down & given["dose"].isna(), "treatment"].unique()
        raise Edge2TorchError(
            f"design: the knock-down(s) {listing(names)} lack a dose: the fraction that is left, 0 to 1."
        )
    given["dose"] = given["dose"].fillna(1.0)
    if (given["dose"] < 0).any():
        raise negative(given.loc[given["dose"] < 0, "treatment"])
    over = down & (given["dose"] > 1)
    if over.any():
        raise out_of_range(given.loc[over, "treatment"])
    given.loc[down, "dose"] = 1 - given.loc[down, "dose"]
    _check_taken(given, of_treatment)
    per = given[["condition", "time", "context", "treatment", "dose"]].drop_duplicates()
    _check_one_treatment(per)
    doses = per.drop_duplicates(["condition", "treatment"]).pivot(
        index="condition", columns="treatment", values="dose"
    )
    doses = doses.reindex(index=conditions, columns=treatments.index).fillna(0.0)
    return doses.rename_axis(index=None, columns=None), treatments, own


def _check_taken(given: pd.DataFrame, kinds: Mapping[Any, str]) -> None:
    """Refuse knock-outs and knock-downs whose rows all take nothing away."""
    most = given.groupby("treatment", sort=False)["dose"].max()
    idle = [str(name) for name in most.index[most == 0]]
    for kind, words in (
        ("knock_out", "knock-out(s) {} have dose 0, which is nothing done. Leave the dose empty"),
        ("knock_down", "knock-down(s) {} leave all (dose 1). Give the fraction that is left"),
    ):
        if names := [name for name in idle if kinds.get(name) == kind]:
            raise Edge2TorchError(f"design: the {words.format(listing(names))}, or no row.")


def _check_one_treatment(per: pd.DataFrame) -> None:
    """Refuse a condition that is given one thing at one time or place, and another elsewhere."""
    plain = per.fillna({"time": -1.0})
    keys = ["condition", "time", "context"]
    if (twice := plain.duplicated([*keys, "treatment"])).any():
        names = plain.loc[twice, "condition"].unique()
        raise Edge2TorchError(
            f"design: the condition(s) {listing(names)} have two doses of one treatment."
        )
    given: dict[str, set[tuple[tuple[str, float], ...]]] = {}
    for (condition, *_), part in plain.groupby(keys, sort=False):
        pairs = zip(part["treatment"], part["dose"], strict=True)
        given.setdefault(str(condition), set()).add(tuple(sorted(pairs)))
    if several := [name for name, kinds in given.items() if len(kinds) > 1]:
        raise two_treatments(several)


def two_treatments(names: Sequence[str]) -> Edge2TorchError:
    return Edge2TorchError(
        f"design: the condition(s) {listing(names)} are there twice with different treatments. Give "
        "each combination of treatments a name of its own."
    )


def _treatments_of(given: pd.DataFrame) -> pd.DataFrame:
    """Return what the rows of each treatment say of it, which has to be one thing."""
    found = {}
    shares = _shares_of_doses(given)
    given = given.assign(share=given["share"].mask(given["treatment"].isin(shares)))
    for column in ("kind", "target", "unit", "share"):
        told = given[["treatment", column]].copy()
        told = told[told[column].notna() & (told[column] != "")].drop_duplicates()
        if (clash := told["treatment"].duplicated()).any():
            raise Edge2TorchError(
                f"design: the treatment(s) {listing(told.loc[clash, 'treatment'].unique())} have "
                f"more than one {column}. {_ADVICE.get(column, _ADVICE[''])}"
            )
        found[column] = told.set_index("treatment")[column]
    names = pd.Index(dict.fromkeys(given["treatment"]), name=None)
    table = pd.DataFrame({name: series.reindex(names) for name, series in found.items()})
    table[["kind", "target", "unit"]] = table[["kind", "target", "unit"]].astype(object).fillna("")
    table["share"] = table["share"].astype(float)
    if shares:
        largest = {name: max(own.values()) for name, own in shares.items()}
        table["share"] = table["share"].fillna(pd.Series(largest))
        table["shares"] = pd.Series([shares.get(name) for name in names], names, dtype=object)
    return table


def _shares_of_doses(given: pd.DataFrame) -> dict[str, dict[float, float]]:
    """Return what each dose stops, of the treatments that have a share for each of their doses."""
    told = given[["treatment", "dose", "share"]].fillna({"dose": 1.0}).drop_duplicates()
    found = {}
    for name, own in told.groupby("treatment", sort=False):
        shares = own.dropna(subset="share")
        if shares["share"].nunique() < 2:
            continue
        missing = sorted(set(own["dose"]) - set(shares["dose"]))
        if missing or shares["dose"].duplicated().any():
            raise Edge2TorchError(
                f"design: the treatment(s) {name!r} have more than one share. {_ADVICE['share']}"
                + (f" None is given for dose {listing(missing)}." if missing else "")
            )
        by_dose = shares.set_index("dose")["share"].sort_index()
        if not by_dose.between(0, 1).all():
            raise out_of_range([name])
        found[str(name)] = {float(dose): float(one) for dose, one in by_dose.items()}  # type: ignore[arg-type]
    return found


def negative(names: Any) -> Edge2TorchError:
    distinct = list(dict.fromkeys(names))
    return Edge2TorchError(
        f"design: negative dose(s) of {listing(distinct)}. A dose is 0 for nothing, or above; "
        "logarithms have to be turned back."
    )


def out_of_range(names: Any) -> Edge2TorchError:
    distinct = list(dict.fromkeys(names))
    return Edge2TorchError(
        f"design: the share that is stopped, or left of a knock-down, must lie between 0 and 1; it "
        f"does not for {listing(distinct)}."
    )
