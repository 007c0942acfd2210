"""Which attribution method says what this model rests on: hold what it ranks first, and look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.checks import check_count, check_number, check_seed
from edge2torch._core.hooks import hooked
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._engines._hold import check_value, values_to_hold, with_update_sites
from edge2torch.interpret._engines._task import Task, parts
from edge2torch.interpret._methods import METHODS
from edge2torch.interpret._redrawn import redrawn_scores
from edge2torch.interpret._request import Request, prepared_task
from edge2torch.interpret._scorers import Asker, Scorer, by_target, scorers_of

if TYPE_CHECKING:
    from edge2torch.interpret._samples import Samples

Floats: TypeAlias = NDArray[np.float64]

_CURVES = ("deletion", "insertion")
_RANDOM = "random order"
_RANDOM_ORDERS = 10
# Two rankings that share values of the data agree by about .5, ones that share the graph's shape by
# up to .8; what agrees by more has not looked at the weights.
_SAME = 0.9
_ROWS = 10


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """How well the rankings of attribution methods fit what a model does.

    Made by :func:`faithfulness`.

    Parameters
    ----------
    frame : DataFrame
        The curves: ``target``, ``method``, ``curve`` (``"deletion"``, ``"insertion"``), ``share``
        of the features or nodes that are held (or, of insertion, let go), and ``change``: how far the
        output then is from that of the whole model, where 1 is its distance with everything held.
        The method ``"random order"`` is among them.
    areas : DataFrame, samples × (target, method, curve)
        Area between a method's curve and that of a random order: positive where the method is better.
    randomised : DataFrame
        ``target``, ``method``, ``layer``, ``correlation`` (Spearman's, of the scores' sizes before and
        after the weights of this layer, and of all behind it, were drawn anew, mean over samples) and
        ``unchanged``: whether every score stayed what it was.
    level : float
        Of the intervals.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"],
    ...                       "initial_weight": [3.0, 0.1, 1.0]})
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"a": [1.0, -1.0, 2.0, 0.0], "b": [1.0, 1.0, -1.0, -1.0]})
    >>> found = e2t.faithfulness(model, cells, ["IntegratedGradients"], quiet=True)
    >>> bool(found.summary()["area"].iloc[0] > 0)
    True
    """

    frame: pd.DataFrame
    areas: pd.DataFrame
    randomised: pd.DataFrame
    level: float = 0.95

    def summary(self) -> pd.DataFrame:
        """Return one row per method, the most faithful of each target first.

        Returns
        -------
        DataFrame
            ``area``, the mean of ``deletion`` and ``insertion``, with ``low`` and ``high``, its
            interval over samples; ``redrawn``, the rank correlation with scores after all weights were
            drawn anew; and ``ignores``: ``"all weights"``, ``"weights behind"`` (the scores are the same
            whatever comes after the nodes), or nothing.
        """
        rows = []
        for target, method in self._pairs:
            own = self.areas[target][method]
            mean, half = _interval(own.mean(axis=1).to_numpy(), self.level)
            rows.append(
                {
                    "target": target,
                    "method": method,
                    "area": mean,
                    "low": mean - half,
                    "high": mean + half,
                    **own.mean().to_dict(),
                    **self._of_redrawing(target, method),
                }
            )
        table = pd.DataFrame(rows).sort_values("area", ascending=False, kind="stable")
        return table.sort_values("target", kind="stable").set_index(["target", "method"])

    @property
    def ignoring(self) -> list[str]:
        """Methods whose scores do not depend on all weights that they should."""
        found = self.summary()["ignores"]
        return list(found.index.get_level_values("method")[found != ""])

    @property
    def _pairs(self) -> list[tuple[str, str]]:
        """Target and name of every method."""
        columns = self.areas.columns.to_frame(index=False).drop_duplicates(["target", "method"])
        return list(zip(columns["target"], columns["method"], strict=True))

    def _of_redrawing(self, target: str, method: str) -> dict[str, Any]:
        table = self.randomised
        own = table[(table["target"] == target) & (table["method"] == method)]
        if own.empty:
            return {"redrawn": float("nan"), "ignores": ""}
        last = float(own["correlation"].iloc[-1])
        # A factor on all scores leaves their ranks, so of the layer next to the output the scores
        # themselves are compared.
        ignores = "weights behind" if own["unchanged"].iloc[0] else ""
        return {"redrawn": last, "ignores": "all weights" if last >= _SAME else ignores}

    @cached_property
    def _words(self) -> str:
        table = self.summary()
        leading = table[~table.index.get_level_values("target").duplicated()].reset_index()
        best = [
            f"{row['method']} of {row['target']} {row['area']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
            for row in leading.to_dict("records")
        ]
        named = table[table["ignores"] != ""].reset_index().to_dict("records")
        odd = [f"{row['method']} ignores {row['ignores']}" for row in named]
        return f"Faithfulness: first {'; '.join(best)}{'; ' if odd else ''}{'; '.join(odd)}"

    def __repr__(self) -> str:
        """Say which method is first, and which do not look at the weights."""
        return self._words

    def _repr_html_(self) -> str:
        table = self.summary()[:_ROWS].to_html(border=0, float_format="{:.3g}".format)
        return f"<div>{escape(self._words)}{table}</div>"


def faithfulness(
    model: nn.Module,
    data: Samples,
    methods: Sequence[str] | Mapping[str, str | Scorer] | None = None,
    *,
    artifact: CompileArtifact | None = None,
    output: str | int | None = None,
    value: Any = "mean",
    steps: int = 20,
    redraws: int = 2,
    level: float = 0.95,
    seed: int = 0,
    quiet: bool = False,
) -> Faithfulness:
    """Ask of attribution methods whether what they rank first is what this model rests on.

    Of every sample the features, or the hidden nodes, are held at their means one after another, those
    of the largest scores first (deletion): if the scores are right, the output leaves its place soon.
    Then all are held and let go in the same order (insertion): if the scores are right, it is back
    soon. What counts is the area between these curves and those of random orders, with an interval over
    samples. Last, weights are drawn anew, from the output to the inputs, layer by layer: scores that
    stay as they were do not speak of what the model has learned, and their method is named.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, trained; held in ``eval()`` mode.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        Samples, as :func:`attribute` takes them; those that the model was not trained with.
    methods : sequence of str, or mapping, optional
        Names in :func:`edge2torch.interpret.attribution_methods`, of features and nodes. A mapping gives
        names of your own to these, or to a function ``(model, data)`` that returns scores, samples ×
        features or samples × nodes. Left out: quick ones of both kinds.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with the model; by default the one that it carries.
    output : str or int, optional
        Which output is looked at, where the model has several.
    value : float, "mean", or mapping or Series of node name to float
        At which features and nodes are held, as in :func:`knock_out`.
    steps : int
        Points of a curve.
    redraws : int
        How often weights are drawn anew; 0 leaves this out.
    level : float
        Of the intervals.
    seed : int
        Of random orders, new weights and methods that draw numbers.
    quiet : bool
        Print nothing, and show no progress bar.

    Returns
    -------
    Faithfulness
        ``.summary()``, ``.frame`` with the curves; :func:`edge2torch.plot.faithfulness` draws them.

    Raises
    ------
    Edge2TorchError
        For methods that are not known or score edges, fewer than two samples, scores that are no
        table of these samples, and an output that nothing which is held has an influence on.

    Notes
    -----
    Sizes count, of scores and of changes: what pulls the output down matters as much as what lifts
    it. Weights of edges with the constraint ``"fixed"`` are not drawn anew.

    References
    ----------
    Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820 (curves); Petsiuk et al. 2018,
    doi:10.48550/arXiv.1806.07421 (insertion); Adebayo et al. 2018, doi:10.48550/arXiv.1810.03292
    (weights drawn anew).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "h", "k"], "target": ["h", "k", "y", "y"],
    ...                       "initial_weight": [1.0, 1.0, 2.0, 0.1]})
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
    >>> found = e2t.faithfulness(model, cells, ["LayerConductance", "LayerActivation"], quiet=True)
    >>> found.summary()[["ignores"]]
                                    ignores
    target method
    nodes  LayerConductance
           LayerActivation   weights behind
    """
    check_count("steps", steps, 2)
    check_count("redraws", redraws, 0)
    check_number("level", level, above=0, below=1)
    check_value("value", value)
    check_seed("seed", seed)
    artifact = find_artifact(model, artifact)
    ask = Asker(artifact, data, output, seed)
    scorers = scorers_of(methods, artifact)
    scores = by_target({name: ask.scores(model, one) for name, one in scorers.items()}, artifact)
    index = next(iter(next(iter(scores.values())).values())).index
    if len(index) < 2:
        raise Edge2TorchError(f"data has {len(index)} sample. Two are the least for an interval.")
    curves: list[pd.DataFrame] = []
    areas: dict[tuple[str, str, str], Floats] = {}
    for target, own in scores.items():
        request = Request(
            row=replace(METHODS["NodeKnockout"], name="faithfulness", target=target),  # type: ignore[arg-type]
            output=output,
            nodes="hidden",
            call={"value": value},
            seed=seed,
            quiet=quiet,
        )
        with prepared_task(request, model, artifact, data) as (task, _, _):
            share, distances = _measure(task, own, steps, seed)
        area = _areas(share, distances)
        curves += [_as_frame(target, share, distances)]
        areas |= {(target, *key): values for key, values in area.items()}
    table = pd.DataFrame(areas, index=index)
    table.columns.names = ["target", "method", "curve"]
    redrawn = redrawn_scores(model, ask, scorers, scores, redraws)
    return Faithfulness(pd.concat(curves, ignore_index=True), table, redrawn, level)


def _measure(
    task: Task, scores: Mapping[str, pd.DataFrame], steps: int, seed: int
) -> tuple[Floats, dict[str, Floats]]:
    """Return shares (p,), and by method how far the output is from its place, (2, p, b)."""
    task = with_update_sites(task)
    items = next(iter(scores.values())).columns
    counts = np.unique(np.linspace(0, len(items), steps + 1).round().astype(int))
    hold = _Holding.of(task, items)
    rng = np.random.default_rng(seed)
    shape = (len(task.x), len(items))
    found = {
        name: hold.distances(_ranks(table.abs().to_numpy(np.float64), rng), counts)
        for name, table in scores.items()
    }
    drawn = [hold.distances(_ranks(np.zeros(shape), rng), counts) for _ in range(_RANDOM_ORDERS)]
    found[_RANDOM] = np.mean(drawn, axis=0)
    whole = float(found[_RANDOM][0, -1].mean())  # with everything held
    if not whole > 0:
        what = "features" if task.method.target == "features" else "hidden nodes"
        raise Edge2TorchError(
            f"data: the output is the same with all {what} held, so no order of them can be right or "
            "wrong. Hold them at another value=, or look at another output."
        )
    return counts / len(items), {name: own / whole for name, own in found.items()}


def _ranks(size: Floats, rng: np.random.Generator) -> Tensor:
    """Return the place (b, n) of every item in the order of a sample, ties at random."""
    order = np.lexsort((rng.random(size.shape), -size), axis=1)
    ranks = np.empty(order.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return torch.from_numpy(ranks)


@dataclass(frozen=True)
class _Holding:
    """A model of which any items can be held, of each sample others.

    ``index`` has for every site the item (n,) of each column; one beyond the last where it is none.
    """

    task: Task
    values: list[Tensor]
    index: list[Tensor]

    @classmethod
    def of(cls, task: Task, items: pd.Index) -> _Holding:
        places = [items.get_indexer(pd.Index(site.columns)) for site in task.sites]
        index = [torch.from_numpy(np.where(own < 0, len(items), own)) for own in places]
        return cls(task, values_to_hold(task), index)

    def distances(self, ranks: Tensor, counts: NDArray[np.int64]) -> Floats:
        """Return (2, p, b): how far the output goes as items are held, and stays as they are let go."""
        (output,), unchanged = self.task.outputs, self.task.outputs_at(self.task.x)[0]
        found = np.empty((2, len(counts), len(ranks)))
        for part in parts(self.task, len(counts)):
            rank = ranks[part.samples]
            bound = torch.from_numpy(counts[part.items])[:, None, None]
            for kind, held in enumerate((rank < bound, rank >= bound)):
                y = self._outputs(part.samples, held)
                y = output.of(y, part.samples).view(len(bound), -1)
                gap = (y - unchanged[part.samples]).abs()
                found[kind, part.items, part.samples] = gap.double().cpu().numpy()
        return found

    def _outputs(self, samples: slice, held: Tensor) -> Tensor:
        """Return all outputs (p * b, o), with what is marked (p, b, n) held."""
        marked = nn.functional.pad(held.flatten(0, 1), (0, 1)).to(self.task.x.device)

        def act(place: int, _inputs: Any, output: Tensor) -> Tensor:
            chosen = marked[:, self.index[place].to(output.device)]
            chosen = chosen if output.dim() == chosen.dim() else chosen.unsqueeze(-1)
            return torch.where(chosen, self.values[place].to(output.dtype), output)

        sites = {place: site.module for place, site in enumerate(self.task.sites)}
        with torch.no_grad(), hooked(sites, act):
            return self.task.probe.outputs(self.task.x[samples].repeat(len(held), 1))


def _areas(share: Floats, distances: Mapping[str, Floats]) -> dict[tuple[str, str], Floats]:
    """Return the area (b,) by which each curve of each method is better than a random order's."""
    found = {}
    for name, own in distances.items():
        if name != _RANDOM:
            gain = scipy.integrate.trapezoid(own - distances[_RANDOM], share, axis=1)
            found[name, "deletion"], found[name, "insertion"] = gain[0], -gain[1]
    return found


def _as_frame(target: str, share: Floats, distances: Mapping[str, Floats]) -> pd.DataFrame:
    parts_ = [
        pd.DataFrame({"method": name, "curve": curve, "share": share, "change": own.mean(axis=1)})
        for name, both in distances.items()
        for curve, own in zip(_CURVES, both, strict=True)
    ]
    table = pd.concat(parts_, ignore_index=True)
    table.insert(0, "target", target)
    return table


def _interval(values: Floats, level: float) -> tuple[float, float]:
    """Return mean and half the interval of Student's t."""
    n = len(values)
    half = scipy.stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return float(values.mean()), float(half)
