"""Networks of one graph, trained in folds, so that every sample is predicted by some that never saw it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from edge2torch._core.arguments import check_options
from edge2torch._core.checks import check_count, check_flag, check_probability, check_seed
from edge2torch._core.complete import check_complete
from edge2torch._core.samples import by_sample
from edge2torch.compile import CompileArtifact
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._folds import Fold, Folds, read_folds
from edge2torch.interpret._trust._stack import Apart, ReplicateStack, side_by_side
from edge2torch.interpret._trust._start import Start, draw_starts
from edge2torch.interpret._trust._target import Target
from edge2torch.nn import (
    CompiledModel,
    CustomizedEdgeModel,
    drop_in_rows,
    gradients_to_parameters,
)
from edge2torch.train import Scaler, fit, fit_scaler, in_chunks

OF_FIT = ("checkpoint", "on_checkpoint", "progress")  # options that go on to fit


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
            yield torch.from_numpy(own.to_numpy(np.float32, copy=True)).to(like)


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
        classes a single one; for numbers one. Heads at its nodes are left out: they would make a
        node predict, used or not.
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
    own = Target.of(by_sample("target", target, table.index), len(table), artifact)
    parts = read_folds(
        by_sample("folds", folds, table.index), own, by_sample("groups", groups, table.index), seed
    )
    models, artifact, _ = draw_starts(compile_or_model, len(parts) * int(starts), seed)
    models = [_without_heads(model) for model in models]
    scalers = tuple(fit_scaler(table, rows) for rows, _ in parts)
    like = next(models[0].parameters(), torch.empty(0))  # in its type, and where it is
    x = torch.stack(
        [torch.from_numpy(s(table).to_numpy(np.float32, copy=True)) for s in scalers]
    ).to(like)
    stack = side_by_side(models, artifact)
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
    stack: Apart | ReplicateStack,
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
    which = torch.arange(len(folds)).repeat_interleave(starts)

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        drawn = [rows[torch.randperm(len(rows), generator=generator)[:size]] for rows in fitted]
        return torch.stack(drawn).tensor_split(steps, dim=1)

    # a module of the user's own may ask autograd for what goes past it
    bare = isinstance(stack, ReplicateStack) or all(
        isinstance(one, CompiledModel | CustomizedEdgeModel) for one in stack.networks
    )

    def loss(rows: Tensor) -> Tensor:
        # more than a few thousand only where a step takes all samples
        with gradients_to_parameters() if bare else nullcontext():
            (outputs,) = in_chunks(
                lambda part: (stack(drop_in_rows(x, which, part, input_dropout)),), rows
            )
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


def _without_heads(model: nn.Module) -> nn.Module:
    """Return a network without heads at its nodes; whatever a wrapper holds stays."""
    if not isinstance(model, CustomizedEdgeModel) or model.heads is None:
        return model
    return CustomizedEdgeModel(model.base_model, **model.after, node_heads=None).train(
        model.training
    )


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
