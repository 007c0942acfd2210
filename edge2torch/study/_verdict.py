"""What the numbers say, in plain words; every word follows from the scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.study._covariates import named
from edge2torch.study._features import copies_words
from edge2torch.study._intervals import Between
from edge2torch.study._learned import Learned, ahead_words, beaten_by, lagging
from edge2torch.study._network import bottleneck_words
from edge2torch.study._pipeline import COVARIATES, KPNN, SHUFFLED, WIDER, Results
from edge2torch.study._trust import Trust

_CLOSE = 0.02  # two points
_FIRST = 3
_MOST = 0.5


@dataclass(frozen=True)
class Verdict:
    """One comparison, as a sentence, and whether it speaks for the network.

    Parameters
    ----------
    good : bool or None
        None where it is a fact without a judgement.
    text : str
        One or two sentences.

    Examples
    --------
    >>> from edge2torch.study import Verdict
    >>> Verdict(True, "True edges beat shuffled ones.").good
    True
    """

    good: bool | None
    text: str


def verdicts(results: Results) -> list[Verdict]:
    """Say what was found; then judge the network against guessing, the linear model, shuffled edges.

    Of a network that is no better than guessing nothing is said but that.
    """
    study, by_seed = results.study, _by_seed(results)
    keys = [(str(key[0]), int(key[1])) for key in by_seed.columns.to_list()]
    linear = [key for key in keys if key[0] not in (KPNN, SHUFFLED, WIDER, COVARIATES)]
    own = len(study.network.features)
    kpnn = by_seed[(KPNN, own)]
    if not results.has_learned:
        missed = [_what_linear_learned(results, by_seed[key], key) for key in linear]
        return [*_limits(results), _nothing_learned(results), _level(results, kpnn), *missed]
    said = [*_copies(results), *_limits(results)]
    if results.trust is not None:
        said += _found(results, results.trust)
    if results.untrusted:
        said.append(Verdict(False, results.untrusted))
    said.append(_level(results, kpnn))
    said += [_beside_covariates(results, key) for key in keys if key[0] == COVARIATES]
    for name, count in linear:
        seen = plural(study.words.feature, count)
        other = f"{name} on the same {seen}"
        if count != own:
            other = f"{name} on all {seen}, of which the KPNN sees {own:,},"
        said.append(_against_linear(results, (KPNN, own), (name, count), other, "the KPNN"))
    if study.wider is not None:
        count = len(study.wider.features)
        who = f"the KPNN with a direct edge from every {study.words.feature} as well"
        for name, features in linear:
            if features == count:
                other = f"{name} on the same {plural(study.words.feature, count)}"
                said.append(_against_linear(results, (WIDER, count), (name, count), other, who))
    said.append(against_shuffled(results))
    return said


def _beside_covariates(results: Results, key: tuple[str, int]) -> Verdict:
    """What the network adds to the covariates; by the loss, as this decides what it learned."""
    task, by_seed = results.study.task, _by_seed(results)
    beside = pd.DataFrame() if task.covariates is None else task.covariates
    reached = _shown(results, key, by_seed[key])
    found = results.learned[KPNN, len(results.study.network.features)]
    return Verdict(
        bool(found),
        f"The covariates alone ({named(beside)}) reach {reached} by {task.outcome.linear}; they stand beside "
        f"every network, whose nodes are scored for what they add ({ahead_words(found, task)}).",
    )


def _copies(results: Results) -> list[Verdict]:
    """What stands before all that was found: a feature that holds the answer, groups in two parts."""
    dataset, label = results.study.dataset, results.study.task.label
    said = [copies_words(dataset.copies, label)] if dataset.copies else []
    return [Verdict(False, text) for text in (*said, *results.study.suspects)]


def _limits(results: Results) -> list[Verdict]:
    """What held the network back, before it is judged: too few epochs, or one number to read."""
    network, task, cut = results.study.network, results.study.task, results.cut_off
    said = []
    if cut:
        said.append(
            f"The validation loss was still falling at the last of {plural('epoch', cut[0])}, in "
            f"{len(cut)} of {plural('seed', results.study.settings.seeds)}: raise max_epochs=."
        )
    if narrow := bottleneck_words(len(network.outputs), len(task.classes)):
        said.append(narrow)
    return [Verdict(False, text) for text in said]


def _nothing_learned(results: Results) -> Verdict:
    """What stands first where the network learned nothing that holds."""
    words, task = results.study.words, results.study.task
    found = results.learned[KPNN, len(results.study.network.features)]
    why = f"({_behind_by(results, found)})"
    start = (
        f"The KPNN learned nothing that holds for new {plural(words.sample)}: it predicts held-out "
        f"ones worse than {beaten_by(task)}"
        if lagging(found)
        else f"The KPNN is not shown to have learned anything that holds for new "
        f"{plural(words.sample)}: whether it predicts held-out ones better than {beaten_by(task)} "
        "cannot be told"
    )
    return Verdict(
        False,
        f"{start} {why}. So no {words.node} is ranked or called found, and whether the given edges "
        "help cannot be said.",
    )


def _behind_by(results: Results, found: Learned) -> str:
    """By what a model that has not learned is behind: its loss, or else the classes that it names."""
    words, task = results.study.words, results.study.task
    if found.loss.low <= 0 or found.hits is None:
        return ahead_words(found, task)
    common = "always saying the most common one" if task.covariates is None else beaten_by(task)
    return (
        f"it names fewer {plural(words.group)} rightly than {common}, "
        f"by {-100 * found.hits.mean:.1f} points, 95 % interval {-100 * found.hits.high:.1f} to "
        f"{-100 * found.hits.low:.1f}"
    )


def _what_linear_learned(results: Results, linear: pd.Series, key: tuple[str, int]) -> Verdict:
    words, found = results.study.words, results.learned[key]
    beaten = beaten_by(results.study.task)
    start = f"{_capital(key[0])} on {plural(words.feature, key[1])} "
    score = results.metric.show(float(linear.mean()))
    if found:
        reached = f"({score}; {ahead_words(found, results.study.task)})"
        return Verdict(
            False, f"{start}does better than {beaten} {reached}: the KPNN missed what it found."
        )
    less = "is not better" if lagging(found) else "is not shown to be better"
    said = f"{start}{less} than {beaten} either: {_behind_by(results, found)}"
    if found.hits is not None and found.loss.mean < 0 < found.hits.mean:
        said += (
            f". It names more {plural(words.group)} rightly than {beaten} would ({results.metric.label} {score}), "
            "but is too sure where it is wrong, which the loss counts"
        )
    elif results.metric.label != results.outcome.ahead:
        said += f" ({results.metric.label} {score})"
    return Verdict(None, f"{said}.")


def against_shuffled(results: Results) -> Verdict:
    """Judge the given edges by shuffled ones."""
    by_seed, n = _by_seed(results), len(results.study.network.features)
    own, other = (KPNN, n), (SHUFFLED, n)
    gain = float(results.metric.lead(by_seed[own], by_seed[other]).mean())
    return _of_gain(results, gain, results.interval(own, other))


def _found(results: Results, trust: Trust) -> list[Verdict]:
    """What was found and holds up; then what carries the prediction, and would with any features."""
    words, found, alone = results.study.words, trust.found, trust.alone
    nodes = plural(words.node, len(trust.table))
    beside = f"with rewired edges: {trust.n_rewired:,}"
    said = []
    if trust.claimed:
        own = "" if len(alone) == len(found) else f", {len(alone):,} of them on their own"
        said.append(
            Verdict(
                True,
                f"Found: {len(found):,} of {nodes} ({beside}){own}: {_first(results, alone)}. New "
                f"{plural(words.sample)} are predicted worse without {'it' if len(found) == 1 else 'them'}, and other "
                f"{plural(words.feature)} in {'its' if len(found) == 1 else 'their'} place would say less.",
            )
        )
    elif found:
        said.append(
            Verdict(
                False,
                f"{len(found):,} of {nodes} pass both tests, but {beside}: the knowledge in the edges "
                "is not what they pass by, and nothing can be claimed of them.",
            )
        )
    else:
        said.append(
            Verdict(
                False,
                f"Found: none of {nodes} ({beside}). No {words.node} says more than as many other "
                f"{plural(words.feature)} would, so nothing can be claimed of a single one.",
            )
        )
    if used := trust.only_used:
        said.append(
            Verdict(
                None,
                f"{plural(f'other {words.node}' if found else words.node, len(used))} "
                f"{'carries' if len(used) == 1 else 'carry'} the prediction "
                f"({_first(results, used)}), but as many other {plural(words.feature)} in "
                f"{'its' if len(used) == 1 else 'their'} place "
                "would as well: no finding.",
            )
        )
    elif not found:
        share = trust.sufficient or 0.0
        everywhere = (
            f"The signal is everywhere: {share:.0%} of {plural(words.node)} predict by themselves, with all "
            f"others held, and none is needed. This network cannot tell one {words.node} from another."
        )
        other = f"No {words.node} is needed either: each can stand in for another."
        said.append(Verdict(None, everywhere if share > _MOST else other))
    return said


def _first(results: Results, nodes: list[str]) -> str:
    named = [results.study.network.artifact.label(node) for node in nodes[:_FIRST]]
    more = f" and {len(nodes) - _FIRST:,} more" if len(nodes) > _FIRST else ""
    return f"{'; '.join(named)}{more}"


def _by_seed(results: Results) -> pd.DataFrame:
    return results.scores.pivot_table(
        index="seed", columns=["model", "features"], values=results.metric.name, sort=False
    )


def _level(results: Results, kpnn: pd.Series) -> Verdict:
    study, own = results.study, (KPNN, len(results.study.network.features))
    spread = f"mean over {plural('seed', len(kpnn))}" if len(kpnn) > 1 else "one seed"
    if (found := results.interval(own)) is not None and np.isfinite(found.low):
        spread += f"; {results.metric.range_words(found.low, found.high)}"
    spread = f"({spread})"
    shown, task = results.metric.show(float(kpnn.mean())), study.task
    ahead = ahead_words(results.learned[own], task)
    against = beaten_by(task)
    against = task.outcome.guessing if against == "guessing" else against
    reached = task.outcome.reached(task, study.words, shown, spread)
    return Verdict(None, f"{reached}. Against {against}: {ahead}.")


def _against_linear(
    results: Results, own: tuple[str, int], other_one: tuple[str, int], other: str, who: str
) -> Verdict:
    by_seed = _by_seed(results)
    network, linear = by_seed[own], by_seed[other_one]
    gap = float(results.metric.lead(network, linear).mean())
    if (areas := _contradiction(results, own, other_one, gap)) is not None:
        outcome = results.outcome
        metric = next(one for one in outcome.metrics if one.name == outcome.ranking)
        side, name = "below" if gap > 0 else "above", metric.label
        beside = f"({areas[1]:.3f} beside {areas[0]:.3f})"
        why = f"while its {name} is {'higher' if gap > 0 else 'lower'} {beside}: the two measures contradict each other"
        if f"{areas[0]:.3f}" == f"{areas[1]:.3f}":
            why = f"while its {name} is the same {beside}: both rank samples alike, and differ in where they draw the line between classes"
        return Verdict(
            None,
            f"{_capital(other)} reaches {_shown(results, other_one, linear)}, "
            f"{results.metric.gap(gap)} {side} {who}, {why}, so neither is called better.",
        )
    start = f"{_capital(other)} reaches {_shown(results, other_one, linear)}"
    end = "" if who == "the KPNN" else f" ({_shown(results, own, network)})"
    found, limit = results.interval(own, other_one), results.metric.limit(_CLOSE)
    side = f"{results.metric.gap(gap)} {'above' if gap >= 0 else 'below'} it"
    said = f"{start}: {who}{end} is {side}"
    if found is None or not np.isfinite(found.low):
        return Verdict(None, f"{said}; how much of that is chance is not known.")
    said += f" ({results.metric.gap_interval(found.low, found.high)})"
    if found.low > 0:
        return Verdict(True, f"{said}.")
    if found.low >= -_CLOSE:
        return Verdict(True, f"{said}: within {limit}, or better.")
    if found.high < 0:
        return Verdict(False, f"{said}: it does not keep up here.")
    return Verdict(
        None,
        f"{said}: neither is shown to be better, nor {who} to be within {limit}. More held-out "
        f"{plural(results.study.words.sample)} would tell.",
    )


def _shown(results: Results, key: tuple[str, int], values: pd.Series) -> str:
    """A model's score with its interval."""
    found, value = results.interval(key), float(values.mean())
    if found is None or not np.isfinite(found.low):
        return results.metric.show(value)
    return results.metric.show_interval(value, found.low, found.high)


def _contradiction(
    results: Results, own: tuple[str, int], other: tuple[str, int], gap: float
) -> tuple[float, float] | None:
    """ROC-AUC of both, where it says the opposite of a gap in accuracy that would be spoken of.

    Accuracy hangs on where a model draws the line between classes. One that ranks samples no worse
    and yet names fewer of them rightly has its line in the wrong place, and is no worse model.
    """
    name = results.outcome.ranking
    if name is None or abs(gap) <= _CLOSE:
        return None
    areas = results.scores.groupby(["model", "features"])[name].mean()
    first, second = float(areas[own]), float(areas[other])
    return (first, second) if (first - second) * gap <= 0 else None


def _of_gain(results: Results, gain: float, found: Between | None) -> Verdict:
    text = results.metric.gap(gain)
    moved = f"(the shuffle moves {100 * results.changed_edges:.0f} % of the edges that it can move)"
    if results.changed_edges == 0:
        return Verdict(
            None,
            "The edges cannot be shuffled: with every node's number of edges kept there is only "
            "one such graph, so nothing can be said about the knowledge in them.",
        )
    readable = "The knowledge in the edges does not help prediction here; it only makes the network readable."
    if found is None or not np.isfinite(found.low):
        side = "better" if gain >= 0 else "worse"
        return Verdict(
            None,
            f"True edges are {text} {side} than shuffled ones {moved}; how much of that is chance is not known.",
        )
    if gain:
        text += f" ({results.metric.gap_interval(found.low, found.high)})"
    if found.low > 0:
        return Verdict(True, f"True edges beat shuffled ones {moved} by {text}.")
    if found.high < 0:
        return Verdict(
            False,
            f"True edges do not beat shuffled ones {moved}: shuffled edges are {text} better. {readable}",
        )
    if gain > 0:
        return Verdict(
            False,
            f"True edges are {text} better than shuffled ones {moved}. The interval holds 0: this does "
            "not show that the knowledge in the edges helps prediction.",
        )
    return Verdict(
        False,
        f"True edges are not shown to beat shuffled ones {moved}: "
        + (f"shuffled edges are {text} better" if gain else "both do equally well")
        + ". The interval holds 0, so neither is shown to be better.",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
