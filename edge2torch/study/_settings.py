"""What a run is told: how to split, train and explain, and the words its report uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge2torch.errors import Edge2TorchError

_MOST = 1000  # networks of a kind; more is a slip, and would train for days
_ALLOWED: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (("seeds", "epochs", "patience", "explain_samples"), lambda x: x >= 1, "at least 1"),
    (("test_fraction", "validation_fraction"), lambda x: 0 < x < 1, "between 0 and 1"),
    (("input_dropout", "node_dropout"), lambda x: 0 <= x < 1, "at least 0 and below 1"),
    (("learning_rate",), lambda x: 0 < x <= 1000, "above 0, and at most 1000"),
    (("weight_decay", "batch_size", "seed"), lambda x: x >= 0, "at least 0"),
    (("replicates", "controls"), lambda x: 0 <= x <= _MOST, f"from 0 to {_MOST:,}"),
)


@dataclass(frozen=True)
class Settings:
    """How one run splits, trains and explains.

    Parameters
    ----------
    seed, seeds : int
        The first seed, and how many runs follow it; each has its own split, start and shuffle.
    test_fraction, validation_fraction : float
        Held-out part of all samples; part of the rest that decides when to stop.
    epochs, patience : int
        At most so many passes; stop after so many without a better validation loss.
    learning_rate, weight_decay
        Of Adam with decoupled weight decay.
    batch_size : int
        Samples per step; 0 takes an eighth of the training samples, at least 16 and at most 256.
    input_dropout, node_dropout : float
        Probability of hiding a feature, and a hidden node, during training.
    node_activation : str
        At every hidden node.
    class_weights : bool
        Weigh classes by the inverse of their size.
    explain_samples : int
        At most so many held-out samples are attributed per seed.
    replicates, controls : int
        Networks that are trained again on the first seed's split, on the data and on inputs in
        which every feature is equally predictive, to correct the nodes' scores; below 2: none.
    """

    seed: int = 0
    seeds: int = 3
    test_fraction: float = 0.25
    validation_fraction: float = 0.2
    epochs: int = 300
    patience: int = 25
    learning_rate: float = 2e-3
    weight_decay: float = 0.5
    batch_size: int = 0
    input_dropout: float = 0.5
    node_dropout: float = 0.2
    node_activation: str = "tanh"
    class_weights: bool = False
    explain_samples: int = 1000
    replicates: int = 10
    controls: int = 10

    def __post_init__(self) -> None:
        if self.seeds > _MOST:
            raise Edge2TorchError(
                f"--seeds is the number of repeats, at most {_MOST:,}; --seed is where they start."
            )
        for names, allowed, words in _ALLOWED:
            for name in names:
                if not allowed(getattr(self, name)):
                    raise Edge2TorchError(f"--{name.replace('_', '-')} must be {words}.")

    def batch_of(self, n: int) -> int:
        """Return how many of ``n`` training samples make a step."""
        return self.batch_size or min(max(n // 8, 16), 256)

    def steps_of(self, n: int) -> int:
        """Return how many batches an epoch over ``n`` training samples has."""
        return max(n // self.batch_of(n), 1)


@dataclass(frozen=True)
class Words:
    """What samples, features, nodes and classes are called in a report, singular."""

    sample: str = "sample"
    feature: str = "feature"
    node: str = "node"
    group: str = "class"
