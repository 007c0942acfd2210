"""Several graphs under one protocol, each beside graphs that know nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_choice, check_count, check_number, check_type
from edge2torch._core.complete import check_complete
from edge2torch._core.console import Console
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing, plural
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.study._baseline import fit_baseline
from edge2torch.study._cohort import group_names
from edge2torch.study._ignorant import IGNORANT
from edge2torch.study._judge_priors import OWN, UNTRAINED, judge
from edge2torch.study._network import Network, fit_network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings, settings_of
from edge2torch.study._task import choose_task
from edge2torch.study._train_priors import features_read, networks_of, train_side_by_side
from edge2torch.train import Split, fit_scaler, repeated_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INNER_FOLDS = 5
_TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True, eq=False, repr=False)
class PriorComparison:
    """What several graphs are worth, and what remains if they are made to know nothing.

    Made by :func:`compare_priors`.

    Parameters
    ----------
    table : DataFrame, one row per prior and model
        ``gain`` over guessing, per held-out sample (of numbers R², of classes the fall of the log loss in
        nats), with ``low`` and ``high``, its interval over samples or groups; ``networks``, how many were
        trained; ``spread``, the standard deviation of ``gain`` over them.
    tests : DataFrame, one row per comparison
        ``prior``, ``against``, ``difference`` of the gains with ``low`` and ``high``; ``p_samples``,
        one-sided, over samples or groups; ``p_draws``, whether the prior could be one more draw of the
        control (NaN where that is no draw); ``pvalue``, the larger of both; ``qvalue``, Holm's over the
        priors.
    leads : DataFrame, samples × (prior, model)
        Gain of every sample, mean over networks and repeats.
    verdict : {"knowledge", "sparsity", "neither", "nothing"}
        What helps. ``"nothing"``: no network predicts better than guessing.
    best : tuple of str
        The priors whose knowledge helps and that no other prior is better than; one where they can be
        told apart, none unless the verdict is ``"knowledge"``.
    level : float
        Confidence of intervals; 1 - level is the error rate of the verdict.
    notes : tuple of str
        What was done otherwise than asked, and what held the networks back; the summary begins with it.

    Examples
    --------
    >>> from edge2torch.study import compare_priors
    >>> compare_priors.__name__
    'compare_priors'
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    leads: pd.DataFrame
    verdict: Literal["knowledge", "sparsity", "neither", "nothing"]
    best: tuple[str, ...]
    level: float = 0.95
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the verdict in sentences."""
        return self._words

    @cached_property
    def _words(self) -> str:
        names = listing(self.best)
        start = {
            "nothing": "No network predicts better than guessing, so nothing can be compared.",
            "neither": "No prior does better than graphs of its shape that know nothing, and these do not "
            "do better than a dense network: neither knowledge nor sparsity is seen to help.",
            "sparsity": "Sparsity helps, not knowledge: graphs that know nothing do as well as the priors, "
            "and better than a dense network.",
            "knowledge": f"Knowledge helps: {names} does better than graphs of its shape that know nothing"
            " and is not beaten by another prior."
            if len(self.best) == 1
            else f"Knowledge helps: {names} do better than graphs of their shape that know nothing, and "
            "cannot be told apart.",
        }[self.verdict]
        shown = self.table[(self.table["model"] == OWN) | (self.table["prior"] == "")]
        gains = [
            f"{row['prior'] or row['model']} {row['gain']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            for row in shown.to_dict("records")
        ]
        linear = self.tests[self.tests["against"] == self._linear]
        better = linear["prior"][linear["low"] > 0].tolist()
        beyond = f"Better than {self._linear}: {listing(better) if better else 'no prior'}."
        return " ".join([*self.notes, start, f"Gain over guessing: {'; '.join(gains)}.", beyond])

    @property
    def _linear(self) -> str:
        return str(self.table["model"].iloc[-1])

    def __repr__(self) -> str:
        return f"PriorComparison: {self._words}"

    def _repr_html_(self) -> str:
        table = self.table.to_html(border=0, index=False, float_format="{:.3f}".format)
        return f"<div><p>{escape(self._words)}</p>{table}</div>"


def compare_priors(
    priors: Mapping[str, EdgesLike],
    X: pd.DataFrame,
    y: pd.Series | ArrayLike,
    *,
    groups: pd.Series | ArrayLike | None = None,
    controls: Sequence[str] = tuple(IGNORANT),
    draws: int = 5,
    starts: int = 3,
    folds: int = 5,
    repeats: int = 1,
    level: float = 0.95,
    settings: StudySettings | None = None,
    quiet: bool = False,
    **options: Any,
) -> PriorComparison:
    """Hold several graphs against each other and against graphs that know nothing.

    Every sample is predicted once (once in each repeat) by networks that have not seen it, nor its
    group; all networks share folds, batches and what dropout hides. A prior's knowledge helps if it
    does better than every control of its own: over samples or groups, and beyond what draws of the
    control scatter. Priors are corrected for each other (Holm). Then, whether another prior is
    better; and if no knowledge helps, whether graphs that know nothing beat a dense network.

    Parameters
    ----------
    priors : mapping of str to DataFrame or Prior
        Edge tables by name; acyclic. What the data cannot feed is left out.
    X : DataFrame, samples × features
        NaN where a value is missing, which ``impute=True`` fills with the median of the samples that
        are trained with.
    y : Series or array, shape (n,)
        Classes or numbers, by sample; a Series is matched by its index.
    groups : Series or array, shape (n,), optional
        What samples share, such as their donor: held out together, and the unit of intervals.
    controls : sequence of {"rewired", "permuted genes", "random sets", "co-expression modules"}
        ``"rewired"``: edges exchange targets (:func:`rewire`). ``"permuted genes"``: features exchange
        names with others of about the same mean. ``"random sets"``: every node reads as many features,
        drawn anew. ``"co-expression modules"``: a random feature and those that correlate with it most.
    draws : int
        Graphs of each control and prior, at least 2.
    starts : int
        Networks of each prior, and of the dense network.
    folds, repeats : int
        Parts of the samples, at most as many as there are groups, or samples in the smallest class; how
        often they are drawn.
    level : float
        Confidence of intervals; 1 - level is the error rate of the verdict.
    settings : StudySettings, optional
        How to train, as in :func:`run_study`.
    quiet : bool
        Show no progress bar.
    **options
        Single settings by name, as ``max_epochs=100`` or ``seed=1``; see :class:`StudySettings`.

    Returns
    -------
    PriorComparison
        ``.table``, ``.tests``, ``.verdict``, ``.best``, ``.summary()``.

    Raises
    ------
    Edge2TorchError
        For priors and data without a name in common, labels that do not fit, and unknown controls.

    Notes
    -----
    Beside each prior stands its untrained network, of which only a linear model of its outputs is
    fitted; beside all, a linear model of all features that the priors read and a dense network of
    as many hidden nodes as a prior has that read features, at most 64. P-values are of t-tests: over
    samples of cross-fitted losses, and of the prior as one more draw of the control, whose spread is
    pooled over controls. A network's outputs are read by a layer of its own unless they are the classes.

    References
    ----------
    Holm 1979, jstor.org/stable/4615733; random signatures that predict as well as true ones: Venet et
    al. 2011, doi:10.1371/journal.pcbi.1002240.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from edge2torch.study import compare_priors
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(160, 16)), columns=[f"g{k:02d}" for k in range(16)])
    >>> sets = {f"s{k}": X.columns[4 * k : 4 * k + 4] for k in range(4)}
    >>> y = np.tanh(X[sets["s0"]].sum(axis=1)) * np.tanh(X[sets["s1"]].sum(axis=1))
    >>> pairs = [(gene, name) for name, genes in sets.items() for gene in genes]
    >>> true = pd.DataFrame(pairs, columns=["source", "target"])
    >>> found = compare_priors({"true": true}, X, y, draws=2, starts=1, folds=2, max_epochs=3,
    ...                        controls=["rewired"], quiet=True)
    >>> found.table["model"].tolist()
    ['the prior', 'rewired', 'dense network', 'untrained network', 'ridge regression']
    """
    chosen = settings_of(settings, options)
    if chosen.units > 1 or chosen.node_heads:
        raise Edge2TorchError(
            "units and node_heads are for run_study: priors are compared by networks of one unit."
        )
    check_type("X", X, pd.DataFrame, "a DataFrame of samples × features")
    for name, value, least in (
        *(("draws", draws, 2), ("starts", starts, 1)),
        *(("folds", folds, 2), ("repeats", repeats, 1)),
    ):
        check_count(name, value, least)
    check_number("level", level, above=0, below=1)
    check_type("controls", controls, (tuple, list), f"a list of some of {listing(IGNORANT)}")
    for one in controls or [""]:
        check_choice("controls", one, IGNORANT)
    if not isinstance(priors, Mapping) or not priors:
        raise Edge2TorchError(
            'priors must be edge tables by name, as {"reactome": edges}, one or more.'
        )
    if chosen.task not in _TASKS:
        raise Edge2TorchError(
            f"task={chosen.task!r}: priors are compared by what they say of classes or numbers, one of "
            f"{listing(_TASKS)}."
        )
    label = _by_sample("y", y, X.index)
    task = choose_task(label, chosen.task, chosen.min_class_size)
    named = None if groups is None else _by_sample("groups", groups, X.index)
    of = None if named is None else group_names(named, task.kept)
    X = X[task.kept]
    console = Console(quiet)
    fitted = {str(name): _fitted(name, edges, X, task, chosen) for name, edges in priors.items()}
    _check_numbers(X, features_read(fitted))
    check_complete(X[features_read(fitted)], impute=chosen.impute, argument="X")
    networks = networks_of(fitted, X, controls, draws, starts, chosen.seed)
    strata = task.outcome.strata(task)
    parts = repeated_folds(strata, None, folds, repeats=repeats, groups=of, seed=chosen.seed)
    notes = []
    if len(parts) < folds * repeats:
        notes.append(
            f"{folds} folds were lowered to {len(parts) // repeats}: there are no more parts than groups, or "
            "samples in the smallest class."
        )
        console.say(notes[0])
    cut = []
    total = np.zeros((len(networks) + len(fitted) + 1, len(X)))
    for k, _ in console.count(len(parts), "priors", "folds"):
        rows, held_out = parts[k]
        inner = repeated_folds(strata, rows, _INNER_FOLDS, groups=of, seed=chosen.seed + k)[0]
        split = Split(rows, held_out, (inner,))
        own = replace(chosen, seed=chosen.seed + k)
        answers, epochs = train_side_by_side(networks, X, task, split, own)
        cut += [epochs] * bool(epochs)
        answers += [_untrained(one, X, task, split, own, of) for one in fitted.values()]
        answers += [_linear(X[features_read(fitted)], task, split, own, of)]
        for lead, answer in zip(total, answers, strict=True):
            found = task.outcome.leads(task, rows, held_out, answer, balanced=chosen.class_weights)
            lead[held_out] += found["loss"] / repeats
    if cut:
        notes.append(
            f"The validation loss, mean over networks, was still falling at the last of "
            f"{plural('epoch', cut[0])}, in {len(cut)} of {plural('fold', len(parts))}: raise max_epochs=."
        )
    keys = [(one.prior, one.model) for one in networks]
    keys += [(name, UNTRAINED) for name in fitted] + [("", task.outcome.linear)]
    return PriorComparison(*judge(total, keys, X.index, of, level), level, tuple(notes))


def _fitted(
    name: str, edges: EdgesLike, data: pd.DataFrame, task: Task, settings: StudySettings
) -> Network:
    """Return what of a prior the data can feed; an error says which prior it is about."""
    how = {"missing": settings.missing, "outputs": settings.outputs}
    try:
        return fit_network(edge_frame(edges), data.columns, task, **how)  # type: ignore[arg-type]
    except Edge2TorchError as error:
        raise Edge2TorchError(f"the prior {name!r}: {error}") from None


def _check_numbers(data: pd.DataFrame, features: list[str]) -> None:
    if not data.columns.is_unique:
        twice = data.columns[data.columns.duplicated()].unique()
        raise Edge2TorchError(f"X has several columns of one name: {listing(twice)}.")
    wrong = [one for one in features if not pd.api.types.is_numeric_dtype(data[one].dtype)]
    if wrong:
        raise Edge2TorchError(f"X has features that are not numbers: {listing(wrong)}.")


def _untrained(
    network: Network,
    data: pd.DataFrame,
    task: Task,
    split: Split,
    settings: StudySettings,
    groups: NDArray[np.str_] | None,
) -> Floats:
    """Predict the test part from the outputs of a network as it starts."""
    features = network.features
    x = fit_scaler(data[features], split.fit)(data[features])
    model = network.build(settings, settings.seed).eval()
    with torch.no_grad():
        ends = model.base_model(align_features_to_input_nodes(x, network.artifact))
    table = pd.DataFrame(ends.numpy(), data.index, [f"{k}" for k in range(ends.shape[1])])
    return _linear(table, task, split, settings, groups)


def _linear(
    data: pd.DataFrame,
    task: Task,
    split: Split,
    settings: StudySettings,
    groups: NDArray[np.str_] | None,
) -> Floats:
    model = fit_baseline(data, task, split, settings.seed, groups)
    return model.predict(data.iloc[split.test])


def _by_sample(argument: str, values: Any, index: pd.Index) -> pd.Series[Any]:
    """Return values in the order of the samples."""
    if isinstance(values, pd.Series) and not values.index.equals(index):
        if not values.index.is_unique or not index.isin(values.index).all():
            lost = index[~index.isin(values.index)]
            raise Edge2TorchError(
                f"{argument} has no value for {len(lost)} sample(s) of X: {listing(lost)}. Give a "
                "Series with X's index, or an array in its order."
            )
        values = values.loc[index]
    given = np.asarray(values)
    if given.ndim != 1:
        raise Edge2TorchError(
            f"{argument} must have one value per sample, found shape {given.shape}."
        )
    found = values if isinstance(values, pd.Series) else pd.Series(given)
    if len(found) != len(index):
        raise Edge2TorchError(f"{argument} has {len(found)} values for {len(index)} samples of X.")
    if found.isna().any():
        lost = index[found.isna().to_numpy()]
        raise Edge2TorchError(
            f"{argument} is missing for {len(lost)} sample(s): {listing(lost)}. Leave them out."
        )
    found = found.set_axis(index)
    found.name = argument if found.name is None else found.name
    return found
