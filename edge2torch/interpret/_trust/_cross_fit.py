"""Networks of one graph, trained in folds, so that every sample is predicted by some that never saw it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge2torch._core.arguments import check_options
from edge2torch._core.checks import check_count, check_flag, check_probability, check_seed
from edge2torch._core.complete import check_complete
from edge2torch._core.messages import listing
from edge2torch._core.probabilities import softmax
from edge2torch.compile import CompileArtifact
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._stack import ReplicateStack
from edge2torch.interpret._trust._start import Start, draw_starts
from edge2torch.nn import CompiledModel, CustomizedEdgeModel
from edge2torch.train import Scaler, drop_inputs, fit, fit_scaler, repeated_folds

__all__ = ["CrossFitted", "cross_fit"]

Ints = NDArray[np.int64]
Fold = tuple[Ints, Ints]  # rows to fit, rows held out
OF_FIT = ("checkpoint", "on_checkpoint", "progress")  # options that go on to fit
_LEAST = 1e-12  # probability: a confident mistake has a finite loss
Folds = int | ArrayLike | Sequence[tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted: class numbers or values of each sample, and the loss of a prediction.

    A subclass may train and judge otherwise; what ``goal`` returns is handed back to it.
    """

    values: NDArray[Any]
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Any, n: int, artifact: CompileArtifact) -> Target:
        """Read labels: floating-point numbers are values, everything else is classes."""
        if isinstance(target, Target):
            return target
        given = np.asarray(target)
        if given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if given.shape != (n,):
            raise Edge2TorchError(
                f"target must have shape ({n},), one for each sample, found {given.shape}."
            )
        lost = np.flatnonzero(pd.isna(given)).tolist()
        if lost:
            raise Edge2TorchError(f"target: sample(s) {listing(lost)} have none. Leave them out.")
        if given.dtype.kind == "f":
            if not np.isfinite(given).all():
                raise Edge2TorchError("target holds infinite values. Leave these samples out.")
            return cls(given.astype(np.float64))
        names = given.astype(str)
        classes = sorted(set(names.tolist()))
        if len(classes) < 2:
            raise Edge2TorchError(f"target has one class only: {listing(classes)}. Two are needed.")
        # outputs that are the classes keep their own order
        if set(classes) <= set(artifact.output_names):
            classes = [name for name in artifact.output_names if name in set(classes)]
        codes = pd.Index(classes).get_indexer(pd.Index(names))
        return cls(codes.astype(np.int64), tuple(classes))

    @property
    def strength_of(self) -> NDArray[Any]:
        """Class numbers or values that features are ranked by."""
        return self.values

    @property
    def strata(self) -> NDArray[Any]:
        """What folds have in equal shares."""
        return self.values

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """How many outputs a network may have that predicts this."""
        return {0: (1,), 2: (1, 2)}.get(len(self.classes), (len(self.classes),))

    def goal(self, rows: Ints) -> Any:
        """Return what training on some rows aims at: centre and spread of values, 0 and 1 of classes."""
        if self.classes:
            return 0.0, 1.0
        return float(self.values[rows].mean()), float(self.values[rows].std()) or 1.0

    def training_loss(self, y: Tensor, rows: Tensor, goal: Any) -> Tensor:
        """Mean loss of outputs y (b, o) of some rows."""
        own = torch.as_tensor(self.values)[rows].to(y.device)
        if not self.classes:
            return F.mse_loss(y[:, 0], ((own - goal[0]) / goal[1]).to(y))
        if y.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(y[:, 0], own.to(y))
        return F.cross_entropy(y, own)

    def summed_loss(self, y: Tensor, rows: Tensor, goals: Sequence[Any]) -> Tensor:
        """Sum over networks of the mean losses of their outputs y (k, b, o) for rows (k, b)."""
        if self.alike(goals):  # as one network of k times the samples: k times fewer calls
            return len(y) * self.training_loss(y.flatten(0, 1), rows.flatten(), goals[0])
        each = zip(y, rows, goals, strict=True)
        return torch.stack([self.training_loss(*one) for one in each]).sum()

    def alike(self, goals: Sequence[Any]) -> bool:  # noqa: ARG002 - a subclass's
        """Whether all networks are trained for the same, by a mean over samples."""
        return bool(self.classes)

    def answer(self, y: Tensor, goal: Any, rows: Ints) -> Tensor:  # noqa: ARG002 - a subclass's
        """Class probabilities (..., b, classes), or values (..., b, 1) in units of the target."""
        y = y.double().cpu()
        if not self.classes:
            found: Tensor = y * goal[1] + goal[0]
            return found
        if y.shape[-1] == 1:
            chance = y.sigmoid()
            return torch.cat([1 - chance, chance], -1)
        return softmax(y)

    def losses(
        self,
        y: Tensor,
        rows: Ints,
        goal: Any,
        classes: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """Loss of each sample, (1, ..., b); of classes (len(classes), ..., b), each against the rest."""
        answer = self.answer(y, goal, rows)
        own = torch.as_tensor(self.values[rows])
        if not self.classes:
            return np.asarray((answer[..., 0] - own).square()[None])
        if classes is None:
            chosen = own.expand(answer.shape[:-1]).unsqueeze(-1)
            found = answer.gather(-1, chosen)[..., 0].clamp(_LEAST, 1 - _LEAST)
            return np.asarray(-found.log()[None])
        answer = answer.clamp(_LEAST, 1 - _LEAST)
        each = [torch.where(own == k, answer[..., k], 1 - answer[..., k]) for k in classes]
        return np.asarray(-torch.stack(each).log())


@dataclass(frozen=True, eq=False, repr=False)
class CrossFitted:
    """Networks of one graph, several starts for every fold, and what they predict held out.

    Parameters
    ----------
    models : tuple of tuple of Module
        Folds × starts.
    artifact : CompileArtifact
        Their names.
    folds : tuple of (ndarray, ndarray)
        Row numbers that the networks of a fold were trained on, and those held out from them.
    predictions : DataFrame
        Held-out samples × classes, probabilities; or one column ``value``. Means over starts.
    classes : tuple of str
        In the order of the outputs; empty for numbers.
    scalers : tuple of Scaler
        What brings data to the networks of each fold; empty where data are fed as they are.
    columns : tuple of str
        The data's column that each input reads; not its own where features were exchanged.
    impute : bool
        Whether missing values are filled with medians of each fold's training samples.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from edge2torch.interpret import cross_fit
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([30, 6, 1], [36, 6], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> start = e2t.compile_graph(edges, quiet=True)
    >>> cross_fit(start, problem.x_test, problem.y_test, folds=2, starts=2, max_epochs=2)
    CrossFitted: 2 folds × 2 starts; 400 samples held out
    """

    models: tuple[tuple[nn.Module, ...], ...]
    artifact: CompileArtifact
    folds: tuple[Fold, ...]
    predictions: pd.DataFrame
    classes: tuple[str, ...] = ()
    scalers: tuple[Scaler, ...] = field(default=(), repr=False)
    columns: tuple[str, ...] = field(default=(), repr=False)
    impute: bool = field(default=False, repr=False)

    def __repr__(self) -> str:
        """Say how many."""
        return (
            f"CrossFitted: {len(self.models)} folds × {len(self.models[0])} starts; "
            f"{len(self.predictions):,} samples held out"
        )

    def inputs(self, data: Any) -> Iterator[Tensor]:
        """Yield all samples (b, i) as the networks of each fold read them."""
        table = features_of(data, self.artifact, self.columns, impute=self.impute)
        like = next(self.models[0][0].parameters(), torch.empty(0))
        for k in range(len(self.folds)):
            own = self.scalers[k](table) if self.scalers else table
            yield torch.from_numpy(own.to_numpy(np.float32)).to(like)


def cross_fit(
    compile_or_model: Start,
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    folds: Folds = 4,
    starts: int = 3,
    groups: ArrayLike | None = None,
    exchange_features: int | None = None,
    impute: bool = False,
    seed: int = 0,
    max_epochs: int = 30,
    batch_size: int | None = None,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.5,
    input_dropout: float = 0.5,
    quiet: bool = True,
    **options: Any,
) -> CrossFitted:
    """Train networks of one graph in folds, from several starts, all side by side.

    Every sample is held out once (or as often as the folds say), and predicted by networks that
    have seen neither it nor, with ``groups``, anything of its donor. Features are centred and scaled
    by what each fold's training samples say.

    Parameters
    ----------
    compile_or_model : callable, or (model, artifact)
        As in :func:`replicate`. For classes the network needs one output for each, or for two
        classes a single one; for numbers one.
    data : DataFrame or AnnData, shape (b, columns)
        Samples, not scaled.
    target : array_like, shape (b,)
        Classes; floating-point numbers are values.
    folds : int, array of fold labels (b,), or sequence of (rows to fit, rows held out)
        A number draws so many, with classes in equal shares.
    starts : int
        Networks for each fold.
    groups : array_like, shape (b,), optional
        Donor, patient, plate, or whatever samples share: on one side of every fold.
    exchange_features : int, optional
        Let the features exchange their places, by this seed: what stands under a node is then as
        many other features, with their strength and their correlations. For the null of
        :func:`node_specific`.
    impute : bool
        Fill missing values with each feature's median among a fold's training samples; without it
        they are refused.
    seed : int
        Same seed, same folds, starts and batches.
    max_epochs, batch_size, learning_rate, weight_decay, input_dropout
        As in :func:`edge2torch.train.fit`; all epochs are trained. A batch is by default an
        eighth of the training samples, at least 16 and at most 256. ``input_dropout`` is the
        probability of hiding a feature in a training step.
    quiet : bool
        Show no progress bar.
    **options
        Further options of :func:`edge2torch.train.fit`: ``checkpoint``, ``on_checkpoint``,
        ``progress``.

    Returns
    -------
    CrossFitted

    Raises
    ------
    Edge2TorchError
        For networks with another number of outputs than the target asks for, folds that share
        samples or groups with what they hold out, and data without the inputs or with values that
        are missing or infinite.

    References
    ----------
    Chernozhukov et al. 2018, doi:10.1111/ectj.12097: cross-fitting.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([30, 6, 1], [36, 6], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> start = e2t.customize_model(model, node_activation="tanh"), artifact
    >>> fitted = cross_fit(start, problem.x_test, problem.y_test, starts=2, learning_rate=0.02)
    >>> fitted.predictions.columns.tolist()
    ['0', '1']
    """
    check_count("starts", starts)
    check_count("max_epochs", max_epochs)
    check_flag("impute", impute)
    check_seed("seed", seed)
    check_probability("input_dropout", input_dropout)
    if batch_size is not None:
        check_count("batch_size", batch_size)
    if exchange_features is not None:
        check_seed("exchange_features", exchange_features)
    check_options("cross_fit", options, OF_FIT)
    models, artifact, _ = draw_starts(compile_or_model, 1, seed)
    columns = list(artifact.feature_names)
    if exchange_features is not None:
        order = np.random.default_rng([exchange_features, 7]).permutation(len(columns))
        columns = [columns[k] for k in order]
    table = features_of(data, artifact, tuple(columns), impute=impute)
    own = Target.of(by_sample(target, table.index), len(table), artifact)
    parts = read_folds(folds, own, by_sample(groups, table.index), seed)
    models, artifact, _ = draw_starts(compile_or_model, len(parts) * int(starts), seed)
    scalers = tuple(fit_scaler(table, rows) for rows, _ in parts)
    like = next(models[0].parameters(), torch.empty(0))  # in its type, and where it is
    x = torch.stack([torch.from_numpy(s(table).to_numpy(np.float32)) for s in scalers]).to(like)
    stack = _side_by_side(models, artifact)
    _train(
        stack, x, own, parts, int(starts), seed,
        max_epochs=max_epochs, batch_size=batch_size, learning_rate=learning_rate,
        weight_decay=weight_decay, input_dropout=input_dropout,
        **{"progress": None if not quiet else False, **options},
    )  # fmt: skip
    trained = [model.eval() for model in stack.unstack(copies=False)]
    split = tuple(
        tuple(trained[k * int(starts) : (k + 1) * int(starts)]) for k in range(len(parts))
    )
    blank = pd.DataFrame(index=table.index)
    fitted = CrossFitted(
        split, artifact, parts, blank, own.classes, scalers, tuple(columns), impute
    )
    return replace(fitted, predictions=_predictions(fitted, x, own, table.index))


def _train(
    stack: nn.Module,
    x: Tensor,
    target: Target,
    folds: Sequence[Fold],
    starts: int,
    seed: int,
    *,
    batch_size: int | None,
    input_dropout: float,
    **options: Any,
) -> None:
    """Train the networks of all folds in step: none has a part in the loss of another."""
    size = min(len(rows) for rows, _ in folds)  # folds differ by a row or two
    batch = batch_size or min(max(size // 8, 16), 256)
    steps = max(size // batch, 1)
    fitted = [torch.from_numpy(rows) for rows, _ in folds for _ in range(starts)]
    goals = [target.goal(rows) for rows, _ in folds for _ in range(starts)]
    which = torch.arange(len(folds)).repeat_interleave(starts)[:, None]

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        drawn = [rows[torch.randperm(len(rows), generator=generator)[:size]] for rows in fitted]
        return torch.stack(drawn).tensor_split(steps, dim=1)

    def loss(rows: Tensor) -> Tensor:
        outputs = stack(drop_inputs(x[which, rows], input_dropout))
        if target.n_outputs and outputs.shape[-1] not in target.n_outputs:
            kind = f"{len(target.classes)} classes" if target.classes else "numbers"
            raise Edge2TorchError(
                f"compile_or_model has {outputs.shape[-1]} output(s), and target holds {kind}: "
                f"{' or '.join(map(str, target.n_outputs))} are needed. Add a head: "
                f"customize_model(model, head=torch.nn.Linear({outputs.shape[-1]}, "
                f"{target.n_outputs[-1]}))."
            )
        return target.summed_loss(outputs, rows, goals)

    fit(stack, loss, batches, seed=seed, **options)


class _Apart(nn.Module):
    """Networks one after another, for what no :class:`ReplicateStack` takes."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (k, b, i), of each its own, to (k, b, o)."""
        return torch.stack([model(own) for model, own in zip(self.models, x, strict=True)])

    def unstack(self, *, copies: bool = True) -> list[nn.Module]:  # noqa: ARG002 (as a stack has)
        """Return the networks themselves."""
        return list(self.models)


def _side_by_side(models: list[nn.Module], artifact: CompileArtifact) -> _Apart | ReplicateStack:
    bare = isinstance(models[0], CompiledModel | CustomizedEdgeModel)
    overlap = set(artifact.feature_names) & set(artifact.output_names)
    if not bare or overlap or artifact.backend != "feedforward":
        return _Apart(models)
    return ReplicateStack(models, artifact, shared_inputs=False)


def _predictions(fitted: CrossFitted, x: Tensor, target: Target, index: pd.Index) -> pd.DataFrame:
    """Mean over the networks for which a sample was held out."""
    columns = list(fitted.classes) or ["value"]
    total, count = np.zeros((len(index), len(columns))), np.zeros(len(index))
    for k, (rows, held_out) in enumerate(fitted.folds):
        goal = target.goal(rows)
        for model in fitted.models[k]:
            with torch.no_grad():
                answer = target.answer(model(x[k, torch.from_numpy(held_out)]), goal, held_out)
            total[held_out] += answer.numpy()
            count[held_out] += 1
    seen = count > 0
    return pd.DataFrame(total[seen] / count[seen, None], index[seen], columns)


def features_of(
    data: Any, artifact: CompileArtifact, columns: tuple[str, ...], *, impute: bool = False
) -> pd.DataFrame:
    """Return samples × inputs, each from its column of the data; NaN only where it is filled later."""
    own = list(artifact.feature_names)
    known = isinstance(data, pd.DataFrame) and data.columns.is_unique and set(own) <= set(data)
    if known and all(pd.api.types.is_numeric_dtype(kind) for kind in data[own].dtypes):
        check_complete(data[own], impute=impute)
        values = data[own].to_numpy(np.float64, na_value=np.nan)
        table = pd.DataFrame(values, data.index, own)
    else:
        x = align_features_to_input_nodes(data, artifact).detach().cpu().numpy()
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(x))
        if (names := getattr(data, "obs_names", None)) is not None:
            index = pd.Index(names)
        table = pd.DataFrame(x, index=index, columns=own)
    order = list(columns) if columns else own
    return pd.DataFrame(table[order].to_numpy(), table.index, own)


def by_sample(values: Any, samples: pd.Index) -> Any:
    """Put a Series that names the same samples into their order; leave anything else as it is."""
    if not isinstance(values, pd.Series) or values.index.equals(samples):
        return values
    both_name = samples.is_unique and values.index.is_unique and len(values) == len(samples)
    return values.reindex(samples) if both_name and values.index.isin(samples).all() else values


def read_folds(folds: Any, target: Target, groups: Any, seed: int) -> tuple[Fold, ...]:
    """Return rows to fit and rows held out of every fold, after checking that they are apart."""
    n = len(target.values)
    of_sample = None if groups is None else read_groups(groups, n)
    if isinstance(folds, int | np.integer) and not isinstance(folds, bool):
        count = check_count("folds", folds)
        if count < 2:
            raise Edge2TorchError("folds must be 2 or more, found 1: nothing would be held out.")
        found = repeated_folds(target.strata, None, count, groups=of_sample, seed=seed)
    else:
        found = _given_folds(folds, n)
    for k, (fitted, held_out) in enumerate(found):
        if set(fitted.tolist()) & set(held_out.tolist()):
            raise Edge2TorchError(f"folds: fold {k} holds samples out that it is fitted to.")
        if of_sample is not None and (
            both := set(of_sample[fitted].tolist()) & set(of_sample[held_out].tolist())
        ):
            raise Edge2TorchError(
                f"folds: group(s) {listing(sorted(both))} are on both sides of fold {k}. Hold "
                "groups out as a whole."
            )
        if target.classes and len(set(target.values[fitted].tolist())) < len(target.classes):
            gone = set(range(len(target.classes))) - set(target.values[fitted].tolist())
            raise Edge2TorchError(
                f"folds: no sample of class {listing([target.classes[c] for c in sorted(gone)])} is "
                f"left to fit in fold {k}. Leave such classes out, or take fewer folds."
            )
    return tuple((np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in found)


def _given_folds(folds: Any, n: int) -> list[Fold]:
    pairs = isinstance(folds, list | tuple) and all(
        isinstance(one, list | tuple) and len(one) == 2 for one in folds
    )
    if pairs and len(folds):
        found = [(np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in folds]
        rows = np.concatenate([part for pair in found for part in pair])
        if not len(rows) or rows.min() < 0 or rows.max() >= n:
            raise Edge2TorchError(f"folds must hold row numbers from 0 to {n - 1}.")
        return found
    labels = np.asarray(folds)
    if labels.shape != (n,) or len(np.unique(labels)) < 2:
        raise Edge2TorchError(
            f"folds must be a number, a label for each of {n} samples (two labels or more), or "
            f"pairs of (rows to fit, rows held out); found {type(folds).__name__} of shape "
            f"{labels.shape}."
        )
    return [
        (np.flatnonzero(labels != one), np.flatnonzero(labels == one)) for one in np.unique(labels)
    ]


def read_groups(groups: Any, n: int) -> NDArray[Any]:
    """Return the group of each sample."""
    found = np.asarray(groups)
    if found.shape != (n,):
        raise Edge2TorchError(f"groups must have shape ({n},), as target, found {found.shape}.")
    if lost := np.flatnonzero(pd.isna(found)).tolist():
        raise Edge2TorchError(f"groups: sample(s) {listing(lost)} have none. Name theirs.")
    return found.astype(str)
