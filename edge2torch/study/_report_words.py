"""What a report says was done, and what a reader must be careful about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from edge2torch._core.messages import plural
from edge2torch.study._covariates import named
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._pipeline import Results
from edge2torch.study._verdict import against_shuffled
from edge2torch.study._words import Words


@dataclass(frozen=True)
class ReportText:
    """What a report says about where its data come from; what is empty is written from the data.

    Parameters
    ----------
    title : str
        The page's heading.
    data, graph : str
        A sentence each on the data and on the edges.
    caveats : tuple of str
        What a reader must know about these data beside what holds for all.
    command : str
        What to type to get the report again.
    sample, feature, node, group : str
        What samples, features, nodes and classes are called, singular.
    tables : mapping of str to DataFrame
        Written beside the others, by the name of the file.

    Examples
    --------
    >>> from edge2torch.study import ReportText
    >>> ReportText(title="Which pathways tell cells apart?", sample="cell").sample
    'cell'
    """

    title: str = ""
    data: str = ""
    graph: str = ""
    caveats: tuple[str, ...] = ()
    command: str = ""
    sample: str = "sample"
    feature: str = "feature"
    node: str = "node"
    group: str = "class"
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        """What things are called."""
        return Words(self.sample, self.feature, self.node, self.group)


def steps_of(results: Results, story: ReportText) -> list[tuple[str, str]]:
    study, settings = results.study, results.study.settings
    words, artifact = study.words, study.network.artifact
    samples, features = plural(words.sample), plural(words.feature)
    layers = [len(names) for names in artifact.node_names_by_layer.values()]
    told = [story.data, *study.dataset.notes, *study.task.notes, *filled_words(results)]
    repeated = "One seed was run, so how far results depend on split and start is not known."
    if settings.seeds > 1:
        repeated = (
            f"All of it was repeated with {plural('seed', settings.seeds)}: another split, another "
            "start, another shuffle each time."
        )
        if study.parts_words:
            repeated += f" Each held out another of {study.parts_words} (cross-validation)."
    return [
        ("Question", _question(results)),
        ("Data", " ".join(told)),
        (
            "Network",
            (
                f"{story.graph} {' '.join(study.network.notes)} The network has "
                f"{plural('edge', artifact.graph.n_edges)} in {len(layers)} layers of "
                f"{', '.join(f'{size:,}' for size in layers)} nodes"
                f"{', one weight per edge' if study.network.units == 1 else ''}."
            ),
        ),
        (
            "Split",
            (
                f"{results.sizes_words('test')} {samples} {_held_out(results)}, "
                f"{results.sizes_words('fit')} were trained on; {_turns(results)} of these decided "
                f"when to stop. {repeated}"
            ),
        ),
        (
            "Scaling",
            (
                f"Each of the {features} was centred and divided by its standard deviation, both taken "
                "from the training part only, and cut off at ten standard deviations."
            ),
        ),
        (
            "Training",
            (
                f"Adam with weight decay; {settings.node_activation} and batch normalisation at every "
                f"inner node; {settings.input_dropout_of(study.task.outcome):.0%} of the {features} and "
                f"{settings.node_dropout_of():.0%} of the inner nodes hidden at random at each step. At "
                f"most {settings.max_epochs} passes, as many as had the lowest validation loss "
                f"({results.first.epochs} for the first seed); then trained anew on training and "
                "validation part together. The linear model's penalty was chosen by the loss, too, "
                "in repeated folds of the same samples; of those as good, the weakest."
            ),
        ),
        (
            "Shuffle",
            (
                "The same network, trained in the same way, after exchanging the ends of edges at "
                "random, so that every node keeps its number of edges and only the knowledge of what "
                "belongs together is lost. Where every source meets every target nothing can move; "
                f"of the other edges {100 * results.changed_edges:.0f} % moved."
            ),
        ),
        ("Attribution", _attribution_words(results)),
        *_of_covariates(study.task),
    ]


def _of_covariates(task: Task) -> list[tuple[str, str]]:
    if task.covariates is None:
        return []
    return [
        (
            "Covariates",
            (
                f"{named(task.covariates)}: a linear function of them, which starts from what they explain alone, is added "
                "to the output of every network and trained with it. The linear model sees them as "
                "well. Attributions and node scores are of what the network adds to them."
            ),
        )
    ]


def _held_out(results: Results) -> str:
    """How the test part came about."""
    study = results.study
    if study.held_out is not None:
        return "of another cohort were the test part"
    if study.groups is None:
        return "were held out for testing"
    groups = len(set(study.groups.tolist()))
    return f"were held out for testing, with all that share their group ({groups:,} groups in all)"


def _turns(results: Results) -> str:
    """How many samples decided when to stop."""
    split, settings = results.sizes, results.study.settings
    if len(split.folds) == 1:
        of_first = (
            f" (with seed {settings.seed})"
            if settings.seeds > 1 and results.study.groups is not None
            else ""
        )
        return f"{len(split.folds[0][1]):,}{of_first}"
    return f"each of {len(split.folds)} parts in turn"


def filled_words(results: Results) -> list[str]:
    """How many values were missing, and what stands in for them; nothing where none were."""
    if not results.missing:
        return []
    words = results.study.words
    return [
        (
            f"{100 * results.missing:.1f} % of the values that the network uses were missing; the "
            f"{words.feature}'s median among the training {plural(words.sample)} stands in for each."
        )
    ]


def _question(results: Results) -> str:
    words, task = results.study.words, results.study.task
    return (
        f"Can the {task.outcome.question(task, words)} of a {words.sample} be told from its {plural(words.feature)} along the given "
        f"edges alone, does it help that the edges are these and no others, and which "
        f"{plural(words.node)} does the answer rest on?"
    )


def _attribution_words(results: Results) -> str:
    words = results.study.words
    if not results.has_learned:
        return "Nothing is attributed of a network that is not shown to have learned anything."
    how = (
        f"Inner nodes by layer conductance (doi:10.48550/arXiv.1805.12233), "
        f"{plural(words.feature)} by integrated gradients (doi:10.48550/arXiv.1703.01365), each "
        f"held-out {words.sample} against the average training {words.sample}. "
    )
    outcome = results.outcome
    if not outcome.by_class:
        return how + (
            f"Shown is the mean over {plural(words.sample)} in the upper half of "
            f"{outcome.halved_by} minus the mean over the lower half; then the mean over seeds."
        )
    return how + (
        f"A {words.group}'s score is taken against the mean score of all, since only differences "
        f"decide, and averaged over held-out {plural(words.sample)} of that {words.group}; then "
        "over seeds."
    )


def _of_attributions(words: Words) -> list[str]:
    return [
        (
            f"An attribution says what this network used to tell {plural(words.sample)} apart. It is "
            "no evidence of a cause."
        ),
        (
            f"The sign says whether a {words.node} spoke for or against the prediction. It does not "
            f"say that the {words.node} is up or down: the arrows behind its {plural(words.feature)} "
            "say where those stand."
        ),
        (
            f"Where {plural(words.node)} share {plural(words.feature)}, they compete for the credit, "
            f"and which one gets it may differ between runs. Trust {plural(words.node)} whose sign is "
            "the same in all seeds and whose spread is small."
        ),
    ]


def caveats_of(results: Results, story: ReportText) -> list[str]:
    study, words = results.study, results.study.words
    said = _of_attributions(words) if results.has_learned else []
    if study.groups is None and study.held_out is None:
        said.append(
            f"The split is random by {words.sample}. If several come from one donor or batch, scores "
            "for new donors may be lower."
        )
    said += [
        f"{sentence} A {words.feature} that is missing because it is low looks average so, and a "
        f"{words.node} above {plural(words.feature)} that are often missing has little to go by."
        for sentence in filled_words(results)
    ]
    said += study.task.outcome.caveats(study.task, results.predictions, words, study.settings.seeds)
    others = " that was not found" if results.trust is not None and results.trust.claimed else ""
    said += [
        f"{verdict.text} So a high-ranking {words.node}{others} is a readable summary of its "
        f"{plural(words.feature)}, not a finding about the {words.node} itself."
        for verdict in [against_shuffled(results)]
        if verdict.good is False and results.has_learned
    ]
    return [*said, *story.caveats]
