"""What a study is told: how to read, split, train and explain, and the words of its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes import OUTCOMES

if TYPE_CHECKING:
    from edge2torch.study._outcomes._outcome import Outcome

    TaskName = str
else:
    TaskName = Literal[("auto", *OUTCOMES, "perturbation")]  # the command line shows them

HEAD_WEIGHT = 0.2
_MOST = 1000  # networks of a kind; more is a slip, and would train for days
_ALLOWED: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("seeds", "max_epochs", "patience", "explain_samples", "min_class_size", "units"),
        lambda x: x >= 1,
        "at least 1",
    ),
    (("test_fraction", "validation_fraction"), lambda x: 0 < x < 1, "between 0 and 1"),
    (("input_dropout", "node_dropout"), lambda x: 0 <= x < 1, "at least 0 and below 1"),
    (("learning_rate",), lambda x: 0 < x <= 1000, "above 0, and at most 1000"),
    (("weight_decay", "seed", "head_weight"), lambda x: x >= 0, "at least 0"),
    (("batch_size",), lambda x: x == 0 or x >= 2, "0, or at least 2: a batch is normalised"),
    (("replicates", "controls"), lambda x: 0 <= x <= _MOST, f"from 0 to {_MOST:,}"),
)


# How data are read, which a report tells in sentences and not among the settings.
_OF_READING = {"task", "outputs", "layer", "feature_names", "normalize", "metadata", "all_features"}
_OF_READING |= {"impute", "missing", "min_class_size", "direct_edges"}
# What the outcome says, unless it is given. Networks over pairs need larger steps and every unit:
# at .002 with .2 of the units hidden, eight planted tables of pairs were hardly learned (docs/visible.md).
_BY_OUTCOME = ("input_dropout", "learning_rate", "node_dropout")
_CHOICES = {"normalize": ("none", "log1p", "counts"), "missing": ("drop", "error")}


@dataclass(frozen=True)
class StudySettings:
    """How a study reads data, splits, trains and explains.

    Parameters
    ----------
    seed : int
        First seed; same seed and versions, same results.
    seeds : int
        Repeats, each with its own split, start and shuffle.
    test_fraction : float
        Share of samples held out for testing.
    validation_fraction : float
        Share of the rest that decides when to stop.
    test_folds : int or str, optional
        Hold out another of so many parts, or part of a column, per seed; 0: draw. With
        ``test_folds=5`` and ``seeds=5`` every sample is held out once; a column (of ``obs``) names the
        part of each sample. 0 draws ``test_fraction`` anew. Left out, as many parts as there are
        seeds, or a divisor of theirs, where otherwise the rarest class would have fewer than 50 held-out
        samples (of survival: with fewer than 50 events); else 0.
    max_epochs : int
        Most passes over the training samples.
    patience : int
        Stop after so many epochs without improvement. What counts is the validation loss.
    learning_rate : float, optional
        Of Adam; .002, of pairs .01.
    weight_decay : float
        Decoupled weight decay.
    batch_size : int
        Samples per step; 0: by their number. That is an eighth of the training samples, at least 16
        and at most 256.
    input_dropout : float, optional
        Share of features hidden; .5, of survival .8. Survival has few events for many features.
    node_dropout : float, optional
        Share of inner nodes hidden at each step; .2, of pairs 0.
    node_activation : str
        At inner nodes: tanh, relu, gelu, ...
    class_weights : bool
        Weigh rare classes up. A class weighs the inverse of its size.
    explain_samples : int
        At most so many held-out samples are attributed per seed.
    replicates : int
        Networks per fold to judge the nodes; 0: none. There are four folds. Of pairs their mean predicts.
    controls : int
        Times that features are exchanged for it; 0: none judged. Two at least.
    task : str
        auto: by the label's type. Others are ``"classification"``, ``"regression"`` and
        ``"survival"``, which needs a :class:`edge2torch.survival.TimeToEvent`. ``"perturbation"`` is
        the command line's word for :func:`edge2torch.perturb.fit`.
    outputs : tuple of str
        Nodes to read; the graph's ends if there are none.
    layer : str, optional
        Layer of an AnnData, or ``"raw"``; X by default.
    feature_names : str, optional
        Column of ``var`` that holds the nodes' names.
    normalize : {"none", "log1p", "counts"}
        counts: scale samples to one depth, then log; log1p: log only.
    metadata : tuple of str
        Columns that are no features.
    all_features : bool
        Take every column of numbers for a feature.
    impute : bool
        Fill missing values with training medians.
    missing : {"drop", "error"}
        What to do with inputs of the graph that the data lack.
    min_class_size : int
        Leave smaller classes out.
    direct_edges : bool
        Train a second network beside the first, with an edge from every feature to every output
        as well.
    units : int
        Units of every inner node. See :func:`edge2torch.compile_graph`.
    node_heads : bool
        Let every inner node predict, too, in training. Each has a head of its own; networks that
        nodes are judged by have none.
    head_weight : float
        Weight of the nodes' own predictions. So much weighs the mean loss of the heads beside the
        output's.

    Examples
    --------
    >>> from edge2torch.study import StudySettings
    >>> StudySettings(seeds=1, max_epochs=30).max_epochs
    30
    """

    seed: int = 0
    seeds: int = 3
    test_fraction: float = 0.25
    validation_fraction: float = 0.2
    test_folds: int | str | None = None
    max_epochs: int = 300
    patience: int = 25
    learning_rate: float | None = None
    weight_decay: float = 0.5
    batch_size: int = 0
    input_dropout: float | None = None
    node_dropout: float | None = None
    node_activation: str = "tanh"
    class_weights: bool = False
    explain_samples: int = 1000
    replicates: int = 5
    controls: int = 3
    task: TaskName = "auto"
    outputs: tuple[str, ...] = ()
    layer: str | None = None
    feature_names: str | None = None
    normalize: Literal["none", "log1p", "counts"] = "none"
    metadata: tuple[str, ...] = ()
    all_features: bool = False
    impute: bool = False
    missing: Literal["drop", "error"] = "drop"
    min_class_size: int = 8
    direct_edges: bool = False
    units: int = 1
    node_heads: bool = False
    head_weight: float = HEAD_WEIGHT

    def __post_init__(self) -> None:
        # here: the command line's --help needs the defaults above, and no NumPy
        from edge2torch._core.checks import (
            check_choice,
            check_count,
            check_flag,
            check_type,
            is_number,
        )

        for name in ("outputs", "metadata"):
            check_type(name, getattr(self, name), (tuple, list), "a tuple of names")
        for name, choices in {"task": ("auto", *OUTCOMES, "perturbation"), **_CHOICES}.items():
            check_choice(name, getattr(self, name), choices)
        check_count("units", self.units)
        for name in ("class_weights", "all_features", "impute", "direct_edges", "node_heads"):
            check_flag(name, getattr(self, name))
        if check_count("seeds", self.seeds) > _MOST:
            raise Edge2TorchError(
                f"seeds= is the number of repeats, at most {_MOST:,}; seed= is where they start."
            )
        for names, allowed, words in _ALLOWED:
            for name in names:
                value = getattr(self, name)
                if value is None and name in _BY_OUTCOME:
                    continue
                if not is_number(value) or not allowed(value):
                    raise Edge2TorchError(f"{name} must be {words}.")
        if self.head_weight != HEAD_WEIGHT and not self.node_heads:
            raise Edge2TorchError(
                f"head_weight={self.head_weight:g} weighs heads that the network does not have: "
                "node_heads=True adds them."
            )
        self._check_folds()

    def _check_folds(self) -> None:
        from edge2torch._core.checks import check_count

        if isinstance(self.test_folds, str):
            return  # a column, whose parts are counted where the data are read
        if self.test_folds and self.seeds % check_count("test_folds", self.test_folds, 2):
            raise Edge2TorchError(
                f"test_folds={self.test_folds} needs as many seeds, or a multiple, for each seed holds out one part; "
                f"found seeds={self.seeds}."
            )

    @property
    def reading(self) -> dict[str, Any]:
        """How data are read, as :func:`read_dataset` takes it."""
        names = ("layer", "normalize", "metadata", "all_features")
        return {"names_column": self.feature_names, **{name: getattr(self, name) for name in names}}

    def of_training(self, outcome: Outcome) -> dict[str, Any]:
        """Return what was chosen for splits, training and explanation, by name."""
        found = vars(self) | {
            "input_dropout": self.input_dropout_of(outcome),
            "learning_rate": self.learning_rate_of(),
            "node_dropout": self.node_dropout_of(),
        }
        return {name: value for name, value in found.items() if name not in _OF_READING}

    def input_dropout_of(self, outcome: Outcome) -> float:
        """Return the probability of hiding a feature."""
        return outcome.input_dropout if self.input_dropout is None else self.input_dropout

    def learning_rate_of(self, *, pairs: bool = False) -> float:
        """Return the learning rate of networks of samples, or of pairs."""
        usual = 1e-2 if pairs else 2e-3
        return usual if self.learning_rate is None else self.learning_rate

    def node_dropout_of(self, *, pairs: bool = False) -> float:
        """Return the probability of hiding a hidden node, of samples or of pairs."""
        usual = 0.0 if pairs else 0.2
        return usual if self.node_dropout is None else self.node_dropout

    def batch_of(self, n: int) -> int:
        """Return how many of ``n`` training samples make a step."""
        return self.batch_size or min(max(n // 8, 16), 256)

    def steps_of(self, n: int) -> int:
        """Return how many batches an epoch over ``n`` training samples has."""
        return max(n // self.batch_of(n), 1)


def settings_of(settings: StudySettings | None, options: Mapping[str, Any]) -> StudySettings:
    """Return the settings with some of them replaced, by name."""
    if settings is not None and not isinstance(settings, StudySettings):
        raise Edge2TorchError(f"settings must be StudySettings, found {type(settings).__name__}.")
    known = [one.name for one in fields(StudySettings)]
    if odd := [name for name in options if name not in known]:
        raise Edge2TorchError(
            f"run_study has no argument {listing(odd)}.{nearest(odd[0], known)} What it takes beside "
            f"its own are fields of StudySettings: {listing(known, 40)}."
        )
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    found = replace(settings or StudySettings(), **given)
    if found.task == "perturbation":
        raise Edge2TorchError(
            "task='perturbation' is a design of treatments and no table of samples: use "
            "edge2torch.perturb.fit, or edge2torch run --task perturbation."
        )
    return found
