"""The one registry of attribution methods: a new method is a new row."""

from __future__ import annotations

from functools import partial

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._lrp import LRP, LayerLRP
from edge2torch.interpret._method import AttributionMethod, Target

_AXIOMATIC = "10.48550/arXiv.1703.01365"
_CONDUCTANCE = "10.48550/arXiv.1805.12233"
_DEEPLIFT = "10.48550/arXiv.1704.02685"
_SHAP = "10.48550/arXiv.1705.07874"
_OCCLUSION = "10.1007/978-3-319-10590-1_53"
_FOREST = "10.1023/A:1010933404324"
_LRP = "10.1371/journal.pone.0130140"
_RESCALED = "10.48550/arXiv.1605.01713"
_OF_PATHS = ("n_steps", "method", "internal_batch_size")


# What families of methods have in common; a row says the rest.
_along_path = partial(
    AttributionMethod,
    cost="steps",
    batch="internal_batch_size",
    defaults={"n_steps": 50},
    baselines="sample",
)
_perturbing = partial(
    AttributionMethod, cost="features", batch="perturbations_per_eval", by_gradient=False
)
_fitting = partial(
    AttributionMethod,
    cost="fits",
    batch="perturbations_per_eval",
    by_gradient=False,
    baselines="sample",
    defaults={"n_samples": lambda n_features: max(200, 4 * n_features)},
    random=True,
    package="sklearn",
)
_sampling = partial(
    AttributionMethod,
    cost="samples",
    baselines="set",
    delta=True,
    defaults={"n_samples": 50},
    random=True,
)
_against_set = partial(AttributionMethod, cost="set", baselines="set", delta=True, random=True)
_holding = partial(AttributionMethod, engine="hold", by_gradient=False, batch="internal_batch_size")

_ROWS = (
    _along_path(
        "IntegratedGradients",
        "features",
        "gradient along the straight path from a baseline, times the distance",
        _AXIOMATIC,
        delta=True,
    ),
    AttributionMethod(
        "DeepLift",
        "features",
        "difference from a baseline, shared out layer by layer",
        _DEEPLIFT,
        baselines="sample",
        delta=True,
    ),
    _against_set(
        "DeepLiftShap", "features", "DeepLift, averaged over a set of reference samples", _SHAP
    ),
    _sampling(
        "GradientShap",
        "features",
        "gradient at random points between sample and references, times the distance",
        _SHAP,
    ),
    AttributionMethod(
        "Saliency", "features", "absolute gradient of the output", "10.48550/arXiv.1312.6034"
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
    _perturbing(
        "FeatureAblation",
        "features",
        "change of the output when a feature is set to its baseline",
        _OCCLUSION,
        baselines="sample",
    ),
    _perturbing(
        "Occlusion",
        "features",
        "change of the output when a window of features is set to its baseline",
        _OCCLUSION,
        baselines="sample",
        defaults={"sliding_window_shapes": (1,)},
    ),
    _perturbing(
        "FeaturePermutation",
        "features",
        "change of the output when a feature is shuffled among the samples",
        _FOREST,
        random=True,
        between_samples=True,
    ),
    _perturbing(
        "ShapleyValueSampling",
        "features",
        "mean contribution over random orders in which features join",
        "10.1016/j.cor.2008.04.004",
        baselines="sample",
        defaults={"n_samples": 25},
        random=True,
    ),
    _perturbing(
        "ShapleyValues",
        "features",
        "mean contribution over all orders in which features join",
        "10.1515/9781400881970-018",
        baselines="sample",
    ),
    _fitting(
        "Lime",
        "features",
        "coefficients of a sparse linear model fitted around the sample",
        "10.1145/2939672.2939778",
    ),
    _fitting("KernelShap", "features", "Shapley values by a weighted linear model", _SHAP),
    AttributionMethod(
        "LRP",
        "features",
        "the output's value, handed back along the edges in proportion to what each brought",
        _LRP,
        delta=True,
        engine=LRP,
    ),
    _along_path(
        "LayerConductance",
        "nodes",
        "the part of the integrated gradients that flows through a node",
        _CONDUCTANCE,
        delta=True,
        engine="path",
    ),
    _along_path(
        "InternalInfluence",
        "nodes",
        "gradient by a node, averaged along the path from a baseline",
        "10.48550/arXiv.1802.03788",
        engine="path",
    ),
    AttributionMethod(
        "LayerGradientXActivation",
        "nodes",
        "a node's value times its gradient",
        _RESCALED,
        engine="path",
    ),
    AttributionMethod(
        "LayerDeepLift",
        "nodes",
        "difference from a baseline, shared out layer by layer",
        _DEEPLIFT,
        baselines="sample",
        delta=True,
    ),
    _against_set(
        "LayerDeepLiftShap",
        "nodes",
        "LayerDeepLift, averaged over a set of reference samples",
        _SHAP,
    ),
    _sampling(
        "LayerGradientShap",
        "nodes",
        "gradient at random points between sample and references, times the distance",
        _SHAP,
    ),
    _along_path(
        "LayerIntegratedGradients",
        "nodes",
        "integrated gradients along the straight path between a layer's values",
        _AXIOMATIC,
        delta=True,
    ),
    AttributionMethod(
        "LayerActivation",
        "nodes",
        "a node's value",
        needs_output=False,
        by_gradient=False,
        engine="path",
    ),
    _perturbing(
        "LayerFeatureAblation",
        "nodes",
        "change of the output when a node is set to its value on the baseline, or to zero",
        _OCCLUSION,
        baselines="layer",
    ),
    _perturbing(
        "LayerFeaturePermutation",
        "nodes",
        "change of the output when a node's values are shuffled among the samples",
        _FOREST,
        random=True,
        between_samples=True,
    ),
    AttributionMethod(
        "LayerLRP",
        "nodes",
        "the output's value, handed back along the edges in proportion to what each brought",
        _LRP,
        delta=True,
        engine=LayerLRP,
    ),
    _holding(
        "NodeKnockout",
        "nodes",
        "change of the output when a node is held at zero, at its mean or at a number of its own",
        _OCCLUSION,
        takes=("value", "internal_batch_size"),
    ),
    _holding(
        "NodeDifference",
        "nodes",
        "slope of the output between a node a little lowered and a little raised",
        takes=("epsilon", "internal_batch_size"),
    ),
    _along_path(
        "EdgeConductance",
        "edges",
        "the part of the integrated gradients that flows along an edge",
        _CONDUCTANCE,
        engine="edge path",
        takes=_OF_PATHS,
    ),
    AttributionMethod(
        "EdgeGradientXActivation",
        "edges",
        "an edge's weight times its source's value times the gradient by its target's input",
        _RESCALED,
        engine="edge path",
        takes=("internal_batch_size",),
        batch="internal_batch_size",
    ),
    _along_path(
        "EdgeIntegratedGradients",
        "edges",
        "gradient by a factor on the edge, times all edges' way from 0 to 1",
        _AXIOMATIC,
        engine="edge mask",
        takes=_OF_PATHS,
        baselines="none",
    ),
    AttributionMethod(
        "EdgeOcclusion",
        "edges",
        "change of the output when an edge is taken away",
        _OCCLUSION,
        engine="edge cut",
        by_gradient=False,
        batch="internal_batch_size",
        takes=("internal_batch_size",),
    ),
)

METHODS: dict[str, AttributionMethod] = {row.name: row for row in _ROWS}
"""Attribution methods by name: a new method is a new row."""


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
    (16, 13)
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


_DEFAULTS = {
    "features": "IntegratedGradients",
    "nodes": "LayerConductance",
    "edges": "EdgeConductance",
}


def find_method(method: object, target: object) -> AttributionMethod:
    """Return the row of a method by its name in any spelling, after checking both arguments."""
    target = check_choice("target", target, _DEFAULTS)
    wanted = _DEFAULTS[target] if method is None else method
    if not isinstance(wanted, str):
        raise Edge2TorchError(
            f"method must be a name such as {_DEFAULTS[target]!r}, found {wanted!r}."
        )
    row = {_plain(name): row for name, row in METHODS.items()}.get(_plain(wanted))
    of_target = [name for name, known in METHODS.items() if known.target == target]
    if row is None:
        near = nearest(wanted, of_target)
        raise Edge2TorchError(
            f"method {wanted!r} is not known.{near} For target {target!r} there are "
            f"{listing(of_target, len(of_target))}."
        )
    if row.target != target:
        raise Edge2TorchError(
            f"method {row.name!r} belongs to target {row.target!r}, and target is {target!r}. Pass "
            f"target={row.target!r}, or one of {listing(of_target, len(of_target))}."
        )
    return row


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
