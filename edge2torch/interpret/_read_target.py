"""What nodes are to predict: read, checked, and put into the samples' order."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import shown
from edge2torch._core.messages import listing
from edge2torch._core.samples import by_sample
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._read_out import ReadOut

Floats = NDArray[np.float64]
Kind = Literal["regression", "classification", "survival"]


def own_prediction(outputs: Floats) -> Floats:
    """Return the outputs (b,) of a model that has one."""
    if outputs.shape[1] != 1:
        raise Edge2TorchError(
            f"target='prediction' needs a model of one output, and this one has {outputs.shape[1]}. "
            "Give y= the column that is meant."
        )
    return outputs[:, 0]


def read_target(y: Any, samples: pd.Index, task: str, *, given: bool) -> ReadOut:
    """Return a read-out of y, one value for each sample."""
    if y is None:
        raise Edge2TorchError("y is missing: what the nodes are to predict, one for each sample.")
    if task == "survival":
        return _times(y, samples)
    values = np.asarray(by_sample("y", y, samples)).squeeze()
    if values.shape != (len(samples),):
        raise Edge2TorchError(
            f"y must have shape ({len(samples)},), one for each sample, found {values.shape}."
        )
    if lost := samples[pd.isna(values)].tolist():
        raise Edge2TorchError(f"y: sample(s) {listing(lost)} have none. Leave them out.")
    return _numbers(values, samples, given=given) if task == "regression" else _classes(values)


def _numbers(values: NDArray[Any], samples: pd.Index, *, given: bool) -> ReadOut:
    if values.dtype.kind not in "fiub":
        raise Edge2TorchError("y holds no numbers. For classes give task='classification'.")
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        lost = samples[~np.isfinite(numbers)].tolist()
        raise Edge2TorchError(f"y: sample(s) {listing(lost)} are infinite. Leave them out.")
    if np.ptp(numbers) == 0:
        raise Edge2TorchError(
            f"{'y is' if given else 'The model predicts'} {numbers[0]:g} for all "
            f"{len(samples)} samples: there is nothing to predict."
        )
    return ReadOut(numbers)


def _classes(values: NDArray[Any]) -> ReadOut:
    if values.dtype.kind == "f" and (values % 1).any():
        raise Edge2TorchError(
            f"y holds numbers with fractions, such as {values[values % 1 != 0][0]:g}, which are no "
            "classes. Give task='regression', or divide them into classes."
        )
    classes, codes = np.unique(values.astype(str), return_inverse=True)
    if len(classes) < 2:
        raise Edge2TorchError(f"y has one class only: {listing(classes)}. Two are needed.")
    return ReadOut(codes.astype(np.int64), len(classes))


def check_folds(folds: int, read_out: ReadOut, groups: NDArray[Any] | None) -> None:
    """Refuse more folds than there is to divide: fewer would change what p says."""
    what, counts = "samples", [len(read_out.y)]
    if read_out.n_classes:
        what, counts = "samples in each class", np.bincount(read_out.y).tolist()
    if read_out.event is not None:
        what, counts = "events", [int(read_out.event.sum())]
    if groups is not None and len(np.unique(groups)) < folds:
        what, counts = "groups", [len(np.unique(groups))]
    if (least := min(counts)) < folds:
        raise Edge2TorchError(
            f"folds={folds} needs {folds} {what} at least, found {least}. Lower folds (2 is the "
            "least), or leave small classes out."
        )


def _times(y: Any, samples: pd.Index) -> ReadOut:
    """Read times and events, of a table or of whatever else has both."""
    if not (hasattr(y, "time") and hasattr(y, "event")):
        raise Edge2TorchError(
            "y of task='survival' must be a table with columns 'time' and 'event', or an Outcome; found "
            + (
                f"a table of {listing(y.columns)}."
                if isinstance(y, pd.DataFrame)
                else f"{shown(y)}."
            )
        )
    if any(getattr(y, name, None) is not None for name in ("entry", "strata")):
        raise Edge2TorchError(
            "y has entry times or strata, which the read-outs of task='survival' do not know. Give time and "
            "event alone, or the strata's samples one stratum at a time."
        )
    names = getattr(y, "names", None)  # of an Outcome: its arrays have none of their own
    found = []
    for argument in ("time", "event"):
        given = getattr(y, argument)
        if names is not None and not isinstance(given, pd.Series):
            given = pd.Series(given, index=names)
        values = np.asarray(by_sample(f"y[{argument!r}]", given, samples))
        if values.shape != (len(samples),) or values.dtype.kind not in "fiub":
            raise Edge2TorchError(
                f"y[{argument!r}] must be numbers of shape ({len(samples)},), found shape {values.shape} of "
                f"{values.dtype}."
            )
        found.append(values.astype(np.float64))
    time, event = found
    bad = ~np.isfinite(time) | (time < 0) | ~np.isin(event, (0, 1))
    if bad.any():
        raise Edge2TorchError(
            "y: times must be finite and at least 0, and events 0 (censored) or 1. They are not for "
            f"sample(s) {listing(samples[bad].tolist())}."
        )
    return ReadOut(time, event=event.astype(bool))
