"""Whether the prediction of new samples rests on a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from edge2torch._core.checks import check_flag
from edge2torch._core.messages import listing
from edge2torch._core.samples import by_sample
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._request import known_nodes, nodes_by_choice
from edge2torch.interpret._trust._cross_fit import CrossFitted, features_of
from edge2torch.interpret._trust._folds import Folds, read_folds, read_groups
from edge2torch.interpret._trust._held import Held, Ints
from edge2torch.interpret._trust._target import Target
from edge2torch.nn import CustomizedEdgeModel

Values = NDArray[np.float64]
Networks = CrossFitted | Sequence[nn.Module] | Sequence[Sequence[nn.Module]]


def node_use(
    networks: Networks,
    data: Any,
    target: ArrayLike | pd.Series,
    *,
    folds: Folds | None = None,
    groups: ArrayLike | None = None,
    nodes: Sequence[str] | None = None,
    by_class: bool = False,
) -> pd.DataFrame:
    """Ask of every node whether the prediction of held-out samples rests on it.

    A node is held at its mean over the training samples, which takes away what it knows of a
    sample, and the loss of each held-out sample is compared with its loss as it was. The unit is the
    sample, or with ``groups`` the donor; not the network, so more networks bring no smaller p by
    themselves.

    Parameters
    ----------
    networks : CrossFitted, or list
        What :func:`cross_fit` returned; or your own networks, one or several for each fold, with
        ``folds``, and data as these networks read them. Any backend.
    data : DataFrame, AnnData, ndarray or Tensor, shape (b, columns)
        All samples.
    target : array_like, shape (b,)
        Classes; floating-point numbers are values.
    folds : array of fold labels (b,), or sequence of (rows to fit, rows held out), optional
        Which samples each network has not seen; those of a :class:`CrossFitted` by default.
    groups : array_like, shape (b,), optional
        Donor, patient or plate: differences are averaged within each before the test.
    nodes : sequence of str, optional
        By default all hidden nodes; with a head that reads several outputs these, too.
    by_class : bool
        One row for every class and node, with the loss of this class against the rest over *all*
        samples.

    Returns
    -------
    DataFrame
        By node (or class and node), in the order of ``nodes``. ``gain``: mean over samples of the
        loss with the node held minus the loss as it was, in nats, or in the target's units squared.
        ``gain_se``: its standard error. ``t``: their ratio. ``p_use``: one-sided, Student's t.
        ``q_use``: Benjamini and Hochberg's, over all rows of this table.

    Raises
    ------
    Edge2TorchError
        For folds that do not fit the networks or share samples or groups, unknown nodes, and fewer
        than three samples (or groups) that are held out.

    Notes
    -----
    No controls are needed. To hold a node that says nothing lowers the held-out loss, if anything,
    so the test errs on the safe side: on planted problems .000 to .036 of idle nodes have p < .05.
    Folds share training samples, so p speaks of the networks that were trained; a node that reads
    the same features as a used one may be used as well. And a node that holds strong features is used
    *whichever* pathway they form: :func:`node_specific` asks that.

    For one class the loss is taken over all samples: on the class's own samples alone, holding any
    node draws a sample towards the average and costs that class.

    References
    ----------
    Lei et al. 2018, doi:10.1080/01621459.2017.1307116: leave one covariate out, by sample. Williamson
    et al. 2023, doi:10.1080/01621459.2021.2003200. Benjamini & Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> from edge2torch.interpret import cross_fit
    >>> from edge2torch.simulate import layered_graph, planted_nodes
    >>> edges = layered_graph([30, 6, 1], [36, 6], seed=0)
    >>> problem = planted_nodes(edges, effect=2.0, seed=0)
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> start = e2t.customize_model(model, node_activation="tanh"), artifact
    >>> fitted = cross_fit(start, problem.x_test, problem.y_test, starts=2, learning_rate=0.02)
    >>> table = node_use(fitted, problem.x_test, problem.y_test)
    >>> table["t"].idxmax() == problem.causal[0]
    True
    """
    check_flag("by_class", by_class)
    fitted, own, groups = with_target(networks, data, target, folds, groups)
    numbers = chosen_nodes(fitted.artifact, nodes, fitted.models[0][0])
    classes = range(len(own.classes)) if by_class else [None]
    return pd.concat(use_tests(fitted, data, own, groups, numbers, classes))


def use_tests(
    fitted: CrossFitted,
    data: Any,
    target: Target,
    groups: Any,
    nodes: Ints,
    classes: Sequence[int | None],
) -> list[pd.DataFrame]:
    """Return :func:`node_use` of all classes (None), and of each against the rest, by one run."""
    names, held = fitted.artifact.graph.names(nodes), [np.array([node]) for node in nodes]
    change = loss_changes(fitted, data, target, lambda _: held, classes=classes)
    tests = {
        k: sample_test(one, groups).rename(columns={"p": "p_use"})
        for k, one in zip(classes, change, strict=True)
    }
    tables = [tests[None].set_index(rows_of(names, ()))] if None in tests else []
    if own := [k for k in classes if k is not None]:
        index = rows_of(names, [target.classes[k] for k in own])
        tables.append(pd.concat([tests[k] for k in own]).set_index(index))
    return [one.assign(q_use=scipy.stats.false_discovery_control(one["p_use"])) for one in tables]


def rows_of(names: Sequence[str], classes: Sequence[str]) -> pd.Index:
    """Return the index of a table by node, or by class and node."""
    if not classes:
        return pd.Index(names, name="node")
    return pd.MultiIndex.from_product([classes, names], names=["class", "node"])


def with_target(
    networks: Any, data: Any, target: Any, folds: Any, groups: Any
) -> tuple[CrossFitted, Target, Any]:
    """Return networks with their folds, the target as they predict it, and groups in data's order."""
    if not isinstance(networks, CrossFitted):
        networks = _as_cross_fitted(networks, data, target, folds, groups)
    elif folds is not None:
        raise Edge2TorchError(
            "folds: these networks bring the folds that they were trained in. Leave it out."
        )
    samples = features_of(data, networks.artifact, (), impute=networks.impute).index
    n = len(samples)
    own = Target.of(by_sample("target", target, samples), n, networks.artifact)
    last = max(int(part.max()) for pair in networks.folds for part in pair)
    if own.classes != networks.classes or last >= n:
        raise Edge2TorchError(
            f"data and target: {n} samples of {listing(own.classes) or 'numbers'} are not those that "
            f"the networks were trained with, {last + 1} of {listing(networks.classes) or 'numbers'}."
        )
    groups = by_sample("groups", groups, samples)
    if groups is not None:
        read_folds(networks.folds, own, groups, 0)
    return networks, own, groups


def _as_cross_fitted(networks: Any, data: Any, target: Any, folds: Any, groups: Any) -> CrossFitted:
    each = list(networks) if isinstance(networks, list | tuple) else []
    starts = [tuple(one) if isinstance(one, list | tuple) else (one,) for one in each]
    if not starts or not all(isinstance(m, nn.Module) for own in starts for m in own):
        raise Edge2TorchError(
            "networks must be what cross_fit() returned, or a list with the network, or the list of "
            f"networks, of each fold; found {type(networks).__name__}."
        )
    if folds is None or isinstance(folds, int):
        raise Edge2TorchError(
            "folds must say which samples each network has not seen: a label for each sample, or "
            "pairs of (rows to fit, rows held out)."
        )
    artifact = find_artifact(starts[0][0], None)
    samples = features_of(data, artifact, ()).index
    own = Target.of(by_sample("target", target, samples), len(samples), artifact)
    parts = read_folds(
        by_sample("folds", folds, samples), own, by_sample("groups", groups, samples), 0
    )
    if len(parts) != len(starts):
        raise Edge2TorchError(f"folds: {len(parts)} for the networks of {len(starts)} folds.")
    return CrossFitted(tuple(starts), artifact, parts, pd.DataFrame(), own.classes)


def chosen_nodes(artifact: CompileArtifact, nodes: Any, model: nn.Module | None = None) -> Ints:
    """Return numbers of the nodes that are asked about: by default all whose value is no answer.

    These are the hidden ones, and the outputs where a head reads several of them.
    """
    if nodes is None:
        sites = [artifact.feature_names, *artifact.node_names_by_site.values()]
        names = nodes_by_choice("hidden", sites, artifact)
        after = model.after if isinstance(model, CustomizedEdgeModel) else {}
        if not names or ("head" in after and len(artifact.output_names) > 1):
            names = nodes_by_choice("non_input", sites, artifact)
        return artifact.graph.numbers(names, "nodes")
    listed = isinstance(nodes, Iterable) and not isinstance(nodes, str)
    names = [str(one).strip() for one in nodes] if listed else []
    if not names or len(set(names)) < len(names):
        raise Edge2TorchError(
            f"nodes must be a list of names, each once, found {nodes!r}. Leave it out for all."
        )
    known_nodes(names, artifact)
    return artifact.graph.numbers(names, "nodes")


def loss_changes(
    fitted: CrossFitted,
    data: Any,
    target: Target,
    held: Callable[[int], Sequence[Ints]],
    *,
    classes: Sequence[int | None] = (None,),
    against: Callable[[int], Sequence[Ints]] | None = None,
) -> Values:
    """Return by how much each held-out sample's loss rises: (classes, groups, b), None for all.

    ``held`` gives the groups of nodes that are held in a fold; ``against`` what is held for
    comparison, by default nothing. Means over starts, and over folds where a sample is held out more
    than once; NaN for samples that never are.
    """
    n = len(target.values)
    count = np.zeros(n)
    total: Values = np.zeros(())
    for k, x in enumerate(fitted.inputs(data)):
        rows, held_out = fitted.folds[k]
        goal = target.goal(rows) if fitted.scalers else (0.0, 1.0)
        groups = list(held(k))
        other = [np.empty(0, np.int64)] if against is None else list(against(k))
        held_once, place = _once([*other, *groups])
        plan = Held(fitted.artifact, held_once)
        seen, at_rest = x[torch.from_numpy(held_out)], x[torch.from_numpy(rows)]
        of_fold: Values | None = None
        for model in fitted.models[k]:
            parts = [
                target.losses(y, held_out, goal, classes)
                for _, y in plan.outputs(model, seen, at_rest)
            ]
            loss = np.concatenate(parts, axis=1)
            rise = loss[:, place[len(other) :]] - loss[:, place[: len(other)]]
            if not total.shape:
                total = np.zeros((*rise.shape[:2], n))
            if of_fold is None:  # to add them where they lie scattered takes several times as long
                of_fold = total[:, :, held_out]
            of_fold += rise / len(fitted.models[k])
        total[:, :, held_out] = of_fold
        count[held_out] += 1
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(count > 0, count, np.nan))


def _once(groups: Sequence[Ints]) -> tuple[list[Ints], Ints]:
    """Return the different ones of some groups of nodes, and where each of the groups is among them."""
    known: dict[bytes, int] = {}
    place = np.array([known.setdefault(np.sort(one).tobytes(), len(known)) for one in groups])
    first = np.unique(place, return_index=True)[1]
    return [groups[k] for k in first], place


def sample_test(rise: Values, groups: Any) -> pd.DataFrame:
    """Test one-sided whether means over samples, or donors, are above 0: ``rise`` (nodes, b)."""
    table = pd.DataFrame(rise.T)
    if groups is not None:
        table = table.groupby(read_groups(groups, len(table))).mean()
    values = table.dropna().to_numpy(np.float64)
    n = len(values)
    if n < 3:
        what = "samples" if groups is None else "groups"
        raise Edge2TorchError(f"folds hold out {n} {what}: a test needs three at least.")
    gain, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    idle = error <= 0  # nothing depends on the node at all
    t = np.where(idle, 0.0, gain / np.where(idle, 1.0, error))
    p = np.where(idle, 1.0, scipy.stats.t.sf(t, n - 1))
    return pd.DataFrame({"gain": gain, "gain_se": error, "t": t, "p": p})
