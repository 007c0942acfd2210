"""What was done, as a paragraph for the methods section of a paper."""

from __future__ import annotations

import importlib.metadata

from edge2torch._core.messages import plural
from edge2torch.study._covariates import named
from edge2torch.study._learned import ahead_words
from edge2torch.study._pipeline import KPNN, Results
from edge2torch.study._trust import LEVEL, Trust
from edge2torch.study._words import Words


def methods_text(results: Results) -> str:
    """Return the paragraph; every number in it is this run's."""
    parts = [_network(results), _covariates(results), _training(results), _comparison(results)]
    study = results.study
    parts = [
        *filter(None, parts),
        _learned(results),
        study.task.outcome.measured(study.task, study.words),
    ]
    parts = [*filter(None, parts)]
    if results.has_learned:
        parts.append(_attribution(results))
    if results.trust is not None:
        parts.append(_judged(results.trust, results.study.words, results.study.groups is not None))
    return " ".join([*parts, _software()])


def _network(results: Results) -> str:
    study = results.study
    artifact, words, task = study.network.artifact, study.words, study.task
    n = len(task.values)
    goal = task.outcome.predicts(task, words)
    units = results.study.network.units
    weights = "one weight per edge"
    if units > 1:
        weights = f"{units} units per hidden node and a block of weights per edge"
    if results.study.settings.node_heads:
        weights += (
            f", with a head at every hidden node whose mean loss was added to the output's with a "
            f"weight of {results.study.settings.head_weight:g} in training"
        )
    return (
        f"A knowledge-primed neural network (Fortelny and Bock 2020, doi:10.1186/s13059-020-02100-5) "
        f"of {plural('node', artifact.graph.n_nodes)} and {plural('edge', artifact.graph.n_edges)}, "
        f"{weights}, was trained to predict {goal} of {plural(words.sample, n)} from "
        f"{plural(words.feature, len(artifact.feature_names))}."
    )


def _covariates(results: Results) -> str:
    samples = results.study.task.covariates
    if samples is None:
        return ""
    return (
        f"A linear function of {named(samples)} (numbers standardised, categories one-hot) was added to its "
        "output and trained with it, from the fit of these covariates alone; linear models were given "
        "them, too, and attributions are of the network's own part."
    )


def _training(results: Results) -> str:
    study, split, settings = results.study, results.sizes, results.study.settings
    outcome, n = study.task.outcome, len(split.fit)
    weights = " weighted by inverse class size" if settings.class_weights else ""
    repeats = f"with seed {settings.seed}"
    if settings.seeds > 1:
        last = settings.seed + settings.seeds - 1
        repeats = f"for seeds {settings.seed} to {last}, each with its own split and start"
        if study.parts_words:
            repeats += f" (another of {study.parts_words} is held out each time)"
    filled = ""
    if results.missing:
        filled = (
            f"Missing values ({100 * results.missing:.1f} % of all) were replaced by the "
            f"{study.words.feature}'s median among the training {plural(study.words.sample)}. "
        )
    chosen = f"of lowest loss in {len(split.folds)}-fold cross-validation within these"
    if len(split.folds) == 1:
        validation = plural(study.words.sample, len(split.folds[0][1]))
        of_first = (
            f" (with seed {settings.seed})"
            if study.groups is not None and settings.seeds > 1
            else ""
        )
        chosen = f"of lowest loss on a validation part of {validation}{of_first}"
    whole = outcome.whole_steps  # steps of an epoch in which each takes all samples
    steps = f", {whole} such steps an epoch" if whole else ""
    return filled + (
        f"{plural(study.words.feature).capitalize()} were standardised by the training part and "
        f"clipped at ten standard deviations. Inner nodes had {settings.node_activation} activation, "
        f"batch normalisation and dropout of {settings.node_dropout_of():g} (inputs: "
        f"{settings.input_dropout_of(outcome):g}). The {outcome.loss_words(study.task)}{weights} was minimised with AdamW (learning rate "
        f"{settings.learning_rate_of():g}, weight decay {settings.weight_decay:g}, batches of "
        f"{outcome.batch_size(n, settings.batch_of(n))}{steps}) for the number of epochs, at most {settings.max_epochs}, "
        f"{chosen}, and the network was then trained anew on training and "
        f"validation part ({results.sizes_words('fit')}). Performance was measured once on "
        f"{results.sizes_words('test')} held-out {plural(study.words.sample)}, {repeats}."
    )


def _comparison(results: Results) -> str:
    return (
        f"It was compared with {results.outcome.linear}, whose penalty was chosen by the loss in repeated "
        "cross-validation within the same samples, and with the same network after degree-preserving rewiring of its edges within "
        f"layers (which moved {results.changed_edges:.0%} of the edges that can move), trained alike."
    )


def _learned(results: Results) -> str:
    study = results.study
    found = results.learned[KPNN, len(study.network.features)]
    outcome = study.task.outcome
    guess = f"{outcome.guess} of the samples that were fitted"
    if study.task.covariates is not None:
        guess = f"{outcome.linear} on the covariates alone"
    return (
        f"On held-out {plural(study.words.sample)} it was {'' if found else 'not shown to be '}better than {guess} "
        f"({ahead_words(found, study.task)}, over "
        f"{plural(study.words.sample)} and seeds)."
    )


def _attribution(results: Results) -> str:
    words, outcome = results.study.words, results.outcome
    against = (
        f"each {words.group}'s score against the mean score of all"
        if outcome.by_class
        else f"upper against lower half of {outcome.halved_by}"
    )
    return (
        f"Held-out {plural(words.sample)} were attributed against the average training "
        f"{words.sample}, {against}: {plural(words.node)} by layer conductance (Dhamdhere et al. "
        f"2018, doi:10.48550/arXiv.1805.12233), {plural(words.feature)} by integrated gradients "
        "(Sundararajan et al. 2017, doi:10.48550/arXiv.1703.01365)."
    )


def _judged(trust: Trust, words: Words, groups: bool) -> str:
    folds = len(trust.quality)
    unit = "group means" if groups else plural(words.sample)
    return (
        f"{plural(words.node).capitalize()} were tested by cross-fitting: {folds} folds, "
        f"{plural('network', trust.starts)} each, {plural('epoch', trust.epochs)}. Use: each was held at its training mean, and "
        f"the rise of the held-out loss tested one-sided by Student's t over {unit}. Specificity: the same "
        f"rise while the {words.node}'s strongest {plural(words.feature)} in the training part (three, and a third at most) "
        f"were held at theirs as well, against networks over {trust.controls} permutations of the "
        f"{plural(words.feature)} among themselves, pooled over {plural(words.node)} after a trend over "
        f"connectivity. Both P values were adjusted by Benjamini and Hochberg's method over all "
        f"{len(trust.table):,} {plural(words.node)}; those with both below {LEVEL:g} are called found "
        f"({len(trust.found)}; {trust.n_rewired} with degree-preserving rewired edges)."
    )


def _software() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("edge2torch", "torch")]
    return f"Computed with {' and '.join(versions)}."
