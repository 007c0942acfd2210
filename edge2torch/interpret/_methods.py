"""The one registry of attribution methods: a new method is a new row."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from edge2torch.errors import Edge2TorchError, listing

__all__ = ["METHODS", "AttributionMethod", "attribution_methods"]

Target = Literal["features", "nodes"]
TARGETS: dict[str, str] = {"features": "IntegratedGradients", "nodes": "LayerConductance"}


@dataclass(frozen=True)
class AttributionMethod:
    """What interpret_model needs to know of a method.

    Parameters
    ----------
    name : str
        Name of Captum's class, or of ours that takes its place.
    target : {"features", "nodes"}
        What is given a score.
    about : str
        What a score says, in a few words.
    doi : str
        The paper; empty where the idea has none.
    baselines : {"none", "sample", "set", "layer"}
        What samples are compared with: nothing; one baseline per sample; a set of reference
        samples; the layer's values on a baseline.
    delta : bool
        Whether the method can say how far its scores are from summing to what they explain.
    cost : {"once", "steps", "samples", "fits", "features", "set"}
        What a sample's number of model evaluations grows with.
    batch : {"", "internal_batch_size", "perturbations_per_eval"}
        Captum's name for the number of evaluations that may be done at once.
    defaults : mapping of str to object
        Arguments of ``attribute``; a function is called with the number of features.
    random : bool
        Whether the result depends on ``seed``.
    between_samples : bool
        Whether a score depends on the other samples of the data.
    needs_output : bool
        Whether one output has to be chosen.
    by_gradient : bool
        Whether gradients flow from the output to what is scored.
    package : str
        A package beyond Captum's own dependencies.

    Examples
    --------
    >>> from edge2torch.interpret import METHODS
    >>> METHODS["Saliency"].about
    'absolute gradient of the output'
    """

    name: str
    target: Target
    about: str
    doi: str = ""
    baselines: Literal["none", "sample", "set", "layer"] = "none"
    delta: bool = False
    cost: Literal["once", "steps", "samples", "fits", "features", "set"] = "once"
    batch: Literal["", "internal_batch_size", "perturbations_per_eval"] = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False
    between_samples: bool = False
    needs_output: bool = True
    by_gradient: bool = True
    package: str = ""


_AXIOMATIC = "10.48550/arXiv.1703.01365"
_DEEPLIFT = "10.48550/arXiv.1704.02685"
_SHAP = "10.48550/arXiv.1705.07874"
_OCCLUSION = "10.1007/978-3-319-10590-1_53"
_FOREST = "10.1023/A:1010933404324"
_LRP = "10.1371/journal.pone.0130140"
_RESCALED = "10.48550/arXiv.1605.01713"

_steps: dict[str, Any] = {
    "cost": "steps",
    "batch": "internal_batch_size",
    "defaults": {"n_steps": 50},
    "baselines": "sample",
}
_perturb: dict[str, Any] = {
    "cost": "features",
    "batch": "perturbations_per_eval",
    "by_gradient": False,
}
_SOME_SAMPLES: Callable[[int], int] = lambda n_features: max(200, 4 * n_features)  # noqa: E731
_fit: dict[str, Any] = {
    **_perturb,
    "cost": "fits",
    "baselines": "sample",
    "defaults": {"n_samples": _SOME_SAMPLES},
    "random": True,
    "package": "sklearn",
}
_expected: dict[str, Any] = {
    "cost": "samples",
    "baselines": "set",
    "delta": True,
    "defaults": {"n_samples": 50},
    "random": True,
}
_against_set: dict[str, Any] = {"cost": "set", "baselines": "set", "delta": True, "random": True}
_shuffle: dict[str, Any] = {**_perturb, "random": True, "between_samples": True}

_ROWS = (
    AttributionMethod(
        "IntegratedGradients",
        "features",
        "gradient along the straight path from a baseline, times the distance",
        _AXIOMATIC,
        delta=True,
        **_steps,
    ),
    AttributionMethod(
        "DeepLift",
        "features",
        "difference from a baseline, shared out layer by layer",
        _DEEPLIFT,
        baselines="sample",
        delta=True,
    ),
    AttributionMethod(
        "DeepLiftShap",
        "features",
        "DeepLift, averaged over a set of reference samples",
        _SHAP,
        **_against_set,
    ),
    AttributionMethod(
        "GradientShap",
        "features",
        "gradient at random points between sample and references, times the distance",
        _SHAP,
        **_expected,
    ),
    AttributionMethod(
        "Saliency",
        "features",
        "absolute gradient of the output",
        "10.48550/arXiv.1312.6034",
    ),
    AttributionMethod("InputXGradient", "features", "value times gradient", _RESCALED),
    AttributionMethod(
        "GuidedBackprop",
        "features",
        "gradient that passes a ReLU only where both it and the activation are positive",
        "10.48550/arXiv.1412.6806",
    ),
    AttributionMethod(
        "Deconvolution",
        "features",
        "gradient that passes a ReLU only where it is positive",
        _OCCLUSION,
    ),
    AttributionMethod(
        "FeatureAblation",
        "features",
        "change of the output when a feature is set to its baseline",
        _OCCLUSION,
        baselines="sample",
        **_perturb,
    ),
    AttributionMethod(
        "Occlusion",
        "features",
        "change of the output when a window of features is set to its baseline",
        _OCCLUSION,
        baselines="sample",
        defaults={"sliding_window_shapes": (1,)},
        **_perturb,
    ),
    AttributionMethod(
        "FeaturePermutation",
        "features",
        "change of the output when a feature is shuffled among the samples",
        _FOREST,
        **_shuffle,
    ),
    AttributionMethod(
        "ShapleyValueSampling",
        "features",
        "mean contribution over random orders in which features join",
        "10.1016/j.cor.2008.04.004",
        baselines="sample",
        defaults={"n_samples": 25},
        random=True,
        **_perturb,
    ),
    AttributionMethod(
        "ShapleyValues",
        "features",
        "mean contribution over all orders in which features join",
        "10.1515/9781400881970-018",
        baselines="sample",
        **_perturb,
    ),
    AttributionMethod(
        "Lime",
        "features",
        "coefficients of a sparse linear model fitted around the sample",
        "10.1145/2939672.2939778",
        **_fit,
    ),
    AttributionMethod(
        "KernelShap",
        "features",
        "Shapley values by a weighted linear model",
        _SHAP,
        **_fit,
    ),
    AttributionMethod(
        "LRP",
        "features",
        "the output's value, handed back along the edges in proportion to what each brought",
        _LRP,
        delta=True,
    ),
    AttributionMethod(
        "LayerConductance",
        "nodes",
        "the part of the integrated gradients that flows through a node",
        "10.48550/arXiv.1805.12233",
        delta=True,
        **_steps,
    ),
    AttributionMethod(
        "InternalInfluence",
        "nodes",
        "gradient by a node, averaged along the path from a baseline",
        "10.48550/arXiv.1802.03788",
        **_steps,
    ),
    AttributionMethod(
        "LayerGradientXActivation", "nodes", "a node's value times its gradient", _RESCALED
    ),
    AttributionMethod(
        "LayerDeepLift",
        "nodes",
        "difference from a baseline, shared out layer by layer",
        _DEEPLIFT,
        baselines="sample",
        delta=True,
    ),
    AttributionMethod(
        "LayerDeepLiftShap",
        "nodes",
        "LayerDeepLift, averaged over a set of reference samples",
        _SHAP,
        **_against_set,
    ),
    AttributionMethod(
        "LayerGradientShap",
        "nodes",
        "gradient at random points between sample and references, times the distance",
        _SHAP,
        **_expected,
    ),
    AttributionMethod(
        "LayerIntegratedGradients",
        "nodes",
        "integrated gradients along the straight path between a layer's values",
        _AXIOMATIC,
        delta=True,
        **_steps,
    ),
    AttributionMethod(
        "LayerActivation", "nodes", "a node's value", needs_output=False, by_gradient=False
    ),
    AttributionMethod(
        "LayerFeatureAblation",
        "nodes",
        "change of the output when a node is set to its value on the baseline, or to zero",
        _OCCLUSION,
        baselines="layer",
        **_perturb,
    ),
    AttributionMethod(
        "LayerFeaturePermutation",
        "nodes",
        "change of the output when a node's values are shuffled among the samples",
        _FOREST,
        **_shuffle,
    ),
    AttributionMethod(
        "LayerLRP",
        "nodes",
        "the output's value, handed back along the edges in proportion to what each brought",
        _LRP,
        delta=True,
    ),
)

METHODS: dict[str, AttributionMethod] = {row.name: row for row in _ROWS}


def attribution_methods(target: Target | None = None) -> pd.DataFrame:
    """Return a table of the methods that interpret_model knows.

    Parameters
    ----------
    target : {"features", "nodes"}, optional
        Only methods of this target.

    Returns
    -------
    DataFrame
        One row per method: what it scores, what samples are compared with, whether it reports a
        convergence delta, whether it draws random numbers, what a score says, and the paper.

    Examples
    --------
    >>> from edge2torch.interpret import attribution_methods
    >>> len(attribution_methods("features")), len(attribution_methods("nodes"))
    (16, 11)
    """
    rows = [
        {
            "method": row.name,
            "target": row.target,
            "baselines": "" if row.baselines == "none" else row.baselines,
            "delta": row.delta,
            "random": row.random,
            "score": row.about,
            "doi": row.doi,
        }
        for row in METHODS.values()
        if target in (None, row.target)
    ]
    return pd.DataFrame(rows).set_index("method")


def find_method(method: object, target: object) -> AttributionMethod:
    """Return the row of a method by its name in any spelling, after checking both arguments."""
    if target not in TARGETS:
        raise Edge2TorchError(f"target must be one of {listing(TARGETS)}; found {target!r}.")
    wanted = TARGETS[str(target)] if method is None else method
    if not isinstance(wanted, str):
        raise Edge2TorchError(
            f"method must be a name such as {TARGETS[str(target)]!r}, found {wanted!r}."
        )
    row = _by_plain_name().get(_plain(wanted))
    own = [name for name, known in METHODS.items() if known.target == target]
    if row is None:
        near = nearest(wanted, own)
        raise Edge2TorchError(
            f"method {wanted!r} is not known.{near} For target {target!r} there are "
            f"{listing(own, len(own))}."
        )
    if row.target != target:
        raise Edge2TorchError(
            f"method {row.name!r} belongs to target {row.target!r}, and target is {target!r}. Pass "
            f"target={row.target!r}, or one of {listing(own, len(own))}."
        )
    return row


def nearest(name: str, known: list[str]) -> str:
    """Return a sentence with the known names that are close to a wrong one, or nothing."""
    plain = {_plain(one): one for one in known}
    near = difflib.get_close_matches(_plain(name), plain, n=3, cutoff=0.6)
    return f" Nearest: {listing(plain[one] for one in near)}." if near else ""


def _by_plain_name() -> dict[str, AttributionMethod]:
    return {_plain(name): row for name, row in METHODS.items()}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
