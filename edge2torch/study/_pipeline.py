"""Split, train, compare and explain, over several seeds. Says what it does; prints nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.complete import check_complete, check_measured
from edge2torch._core.console import Console
from edge2torch._core.messages import plural
from edge2torch.compile import edge_weights
from edge2torch.interpret import rewire
from edge2torch.study._attribute import Attribution, SeedAttribution, attribute, summarize
from edge2torch.study._baseline import LinearModels, Predict
from edge2torch.study._data import Dataset
from edge2torch.study._flow import Flow, flow_of
from edge2torch.study._heads import head_scores
from edge2torch.study._intervals import Between, HeldOut, Key, intervals
from edge2torch.study._learned import Learned, learned
from edge2torch.study._metrics import predictions_frame
from edge2torch.study._network import Network
from edge2torch.study._outcomes._metric import Metric
from edge2torch.study._outcomes._outcome import Outcome, Task
from edge2torch.study._permutations import permuted_statistics
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._test_parts import split_of
from edge2torch.study._threads import threads_for
from edge2torch.study._train import Trained, train
from edge2torch.study._trust import Trust, look_into, why_not
from edge2torch.study._words import Words
from edge2torch.train import Split

KPNN, SHUFFLED, WIDER = "KPNN", "KPNN, shuffled edges", "KPNN + direct edges"
COVARIATES = "covariates alone"

_FORGETFUL = Progress()


@dataclass(frozen=True)
class Study:
    """What is asked: data, label, graph and settings.

    Parameters
    ----------
    dataset, task, network, settings, words
        As made by their rooms.
    wider : Network, optional
        A second network to train beside the first, with direct edges from every feature.
    groups : ndarray of str, shape (n,), optional
        Donor, or whatever samples share, of the samples of the task; on one side of every split.
    held_out : ndarray of bool, shape (n,), optional
        Which samples are of the cohort that the study is tested on.
    suspects : tuple of str
        What was warned of columns that look like groups.
    parts : ndarray of str, shape (n,), optional
        The part of each sample that a seed holds out as a whole, where the user named them.
    """

    dataset: Dataset
    task: Task
    network: Network
    settings: StudySettings
    words: Words
    wider: Network | None = None
    groups: NDArray[np.str_] | None = None
    held_out: NDArray[np.bool_] | None = None
    suspects: tuple[str, ...] = ()
    parts: NDArray[np.str_] | None = None

    @property
    def parts_words(self) -> str:
        """What each seed holds out another of; empty where a part is drawn."""
        name = self.settings.test_folds
        if isinstance(name, str) and self.parts is not None:
            return f"the {len(np.unique(self.parts))} parts that {name!r} names"
        return f"{name} parts" if name else ""


@dataclass(frozen=True)
class Results:
    """What came out of a study.

    Parameters
    ----------
    study : Study
        What was asked.
    scores : DataFrame
        One row per model and seed: ``model``, ``features``, ``seed``, ``epochs`` and metrics.
    attribution : Attribution
        Of the knowledge network.
    weights : DataFrame
        ``source``, ``target``, ``weight`` of the first seed's network. Weights are not averaged:
        a node and its mirror image, all signs turned, compute the same.
    predictions : DataFrame
        Held-out samples of every seed.
    first : Trained
        The network of the first seed.
    sizes : Split
        Of the first seed; :meth:`sizes_words` speaks of all.
    changed_edges : float
        Share of edges that the shuffle moved, among those that lead to nodes whose edges can move;
        mean over seeds.
    notes : tuple of str
        What was done and left out.
    seconds : float
        Wall time.
    trust : Trust or None
        Which nodes are found.
    missing : float
        Share of the values the networks use that were missing, and so were filled in.
    untrusted : str
        Why they say nothing although they were asked for.
    cut_off : tuple of int
        The limit of epochs, once for every seed whose validation loss was falling when it came.
    learned : dict of (str, int) to Learned
        How far each model, by name and number of features, is ahead of guessing.
    flow : Flow
        Edge attributions of one class in the first seed's network.
    head_scores : DataFrame
        Held-out scores of every node's own head, by seed; empty without heads.
    intervals : DataFrame
        Of every score, and of the network's lead over the other models.
    permuted : DataFrame
        What the outcome's ``statistics`` are with outcomes permuted, a row each time.
    """

    study: Study
    scores: pd.DataFrame
    attribution: Attribution
    weights: pd.DataFrame
    predictions: pd.DataFrame
    first: Trained
    sizes: Split
    changed_edges: float
    notes: tuple[str, ...]
    seconds: float
    flow: Flow
    learned: Mapping[tuple[str, int], Learned]
    missing: float
    trust: Trust | None = None
    untrusted: str = ""
    cut_off: tuple[int, ...] = ()
    intervals: pd.DataFrame = field(default_factory=pd.DataFrame)
    head_scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    permuted: pd.DataFrame = field(default_factory=pd.DataFrame)

    def sizes_words(self, part: Literal["test", "fit"]) -> str:
        """How many samples are held out, or trained on: of every seed, which differ where groups do."""
        held_out = self.predictions["seed"].value_counts()
        counts = held_out if part == "test" else len(self.study.task.values) - held_out
        low, high = int(counts.min()), int(counts.max())
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    @property
    def has_learned(self) -> bool:
        """Whether the network predicts better than guessing, so that it can be asked why."""
        return bool(self.learned[KPNN, len(self.study.network.features)])

    def interval(self, model: Key, against: Key = ("", 0)) -> Between | None:
        """Main score of a model, or its lead over another; None in what was saved without them."""
        if self.intervals.empty:
            return None
        table = self.intervals
        names = ("model", "features", "against", "against_features", "metric")
        wanted = zip(names, (*model, *against, self.metric.name), strict=True)
        for name, value in wanted:
            table = table[table[name] == value]
        return Between(*table[["value", "low", "high"]].to_numpy(float)[0])

    @property
    def outcome(self) -> Outcome:
        """What kind of outcome it is."""
        return self.study.task.outcome

    @property
    def metric(self) -> Metric:
        """The main score."""
        return self.outcome.metric


@dataclass(frozen=True)
class _Seed:
    """What one seed brings."""

    rows: list[dict[str, object]]
    held_out: HeldOut
    gains: dict[tuple[str, int], pd.DataFrame]
    attribution: SeedAttribution
    predictions: pd.DataFrame
    trained: Trained
    split: Split
    changed_edges: float
    head_scores: pd.DataFrame


def check_study(study: Study, *, impute: bool) -> list[str]:
    """Refuse missing values unless they are to be filled in; return what is done about them."""
    used, task, settings = _used(study), study.task, study.settings
    if (missing := used.isna()).to_numpy().any() and impute:
        check_measured(missing, "data")
        for seed in range(settings.seed, settings.seed + settings.seeds):
            split = split_of(
                task, settings, study.groups, seed, held_out=study.held_out, parts=study.parts
            )
            check_measured(
                missing.iloc[split.fit], "data", f" in the part that seed {seed} trains with"
            )
    return [*check_complete(used, impute=impute), *task.outcome.doubts(used, task)]


def _used(study: Study) -> pd.DataFrame:
    """Samples × features that a network sees."""
    wider = study.wider.features if study.wider else []
    used = list(dict.fromkeys([*study.network.features, *wider]))
    return study.dataset.table.loc[study.task.kept, used]


def train_and_judge(
    study: Study, console: Console, notes: Sequence[str] = (), progress: Progress = _FORGETFUL
) -> Results:
    """Train and compare once per seed, and average; ``notes`` are of ``check_study``."""
    begin = time.monotonic()
    table = study.dataset.table[study.task.kept]
    first = study.settings.seed
    task = study.task
    batch = task.outcome.batch_size(len(table), study.settings.batch_of(len(table)))
    with threads_for(study.network.artifact.graph.n_edges * batch):
        seeds = [
            _run_seed(study, table, seed, console, progress)
            for seed in range(first, first + study.settings.seeds)
        ]
        one = seeds[0]
        flow = flow_of(one.trained, table, study.task, one.split.test, study.settings)
        ahead = {key: learned([seed.gains[key] for seed in seeds]) for key in one.gains}
        said, trust = why_not(study.network, study.settings), None
        if said is not None:
            notes = (*notes, said)
        elif ahead[KPNN, len(study.network.features)]:
            trust = look_into(
                study.network, table, study.task, study.settings,
                groups=study.groups, held_out=study.held_out, parts=study.parts, node=study.words.node,
                epochs=int(np.median([seed.trained.epochs for seed in seeds])),
                console=console, progress=progress,
            )  # fmt: skip
        permuted = permuted_statistics(
            study.network, table, task, study.settings,
            held_out=study.held_out, parts=study.parts, console=console, progress=progress,
        )  # fmt: skip
    return Results(
        study=study,
        scores=pd.DataFrame([row for seed in seeds for row in seed.rows]),
        attribution=summarize([seed.attribution for seed in seeds]),
        weights=edge_weights(seeds[0].trained.model, study.network.artifact),
        predictions=pd.concat([seed.predictions for seed in seeds]),
        first=seeds[0].trained,
        sizes=seeds[0].split,
        changed_edges=float(np.mean([seed.changed_edges for seed in seeds])),
        notes=(*study.dataset.notes, *study.task.notes, *study.network.notes, *notes),
        seconds=progress.before + time.monotonic() - begin,
        flow=flow,
        learned=ahead,
        missing=float(_used(study).isna().to_numpy().mean()),
        trust=None if isinstance(trust, str) else trust,
        untrusted=trust if isinstance(trust, str) else "",
        intervals=intervals(
            study.task, [seed.held_out for seed in seeds], _compared([*ahead], study), study.groups
        ),
        cut_off=tuple(len(seed.trained.losses) for seed in seeds if seed.trained.cut_off),
        head_scores=pd.concat([seed.head_scores for seed in seeds]),
        permuted=permuted,
    )


def _run_seed(
    study: Study, table: pd.DataFrame, seed: int, console: Console, progress: Progress
) -> _Seed:
    task, settings = study.task, study.settings
    outcome = task.outcome
    split = split_of(task, settings, study.groups, seed, held_out=study.held_out, parts=study.parts)
    rows: list[dict[str, object]] = []
    made: dict[Key, NDArray[np.float64]] = {}
    ahead: dict[tuple[str, int], pd.DataFrame] = {}
    beside: dict[str, Any] = {}
    linear = LinearModels(table, task, study.groups, split, seed)
    covariates = None if linear.covariates is None else linear.fit([])
    alone = None if covariates is None else covariates(split.test)

    def record(
        model: str, n: int, predict: Predict, guess: NDArray[np.float64] | None = alone
    ) -> NDArray[np.float64]:
        held_out = predict(split.test)
        predicted = outcome.completed(
            task, split.fit, lambda: predict(split.fit), split.test, held_out
        )
        beside.update(outcome.predicted_beside(model, n, predicted))
        parts = task, split.fit, split.test, predicted
        rows.append({"model": model, "features": n, "seed": seed, **outcome.scores(*parts)})
        leads = outcome.leads(*parts, balanced=settings.class_weights, guess=guess)
        ahead[model, n], made[model, n] = leads, predicted
        return predicted

    def fit(network: Network, name: str) -> tuple[Trained, NDArray[np.float64]]:
        bar = f"{name}, seed {seed}"
        found = train(
            network,
            table,
            task,
            split,
            settings,
            seed,
            console=console,
            progress=progress,
            name=bar,
        )
        own = table[network.features]
        predicted = record(
            name, len(network.features), lambda rows: found.predict_rows(own, task, rows)
        )
        return found, predicted

    trained, predicted = fit(study.network, KPNN)
    own_table = table[study.network.features]
    shuffled = study.network.with_edges(rewire(study.network.edges, "degree", seed=seed))
    fit(shuffled, SHUFFLED)
    if study.wider is not None:
        fit(study.wider, WIDER)
    for features in _baseline_features(study):
        record(outcome.linear, len(features), linear.fit(features))
    if covariates is not None and task.covariates is not None:
        record(COVARIATES, task.covariates.shape[1], covariates, None)
    console.say(_line(study, rows, seed, trained.epochs))
    return _Seed(
        rows=rows,
        held_out=HeldOut(split.fit, split.test, made),
        gains=ahead,
        attribution=attribute(trained, table, task, split.test, settings, seed),
        predictions=predictions_frame(task, table.index, split.test, predicted).assign(
            **beside, seed=seed
        ),
        trained=trained,
        split=split,
        changed_edges=_changed(study.network, shuffled),
        head_scores=head_scores(trained, own_table, task, split).assign(seed=seed),
    )


def _compared(models: list[Key], study: Study) -> list[tuple[Key, Key]]:
    """Pairs of models: the network and each other one, the wider one and linear ones as wide."""
    first, *others = models
    pairs = [(first, other) for other in others]
    if study.wider is not None:
        wider = (WIDER, len(study.wider.features))
        linear = [key for key in others if key[0] == study.task.outcome.linear]
        pairs += [(wider, key) for key in linear if key[1] == wider[1]]
    return pairs


def _baseline_features(study: Study) -> list[list[str]]:
    """The network's own features; and all of the file, where it has more that can be used."""
    table, own = study.dataset.table[study.task.kept], study.network.features
    missing = table.isna()
    fills = missing[own].to_numpy().any()
    usable = table.columns[~(missing.all() if fills else missing.any())].tolist()
    if study.dataset.has_all_features and set(usable) > set(own):
        return [own, usable]
    return [own]


def _changed(network: Network, shuffled: Network) -> float:
    """Share of edges that are new, among the edges into nodes that have a new one."""
    before, after = (n.artifact.graph.edges[["source", "target"]] for n in (network, shuffled))
    new = after.merge(before, how="left", indicator=True)["_merge"].to_numpy() == "left_only"
    movable = after["target"].isin(set(after["target"][new])).to_numpy()
    return float(new[movable].mean()) if movable.any() else 0.0


def _line(study: Study, rows: list[dict[str, object]], seed: int, epochs: int) -> str:
    metric = study.task.outcome.metric.name
    parts = [
        f"{row['model']} ({plural(study.words.feature, int(str(row['features'])))}) "
        f"{row[metric]:.3f}"
        for row in rows
    ]
    return f"seed {seed} ({plural('epoch', epochs)}): {metric} " + ", ".join(parts)
