"""Train a network several times, and keep what does not depend on the start."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from edge2torch._core.files import lock_folder
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._kept import Kept
from edge2torch.interpret._trust._node_scores import (
    NodeScores,
    has_inputs,
    rank_stability,
    score_networks,
    score_stack,
)
from edge2torch.interpret._trust._stack import ReplicateStack
from edge2torch.interpret._trust._start import Start, draw_starts
from edge2torch.interpret._trust._training import (
    TrainFunction,
    passing_quality,
    train_separately,
    train_together,
)

_SHOWN, _ROWS = 3, 10


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """Node scores of several trained networks, and how good each network is.

    Parameters
    ----------
    scores : DataFrame
        Kept replicates × nodes: mean over samples of the attribution's magnitude.
    means : DataFrame
        The same of the attribution with its sign.
    quality : Series
        What the training function returned, of every replicate that was trained; NaN for None.
    kept : Series of bool
        Which replicates passed the quality filter.
    models : tuple of Module
        The kept ones, trained.
    artifact : CompileArtifact
        Their names.
    stack : ReplicateStack, optional
        Where they were trained together.
    starts : tuple of int
        Seeds of the kept ones: networks of the same seed share their start.

    Examples
    --------
    >>> import pandas as pd
    >>> scores = pd.DataFrame({"tf_1": [2.0, 3.0], "tf_2": [1.0, 0.5]})
    >>> good = pd.Series([0.9, 0.8])
    >>> found = Replicates(scores, scores, good, good > 0, (), None)
    >>> found.summary()
          mean        sd  sign_consistency
    tf_1  2.50  0.707107               1.0
    tf_2  0.75  0.353553               1.0
    >>> round(found.stability, 2)
    1.0
    >>> found
    Replicates: 2 networks; stability 1.00; tf_1 2.5, tf_2 0.75
    """

    scores: pd.DataFrame
    means: pd.DataFrame
    quality: pd.Series
    kept: pd.Series
    models: tuple[nn.Module, ...] = field(repr=False)
    artifact: Any = field(repr=False)
    stack: ReplicateStack | None = field(default=None, repr=False)
    starts: tuple[int, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        """Say how many networks, how far they agree, and which nodes lead."""
        dropped = f" ({self.n_dropped} dropped)" if self.n_dropped else ""
        agree = "" if np.isnan(self.stability) else f"; stability {self.stability:.2f}"
        means = self.scores.mean().sort_values(ascending=False, kind="stable")[:_SHOWN]
        lead = ", ".join(f"{name} {value:.3g}" for name, value in means.items())
        more = self.scores.shape[1] - len(means)
        rest = f" and {more:,} more" if more > 0 else ""
        return f"Replicates: {len(self.scores)} networks{dropped}{agree}; {lead}{rest}"

    def _repr_html_(self) -> str:
        table = self.summary()[:_ROWS].to_html(border=0, float_format="{:.3g}".format)
        return f"<div>{escape(repr(self))}{table}</div>"

    @cached_property
    def stability(self) -> float:
        """Mean Spearman correlation of node scores over all pairs of replicates."""
        return rank_stability(self.scores)

    @property
    def n_dropped(self) -> int:
        """How many replicates the quality filter dropped."""
        return int((~self.kept).sum())

    def summary(self) -> pd.DataFrame:
        """Return ``mean``, ``sd`` and ``sign_consistency`` by node, the highest mean first.

        Sign consistency is the share of replicates whose mean attribution has the sign that most
        of them have; NaN where all are zero.
        """
        signs = np.sign(self.means.to_numpy())
        most = np.maximum((signs > 0).sum(axis=0), (signs < 0).sum(axis=0))
        moved = (signs != 0).any(axis=0)
        table = pd.DataFrame(
            {
                "mean": self.scores.mean(),
                "sd": self.scores.std(ddof=1),
                "sign_consistency": np.where(moved, most / len(signs), np.nan),
            },
            index=self.scores.columns,
        )
        return table.sort_values("mean", ascending=False, kind="stable")

    def explain(
        self, data: Any, *, output: str | int | None = None, quiet: bool = False, **options: Any
    ) -> Replicates:
        """Score the same networks again, on other samples or for another output.

        Parameters
        ----------
        data, output
            As in :func:`replicate`; a list holds one table for each kept network.
        quiet : bool
            Show no progress bar.
        **options
            Further options of :func:`interpret_model`.

        Returns
        -------
        Replicates
        """
        scored = _score(self, data, output, options, quiet=quiet)
        return replace(self, scores=scored.scores, means=scored.means)


def replicate(
    compile_or_model: Start,
    train_fn: TrainFunction,
    data: Any,
    *,
    n: int = 10,
    seed: int = 0,
    output: str | int | None = None,
    min_quality: float | None = None,
    together: bool = False,
    executor: Executor | int | None = None,
    folder: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    **options: Any,
) -> Replicates:
    """Train a network from several independent starts, and score its nodes in each.

    Parameters
    ----------
    compile_or_model : callable, or (model, artifact)
        A function without arguments that returns a fresh ``(model, artifact)``, such as
        ``lambda: compile_graph(edges, quiet=True)``; or such a pair, whose weights are drawn anew.
    train_fn : callable
        Your own training loop: ``train_fn(model, seed)`` trains the model where it is and returns
        its quality on held-out data (higher is better), or None. With ``together=True`` it is
        called once, with a :class:`ReplicateStack` whose output is (n, b, o), and returns n
        qualities, or None.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns); or a list of n DataFrames
        Samples to explain, best held-out ones. A list gives each replicate its own, as controls
        want it; with ``together=True`` the stack's input is then (n, b, i).
    n : int
        Networks to train.
    seed : int
        Same seed, same starts. PyTorch's global generator is set to a replicate's seed before
        its training.
    output : str or int, optional
        As in :func:`interpret_model`.
    min_quality : float, optional
        Networks of lower quality are dropped; how many is said. Those whose quality is NaN are
        always dropped.
    together : bool
        Train all networks at once in one module. The result is what separate runs give that see
        the same batches; see Notes.
    executor : int or concurrent.futures.Executor, optional
        Where to train; left out, here and in turn. A number is that many worker processes, one
        thread each, with the bits that one thread gives here; functions of a notebook or a script
        go along. To a process, ``train_fn`` and what it refers to go as copies: what it appends to
        a list or writes into a tensor is not seen here, and tensors on a GPU are copied into each
        process. Other pools of processes need a ``train_fn`` that they can import. Threads share
        PyTorch's generator: a loop that draws from it (dropout, shuffling) is not repeatable there.
    folder : path, optional
        Where every network is kept as soon as it is trained. A call with the same graph, modules
        and seed finds them there, says so and trains the rest: after a crash, or with a larger
        ``n``. What ``train_fn`` does is not compared; give a new folder when you change it.
    quiet : bool
        Print nothing, and show no progress bar.
    **options
        Further options of :func:`interpret_model`, such as ``method``, ``nodes`` or
        ``attribute_kwargs``. Left out, hidden nodes are scored by layer conductance.

    Returns
    -------
    Replicates

    Raises
    ------
    Edge2TorchError
        When no network passes the filter, and for a ``train_fn`` that returns something else, is no
        function, or does not work on a stack of networks. For a ``folder`` of another graph,
        seed or model, or one that another process is writing to. When a worker process is killed; what was
        trained by then is in ``folder``.

    Notes
    -----
    Replicates train together where the model comes straight from ``compile_graph`` (feedforward
    backend) or ``customize_model``, where the loss of each is computed from its own output
    alone, and where the optimizer treats each parameter on its own (SGD, Adam and their kin).
    ``sum(criterion(y, target) for y in stack(x))`` is such a loss. Clipping of the gradient's norm
    and early stopping mix the replicates; dropout draws other masks than separate runs would.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([30, 6, 1], [36, 6], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> target = torch.tensor(problem.y_train.to_numpy(), dtype=torch.float32)
    >>> def train(stack, seed):
    ...     x = torch.tensor(problem.x_train[names].to_numpy(), dtype=torch.float32)
    ...     optimizer = torch.optim.Adam(stack.parameters(), lr=0.02)
    ...     criterion = torch.nn.BCEWithLogitsLoss()
    ...     for _ in range(60):
    ...         optimizer.zero_grad()
    ...         sum(criterion(y[:, 0], target) for y in stack(x)).backward()
    ...         optimizer.step()
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> names = artifact.feature_names
    >>> found = replicate((model, artifact), train, problem.x_test, n=5, together=True, quiet=True)
    >>> found.summary().index[0] == problem.causal[0]
    True

    References
    ----------
    Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5. Esser-Skala & Fortelny 2023,
    doi:10.1038/s41540-023-00310-8.
    """
    if not callable(train_fn):
        raise Edge2TorchError(
            f"train_fn must be your training loop, train(model, seed); found {type(train_fn).__name__}."
        )
    if together and executor is not None:
        raise Edge2TorchError("executor has nothing to share out with together=True. Choose one.")
    models, artifact, seeds = draw_starts(compile_or_model, n, seed)
    tables = list(data) if isinstance(data, list | tuple) else None
    if tables is not None and len(tables) != n:
        raise Edge2TorchError(
            f"data: {len(tables)} tables for n={n} replicates. Give one for each."
        )
    stack = ReplicateStack(models, artifact, shared_inputs=tables is None) if together else None
    with nullcontext() if folder is None else lock_folder(folder):
        known = Kept(folder, models[0], artifact, seed)
        if stack is not None:
            quality = train_together(train_fn, stack, seeds[0], known, quiet=quiet)
            models = stack.unstack(copies=False)  # drawn above
        else:
            models, quality = train_separately(
                train_fn, models, seeds, executor, known, quiet=quiet
            )
    kept = passing_quality(quality, min_quality, quiet=quiet)
    models = [model for model, keep in zip(models, kept, strict=True) if keep]
    index = pd.Index(np.flatnonzero(kept), name="replicate")
    blank = pd.DataFrame(index=index)
    whole = stack if kept.all() else None
    drawn = tuple(seed for seed, keep in zip(seeds, kept, strict=True) if keep)
    replicates = Replicates(blank, blank, quality, kept, tuple(models), artifact, whole, drawn)
    samples = data if tables is None else [tables[k] for k in index]
    return replicates.explain(samples, output=output, quiet=quiet, **options)


def _score(
    replicates: Replicates,
    data: Any,
    output: str | int | None,
    options: dict[str, Any],
    *,
    quiet: bool,
) -> NodeScores:
    """Score in one call where the networks stand side by side, one after the other elsewhere."""
    stack, several = replicates.stack, isinstance(data, list | tuple)
    if stack is not None and several != stack.shared_inputs:
        asked = options.get("nodes", "hidden")
        # what flows through inputs that replicates share is not told apart by replicate
        if not stack.shared_inputs or not has_inputs(asked, replicates.artifact):
            return score_stack(stack, data, output, options)
    samples = data if several else [data] * len(replicates.models)
    index = replicates.scores.index
    return score_networks(
        replicates.models, replicates.artifact, samples, output, options, index, quiet=quiet
    )
