"""Settings of a fit, typed, with defaults that need no tuning per data set."""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from edge2torch.errors import Edge2TorchError


@dataclass(frozen=True)
class ReliabilityConfig:
    """How far a switch coordinate is trusted; its edges are weighted by the root of both.

    Parameters
    ----------
    kind : {"none", "degradation", "estimability"}
        From the share of a gene's variance that moves with degradation, or from how much its
        minor isoforms are used.
    column : str
        Column of the sample table that measures degradation.
    power, floor : float
        Steepness, and the least weight.
    """

    kind: Literal["none", "degradation", "estimability"] = "none"
    column: str = ""
    power: float = 3.0
    floor: float = 0.1


@dataclass(frozen=True)
class LatentConfig:
    """Factor analysis of each channel.

    Parameters
    ----------
    components : int, optional
        Number of factors; left out, the one with the best held-out log-likelihood.
    max_components : int
        Largest number that is tried.
    folds : int
        Parts for the held-out log-likelihood.
    """

    components: int | None = None
    max_components: int = 60
    folds: int = 5


@dataclass(frozen=True)
class GraphConfig:
    """Smoothing over the graph of correlated features, before factor analysis.

    Parameters
    ----------
    gamma : float
        Strength; 0 gives ``latent`` exactly.
    threshold : float, optional
        Least ``|r|`` of an edge; left out, the one that unrelated features hardly reach.
    """

    gamma: float = 0.5
    threshold: float | None = None


@dataclass(frozen=True)
class VaeConfig:
    """The variational autoencoder.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden layer of encoder and decoder.
    latent_dim : int, optional
        Number of latents; left out, the number of factors with the best held-out log-likelihood.
    latent_grid : tuple of int
        Sizes to try instead; the one with the least held-out loss is kept.
    beta, warmup_epochs
        Weight of the KL term, and epochs over which it grows to that.
    max_epochs, patience, batch_size, learning_rate
        Of training. The learning rate is cut to a third when the held-out loss stalls for a third
        of ``patience``.
    validation_fraction : float
        Share of samples that decide when to stop.
    residual : float
        Similarity is that of decoded means plus so much of what the decoder leaves of each
        feature. Modules too small for a latent show there; 0 takes the decoded means alone.
    """

    hidden_dim: int = 64
    latent_dim: int | None = None
    latent_grid: tuple[int, ...] = ()
    beta: float = 1.0
    warmup_epochs: int = 10
    max_epochs: int = 200
    patience: int = 20
    batch_size: int = 32
    learning_rate: float = 3e-3
    validation_fraction: float = 0.2
    residual: float = 0.5


@dataclass(frozen=True)
class WgcnaConfig:
    """R's WGCNA.

    Parameters
    ----------
    network_type : {"signed", "unsigned"}
        Whether opposite correlations count as unrelated.
    power : int, optional
        Soft threshold; left out, the first with scale-free R² of .85 or more, else the best.
    full_up_to : int
        Up to so many features the whole topological overlap is computed; above, block by block.
    timeout : float
        Seconds.
    rscript : str
        The program.
    """

    network_type: Literal["signed", "unsigned"] = "unsigned"
    power: int | None = None
    full_up_to: int = 5000
    timeout: float = 3600.0
    rscript: str = "Rscript"


@dataclass(frozen=True)
class ModulesConfig:
    """Settings of :func:`fit_modules`.

    Parameters
    ----------
    library : {"robust", "total"}
        What abundances are shares of: the sample's total times the median ratio of its steadiest
        genes to their usual level, which a few loud genes cannot move; or the plain total.
    min_count, min_count_share : float
        A gene has an abundance, and a transcript a part in its gene's switching, when it has at
        least so many counts in at least that share of the samples, and in three at least; 0
        leaves none out.
    false_genes : float
        Share of unrelated genes that may get an edge. Thresholds that are left out are set so,
        from decoys: columns shuffled over samples that go through the same fit.
    decoys : int
        Most decoys per channel.
    alpha, alpha_switch, alpha_abundance : float, optional
        Least similarity of a switch with an abundance, of two switches, of two abundances.
        ``alpha_switch`` and ``alpha_abundance`` may be ``"grid"``.
    allow_abundance_abundance : bool
        Whether two abundances may join two genes.
    max_neighbors : int
        A gene keeps at most so many of its strongest edges, which bounds memory.
    community : {"leiden", "components"}
        How the gene graph falls into modules.
    resolution : float
        Of Leiden; larger finds smaller modules.
    power : float
        Leiden sees weights raised to this power, which widens the gap between strong and weak.
    merge : float
        Modules whose eigengenes correlate by so much (absolute) become one; 1 merges none.
    refine : bool
        Test every gene against the eigengenes; without, modules are those of the graph.
    core : int
        Keep the k-core of a module; 0 keeps it whole.
    min_module_size : int
        Fewest genes of a module.
    reliability, latent, graph, vae, wgcna
        Settings of the parts.

    Examples
    --------
    >>> config = ModulesConfig(min_module_size=10)
    >>> config.vae.hidden_dim
    64
    """

    library: Literal["robust", "total"] = "robust"
    min_count: float = 10.0
    min_count_share: float = 0.1
    false_genes: float = 0.01
    decoys: int = 400
    alpha: float | None = None
    alpha_switch: float | Literal["grid"] | None = None
    alpha_abundance: float | Literal["grid"] | None = None
    allow_abundance_abundance: bool = True
    max_neighbors: int = 100
    community: Literal["leiden", "components"] = "leiden"
    resolution: float = 1.0
    power: float = 3.0
    merge: float = 0.8
    refine: bool = True
    core: int = 0
    min_module_size: int = 5
    reliability: ReliabilityConfig = field(default_factory=ReliabilityConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    vae: VaeConfig = field(default_factory=VaeConfig)
    wgcna: WgcnaConfig = field(default_factory=WgcnaConfig)

    def __post_init__(self) -> None:
        if problems := list(_range_problems(self)):
            raise Edge2TorchError("config: " + "; ".join(problems) + ".")

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries of plain values, as JSON keeps them."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain


_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "must lie above 0 and up to 1",
        lambda value: 0 < value <= 1,
        (
            "false_genes min_count_share merge reliability.floor vae.validation_fraction alpha "
            "alpha_switch alpha_abundance graph.threshold"
        ),
    ),
    (
        "must be at least 1",
        lambda value: value >= 1,
        (
            "decoys max_neighbors min_module_size latent.components latent.max_components "
            "vae.hidden_dim vae.latent_dim vae.max_epochs vae.patience vae.batch_size wgcna.power"
        ),
    ),
    (
        "must be above 0",
        lambda value: value > 0,
        "resolution power vae.learning_rate wgcna.timeout",
    ),
    (
        "must be at least 0",
        lambda value: value >= 0,
        (
            "core min_count reliability.power graph.gamma vae.beta vae.warmup_epochs vae.residual "
            "wgcna.full_up_to"
        ),
    ),
    ("must be at least 2", lambda value: value >= 2, "latent.folds"),
)


def _range_problems(config: ModulesConfig) -> Iterator[str]:
    for words, holds, keys in _RANGES:
        for key in keys.split():
            value = operator.attrgetter(key)(config)
            if isinstance(value, (int, float)) and not holds(value):
                yield f"{key}={value!r} {words}"
