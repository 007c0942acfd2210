"""Settings, and how files, names and text become them, each value read as the type of its key."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import operator
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from edge2torch._core.checks import check_type
from edge2torch._core.files import path_of
from edge2torch._core.messages import listing, require, warn
from edge2torch._core.names import nearest
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
        problems = [
            f"{key}={value!r} {words}"
            for words, holds, keys in _RANGES
            for key in keys.split()
            if isinstance(value := operator.attrgetter(key)(self), int | float) and not holds(value)
        ]
        if problems:
            raise Edge2TorchError("config: " + "; ".join(problems) + ".")

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries of plain values, as JSON keeps them."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain


_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("must lie above 0 and up to 1", lambda value: 0 < value <= 1,
     ("false_genes min_count_share merge reliability.floor vae.validation_fraction alpha alpha_switch "
     "alpha_abundance graph.threshold")),
    ("must be at least 1", lambda value: value >= 1,
     ("decoys max_neighbors min_module_size latent.components latent.max_components vae.hidden_dim "
     "vae.latent_dim vae.max_epochs vae.patience vae.batch_size wgcna.power")),
    ("must be above 0", lambda value: value > 0, "resolution power vae.learning_rate wgcna.timeout"),
    ("must be at least 0", lambda value: value >= 0,
     ("core min_count reliability.power graph.gamma vae.beta vae.warmup_epochs vae.residual "
     "wgcna.full_up_to")),
    ("must be at least 2", lambda value: value >= 2, "latent.folds"),
)  # fmt: skip


# Former names of settings, which files of settings and command lines may still have.
_RENAMED = {"vae.epochs": "vae.max_epochs", "vae.held_out": "vae.validation_fraction"}


def override(config: ModulesConfig, changes: Sequence[str] | Mapping[str, Any]) -> ModulesConfig:
    """Return the settings with keys changed: ``"vae.beta=2"``, ``{"vae.beta": 2}`` or ``{"vae": {"beta": 2}}``.

    Text is read as the key's type; all unknown keys and wrong values are named at once.
    """
    pairs = _flat(changes) if isinstance(changes, Mapping) else map(_key_and_value, changes)
    known = dict(_types_by_key(ModulesConfig))
    problems: list[str] = []
    for given, value in pairs:
        key = _RENAMED.get(given, given)
        if key != given:
            warn(f"config: {given!r} is called {key!r} now; the old name will go.")
        try:
            config = _with_value(config, key.split("."), _parsed(key, value, known))
        except Edge2TorchError as error:
            problems.append(str(error))
    if problems:
        raise Edge2TorchError(" ".join(problems))
    return config


def read_config(source: str | os.PathLike[str]) -> ModulesConfig:
    """Read settings from a YAML file (JSON is YAML, too), or by the name of one that comes along."""
    yaml = require("yaml", extra="modules")
    folder = files("edge2torch.netmodules") / "configs"
    named = folder / f"{source}.yaml"
    path = named if str(source).isidentifier() and named.is_file() else path_of(source, "config")
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
        raise Edge2TorchError(
            f"config={str(source)!r} is neither a file nor one of {listing(names)}."
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"config={str(source)!r} cannot be read: {reason}") from error
    if not isinstance(content, dict | None):
        raise Edge2TorchError(
            f"config={str(source)!r} holds a {type(content).__name__}, not settings. "
            "Write lines such as min_module_size: 10."
        )
    try:
        return override(ModulesConfig(), content or {})
    except Edge2TorchError as error:
        raise Edge2TorchError(f"config={str(source)!r}: {error}") from None


def as_config(
    config: ModulesConfig | Mapping[str, Any] | str | os.PathLike[str] | None,
) -> ModulesConfig:
    """Settings from whatever a user gives."""
    if isinstance(config, (str, os.PathLike)):
        return read_config(config)
    if config is None or isinstance(config, ModulesConfig):
        return config or ModulesConfig()
    check_type("config", config, Mapping, "settings, a dict of them, or the path of a file")
    return override(ModulesConfig(), config)


def _flat(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key_and_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Edge2TorchError(
            f"{text!r} is not a setting: write key=value, such as vae.hidden_dim=64."
        )
    return key.strip(), value.strip()


def _types_by_key(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        hint = hints[entry.name]
        if dataclasses.is_dataclass(hint):
            yield from _types_by_key(typing.cast(type, hint), f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", hint


def _with_value(config: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _with_value(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: value})


def _parsed(key: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Read a value as one of the types of its key, the first that fits."""
    if key not in known:
        hint = nearest(key, known, limit=1, cutoff=0.5) or f" Settings are {listing(known, 60)}."
        raise Edge2TorchError(f"{key!r} is not a setting.{hint}")
    hint = known[key]
    is_union = typing.get_origin(hint) in {typing.Union, types.UnionType}
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        with contextlib.suppress(TypeError, ValueError, KeyError):
            return _as(value, option)
    raise Edge2TorchError(f"{key}={value!r}: expected {_words(options)}.")


def _as(value: Any, kind: Any) -> Any:
    if kind is type(None):
        if value is None or str(value).lower() in {"none", "null", "auto"}:
            return None
        raise ValueError
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        raise ValueError
    if typing.get_origin(kind) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(int(item) for item in items if str(item).strip())
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    return kind(value)


def _words(options: tuple[Any, ...]) -> str:
    names = []
    for option in options:
        if typing.get_origin(option) is Literal:
            names += [repr(choice) for choice in typing.get_args(option)]
        else:
            names.append("none" if option is type(None) else getattr(option, "__name__", "list"))
    return " or ".join(names)
