"""What is said while a study runs, and of what came out."""

from __future__ import annotations

from edge2torch._core.console import Console
from edge2torch._core.messages import plural
from edge2torch.study._pipeline import Results, Study
from edge2torch.study._tables import interval_cells, score_summary, top_nodes
from edge2torch.study._trust import n_folds_of, why_not
from edge2torch.study._trust_words import trust_words
from edge2torch.study._verdict import verdicts

_SHOWN = 3


def plan_words(study: Study) -> str:
    """How many networks there are to train, before any is."""
    settings, kinds = study.settings, 3 if study.wider else 2
    of_seeds = kinds * settings.seeds
    folds = n_folds_of(study.held_out, study.parts)
    each = folds * settings.replicates
    judging = 0 if why_not(study.network, settings) else each * (settings.controls + 2)
    said = (
        f"{of_seeds + judging} networks will be trained: "
        f"{plural('seed', settings.seeds)} × {kinds} (the given edges, shuffled ones"
        f"{', direct ones as well' if study.wider else ''}; each twice, first to find the number of "
        "epochs)"
    )
    if judging:
        said += (
            f", then {each} in {plural('fold', folds)} to judge the nodes, {settings.controls} times as many with "
            "exchanged features and as many with rewired edges, which replicates=0 leaves out"
        )
    return f"{said}."


def say_results(results: Results, console: Console) -> None:
    words, metric = results.study.words, results.metric
    several = results.study.settings.seeds > 1
    mean_of = f"mean over {plural('seed', results.study.settings.seeds)}, " if several else ""
    console.heading(f"Held-out {metric.label} ({mean_of}90 % interval)")
    found = interval_cells(results)
    for row in score_summary(results).to_dict("records"):
        mean = metric.show(row[f"{metric.name}_mean"])
        ends = found.get((row["model"], row["features"], metric.name), ())
        between = " to ".join(metric.show(end).removesuffix(" %") for end in ends)
        name = f"{row['model']} ({plural(words.feature, row['features'])})"
        console.say(f"{name:<48} {mean:>8}  {between}".rstrip())
    console.say()
    for verdict in verdicts(results):
        console.say(f"- {verdict.text}")
    if (trust := trust_words(results)) is not None:
        console.heading("How nodes were judged")
        for sentence in trust.beside_verdicts:
            console.say(f"- {sentence}")
    table = top_nodes(results, _SHOWN)[: None if results.has_learned else 0]
    if len(table):
        console.heading(f"Top {plural(words.node)} (+ for, - against)")
    for group, part in table.groupby("class", sort=False):
        console.say(f"{group}")
        for row in part.to_dict("records"):
            sign = "+" if row["direction"] == "for" else "-"
            console.say(
                f"  {sign} {row['label']}  {row['attribution']:+.3f}"
                + (f" ± {row['sd']:.3f}" if several else "")
                + (f"  ({row['drivers']})" if row["drivers"] else "")
            )
