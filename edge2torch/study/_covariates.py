"""Covariates beside a network: what age, sex or batch explain is added to its output, not attributed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.covariates import apply_recipe, level_names, make_design, resolved
from edge2torch._core.messages import listing, plural
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.study._features import copies_of
from edge2torch.study._outcomes._outcome import Goal, Label

_PENALTY = 1e-3  # beside the mean loss; keeps weights finite where a batch is of one class only
_STEPS = 200


def covariates_of(samples: pd.DataFrame, given: Sequence[str]) -> pd.DataFrame:
    """Check covariates and return their columns, called as numbers or categories."""
    problems: list[str] = []
    found = resolved(samples, given, problems)
    if problems:
        raise Edge2TorchError(f"covariates: {'; '.join(problems)}.")
    check_known(samples)
    return samples.set_axis(list(found), axis=1)


def check_known(samples: pd.DataFrame) -> None:
    """Refuse covariates that are missing in some samples."""
    unknown = samples.isna()
    if bad := [str(name) for name in samples if unknown[name].any()]:
        rows = samples.index[unknown.any(axis=1)]
        raise Edge2TorchError(
            f"covariates: values are missing of {listing(bad)}, in {plural('sample', len(rows))}: "
            f"{listing(rows)}. Fill them, or leave these samples out."
        )


def twins_of(samples: pd.DataFrame, label: Label) -> list[str]:
    """Covariates that are the label under another name: one value for each of its, or the same order."""
    values = np.column_stack([_numbered(samples[name]) for name in samples])
    return [str(name) for name in samples.columns[copies_of(values, label)]]


def telling(samples: pd.DataFrame, label: Label) -> list[str]:
    """Covariates of which each value, or each range of numbers, goes with one class only."""
    columns = [label] if isinstance(label, pd.Series) else [label[role] for role in label]
    return [
        str(name) for name in samples if any(_is_told(samples[name], column) for column in columns)
    ]


def _is_told(column: pd.Series, label: pd.Series) -> bool:
    values, codes = pd.Series(_numbered(column)), pd.Series(pd.factorize(label)[0])
    most = len(codes) // 2  # more values than that hardly repeat
    if not 1 < codes.nunique() <= most or (codes.groupby(values).nunique() > 1).any():
        return False
    if values.nunique() <= most:
        return True
    in_order = codes[np.argsort(values, kind="stable")].to_numpy()
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    return is_number and int((np.diff(in_order) != 0).sum()) < codes.nunique()


def _numbered(column: pd.Series) -> NDArray[np.float64]:
    """Return numbers as they are, and one for each category."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    return pd.factorize(column)[0].astype(np.float64)


@dataclass(frozen=True)
class Encoding:
    """How covariates become numbers: standardised, or a column for each category but the first.

    Parameters
    ----------
    names : tuple of str
        Covariates, ``name:number`` or ``name:category`` where a column could be either.
    recipe : mapping
        What was learned from the training part.
    columns : tuple of str
        What they become, as ``age`` and ``batch=b2``.
    usual : ndarray, shape (c,)
        Means of the training part, for a category that it lacks.
    """

    names: tuple[str, ...]
    recipe: Mapping[str, Any]
    columns: tuple[str, ...]
    usual: NDArray[np.float64]

    def __call__(self, samples: pd.DataFrame) -> pd.DataFrame:
        """Return samples × c columns; ``samples`` has a column for each name, in their order."""
        known = samples.set_axis(list(self.recipe), axis=1)
        strange: dict[str, NDArray[np.bool_]] = {}
        for name, how in self.recipe.items():
            if "levels" in how:
                new = ~level_names(known[name]).isin(how["levels"]).to_numpy()
                if new.any():
                    strange[name] = new
                    first = pd.Series(how["levels"][0], index=known.index, dtype=object)
                    known = known.assign(**{name: first.where(new, level_names(known[name]))})
        design = apply_recipe(known, self.recipe)
        columns, values = list(design.columns[1:]), design.matrix[:, 1:].copy()
        for name, new in strange.items():
            of_it = np.array([column.startswith(f"{name}=") for column in columns])
            values[np.ix_(new, of_it)] = self.usual[of_it]
        return pd.DataFrame(values.astype(np.float32), index=samples.index, columns=columns)

    def new_levels(self, samples: pd.DataFrame) -> list[str]:
        """Categories that the training part lacks, as ``batch=b9``."""
        known = samples.set_axis(list(self.recipe), axis=1)
        return [
            f"{name}={level}"
            for name, how in self.recipe.items()
            if "levels" in how
            for level in sorted(set(level_names(known[name])) - set(how["levels"]))
        ]


def fit_encoding(samples: pd.DataFrame, rows: NDArray[np.int64]) -> Encoding:
    """Learn means and categories from some rows; a covariate that is constant there says nothing."""
    names = tuple(map(str, samples.columns))
    bare = samples.set_axis([bare_name(name) for name in names], axis=1)
    design = make_design(bare.iloc[rows], names)
    return Encoding(names, design.recipe, design.columns[1:], design.matrix[:, 1:].mean(axis=0))


def bare_name(name: str) -> str:
    """Name of the column, without its kind."""
    start, colon, kind = name.rpartition(":")
    return start if colon and kind in ("number", "category") else name


def named(samples: pd.DataFrame) -> str:
    """List covariates by name."""
    return listing([bare_name(str(name)) for name in samples], 10)


@dataclass(frozen=True)
class Beside:
    """The linear part beside a trained network.

    Parameters
    ----------
    encoding : Encoding
        Of the covariates.
    weight : ndarray of float32, shape (c, outputs)
        Of each column.
    bias : ndarray of float32, shape (outputs,)
        Added to every sample.
    """

    encoding: Encoding
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def as_frame(self, answers: Sequence[str]) -> pd.DataFrame:
        """Return a row per column that covariates became, with its weight on each output."""
        index = pd.Index(self.encoding.columns, name="covariate")
        return pd.DataFrame(self.weight, index=index, columns=list(answers))

    def __call__(self, samples: pd.DataFrame | None) -> Tensor:
        """Return what is added to the network's outputs (b, outputs)."""
        if samples is None:
            raise Edge2TorchError(
                f"covariates: the network was trained beside {listing(self.encoding.names)}, and "
                "predicts no sample without them."
            )
        if new := self.encoding.new_levels(samples):
            warnings.warn(
                f"covariates: no sample that was trained with has {listing(new)}: taken as the "
                "average of those it has.",
                Edge2TorchWarning,
                stacklevel=2,
            )
        values = self.encoding(samples).to_numpy()
        return torch.from_numpy(values @ self.weight + self.bias)


class BesideStack(nn.Module):
    """Linear parts of k networks that are trained at once.

    Each starts from what covariates alone explain, and weight decay draws it back there: Adam's
    steps are of one size, so a part that started from zero would leave to the many weights of the
    network what it has not reached yet.
    """

    start: Tensor
    bias: Tensor

    def __init__(
        self, encoding: Encoding, z: Tensor, starts: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        super().__init__()
        self.encoding, self.z = encoding, z  # z (n, c), of all samples
        self.register_buffer("start", torch.stack([weight for weight, _ in starts]))
        self.register_buffer("bias", torch.stack([bias for _, bias in starts])[:, None])
        self.change = nn.Parameter(torch.zeros_like(self.start))

    def forward(self, rows: Tensor) -> Tensor:
        """Give what is added (k, b, outputs) for samples ``rows`` (k, b), or (b,) for all."""
        return self.z[rows] @ (self.start + self.change) + self.bias

    def first(self) -> Beside:
        """Return the first of them."""
        weight = (self.start + self.change)[0].detach().numpy()
        return Beside(self.encoding, weight, self.bias[0, 0].numpy())


def covariates_alone(
    z: Tensor, goal: Goal, rows: NDArray[np.int64], outputs: int
) -> tuple[Tensor, Tensor]:
    """Fit weights (c, outputs) and bias (outputs,) of covariates z (n, c) on some rows."""
    weight = torch.zeros(z.shape[1], outputs, requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    chosen = torch.from_numpy(rows)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe", tolerance_grad=1e-6
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = goal.loss(z[chosen] @ weight + bias, chosen) + _PENALTY / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach(), bias.detach()
