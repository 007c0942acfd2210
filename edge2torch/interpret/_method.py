"""What interpret_model needs to know of a method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Target = Literal["features", "nodes", "edges"]
EngineName = Literal["captum", "path", "hold", "edge path", "edge mask", "edge cut"]


@dataclass(frozen=True)
class AttributionMethod:
    """What interpret_model needs to know of a method.

    Parameters
    ----------
    name : str
        What it is called; for methods of Captum's, its class.
    target : {"features", "nodes", "edges"}
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
    engine : str or class
        What computes it: ``"captum"``, Captum's class of the method's name; a class of yours with the
        interface of Captum's, made with the model (and the layer) and asked by
        ``attribute(inputs, ...)``; or an engine of ours that scores all layers together.
    takes : tuple of str
        The ``attribute_kwargs`` of a method that Captum does not have.

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
    engine: EngineName | type[Any] = "captum"
    takes: tuple[str, ...] = ()
