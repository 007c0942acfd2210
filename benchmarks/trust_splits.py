"""Rows of benchmarks/trust.py on splits: donors that were not named, and intervals of scores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from edge2torch import run_study
from edge2torch.study._intervals import HeldOut, intervals
from edge2torch.study._task import choose_task
from edge2torch.train import repeated_folds

Row = dict[str, object]

_SETS, _GENES, _DONORS, _EACH = 8, 40, 20, 10
_FRESH = 20_000  # samples that are told from those that were drawn


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3g} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.2g}"


# ------------------------------------------------------------------ a donor's label, a donor's shift


def donor_shift(runs: int) -> Iterator[Row]:
    """Twenty donors of ten samples: label and shift are the donor's, and have nothing in common."""
    plain, grouped, warned, still, learned = [], [], [], [], []
    for seed in range(runs):
        edges, table = shifted_donors(seed)
        how = {"seed": seed, "replicates": 0, "quiet": True}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            as_it_is = run_study(edges, table, "kind", seeds=1, **how)
            named = run_study(edges, table, "kind", groups="donor", seeds=4, test_folds=4, **how)
        for study, into in ((as_it_is, plain), (named, grouped)):
            scores = study.scores
            into.append(float(scores.loc[scores["model"] == "KPNN", "accuracy"].mean()))
        warned.append("'donor' looks like a group" in " ".join(as_it_is.results.study.suspects))
        still.append(len(named.results.study.suspects) > 0)
        learned.append(named.learned)
        print(f"  donors, seed {seed}: {plain[-1]:.3f}, {grouped[-1]:.3f}", flush=True)
    row = "donor shift (20 donors × 10 samples, the label a donor's):"
    yield {"row": f"{row} accuracy, donors not named", "measured": spread(plain), "runs": runs}
    yield {"row": f"{row} accuracy with groups=", "measured": spread(grouped), "runs": runs}
    yield {"row": f"{row} warned of the donor", "measured": f"{sum(warned)}", "runs": runs}
    yield {"row": f"{row} warned although named", "measured": f"{sum(still)}", "runs": runs}
    yield {
        "row": f"{row} with groups= the network is better than guessing",
        "measured": f"{sum(learned)}",
        "runs": runs,
    }


def shifted_donors(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Edges, and samples with their donor and its kind; new donors cannot be told."""
    rng = np.random.default_rng(seed)
    genes = [f"g{k:02d}" for k in range(_GENES)]
    donor = np.repeat(np.arange(_DONORS), _EACH)
    x = rng.normal(size=(len(donor), _GENES)) + 2 * rng.normal(size=(_DONORS, _GENES))[donor]
    kind = rng.permutation(["case", "control"] * (_DONORS // 2))[donor]
    table = pd.DataFrame(x, columns=genes, index=[f"s{k}" for k in range(len(donor))])
    table = table.assign(donor=[f"d{k}" for k in donor], kind=kind)
    sets = [f"P{k}" for k in range(_SETS)]
    pairs = [(gene, sets[k % _SETS]) for k, gene in enumerate(genes)]
    pairs += [(one, end) for one in sets for end in ("case", "control")]
    return pd.DataFrame(pairs, columns=["source", "target"]), table


# ------------------------------------------------------------------ intervals of scores and differences


def score_coverage(runs: int) -> Iterator[Row]:
    """Whether 90 % intervals hold the accuracy, and the lead, of the same models on fresh samples.

    Four folds, each sample held out once; logistic regression of all features, and of some.
    """
    for donors in (False, True):
        hits: dict[str, list[float]] = {"score": [], "difference": []}
        for seed in range(runs):
            for name, hit in _covered(seed, donors).items():
                hits[name].append(float(hit))
        said = "30 donors" if donors else "240 samples"
        for name, own in hits.items():
            yield {
                "row": f"coverage of 90 % intervals of the {name}, {said}",
                "measured": f"{np.mean(own):.3f}",
                "runs": runs,
            }


def _covered(seed: int, donors: bool) -> dict[str, bool]:
    rng, n = np.random.default_rng([seed, int(donors), 1]), 240
    x, y, group = _samples(rng, n, donors)
    fresh, truth, _ = _samples(rng, _FRESH, donors)
    task = choose_task(pd.Series(y, name="kind"), "auto", 2)
    models = {("all", 8): list(range(8)), ("some", 2): [0, 4]}
    parts, found = [], {key: [] for key in models}
    folds = repeated_folds(task.values, np.arange(n), 4, groups=group, seed=seed)
    for rows, held_out in folds:
        made = {}
        for key, columns in models.items():
            fitted = LogisticRegression(C=0.3).fit(x[rows][:, columns], y[rows])
            made[key] = fitted.predict_proba(x[held_out][:, columns])
            found[key].append(float(fitted.score(fresh[:, columns], truth)))
        parts.append(HeldOut(rows, held_out, made))
    first, second = models
    table = intervals(task, parts, [(first, second)], group)
    table = table[table["metric"] == "accuracy"].set_index(["model", "against"])
    true = {("all", ""): np.mean(found[first])}
    true["all", "some"] = true["all", ""] - np.mean(found[second])
    return {
        name: bool(table.loc[key, "low"] <= true[key] <= table.loc[key, "high"])
        for name, key in {"score": ("all", ""), "difference": ("all", "some")}.items()
    }


def _samples(
    rng: np.random.Generator, n: int, donors: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Eight features, three of which tell the classes; a donor shifts eight samples together."""
    group = np.repeat(np.arange(n // 8), 8) if donors else np.arange(n)
    x = rng.normal(size=(n, 8)) + rng.normal(size=(n, 8))[group] * (0.7 if donors else 0.0)
    y = np.where(x[:, :3].sum(axis=1) + 1.5 * rng.normal(size=n) > 0, "high", "low")
    return x, y, (group.astype(str) if donors else None)
