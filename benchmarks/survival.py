"""Times to an event: is what is said of them right, and how far does it hold? One part per question.

    python benchmarks/survival.py loss coverage groups censoring spoiled
    python benchmarks/survival.py planted --seeds 3
    python benchmarks/survival.py planted --null --seeds 200 --sizes 197
    python benchmarks/survival.py cohort --data patients.csv --edges edges.csv --time years --event died \\
        --covariate arm --splits splits.tsv

`cohort` holds a network, trained as a study trains it, beside ridge Cox on the same features and on all,
over the folds of a table (a column per repeat) or of its own; --from and --to train on one value of
the covariate and test on another; --set changes the network's settings.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import chi2

from edge2torch import Edge2TorchError, cox_loss, run_study
from edge2torch.study import StudySettings
from edge2torch.study._outcomes._survival_checks import censoring_words
from edge2torch.survival import (
    Outcome,
    TimeToEvent,
    compare_concordance,
    cox_regression,
    harrell_c,
    integrated_brier,
    logrank,
    outcome_of,
    simulate,
    survival_folds,
    uno_c,
)

Row = dict[str, Any]


def loss(_: argparse.Namespace) -> list[Row]:
    """Time of the loss and its gradient, float32, with and without what makes risk sets uneven."""
    rng, rows = np.random.default_rng(0), []
    for n in (1_000, 10_000, 100_000):
        when, event = np.round(rng.exponential(5, n), 3) + 1e-3, rng.random(n) < 0.5
        options: dict[str, Row] = {
            "plain": {},
            "200 strata": {"strata": rng.integers(0, 200, n)},
            "delayed entry": {"entry": when / 2 - 1e-3},
        }
        for name, more in options.items():
            theta = torch.randn(n, requires_grad=True)
            taken = []
            for _ in range(3):
                begin = time.thread_time()
                cox_loss(theta, when, event, **more).backward()
                taken.append(time.thread_time() - begin)
            rows.append({"patients": n, "risk sets": name, "CPU seconds": round(min(taken), 4)})
    return rows


def coverage(args: argparse.Namespace) -> list[Row]:
    """Whether the 95 % interval of C holds the C of 20,000 fresh patients of the same model."""
    rows = []
    for n in (100, 200, 400):
        held = 0
        for seed in range(args.runs):
            rng = np.random.default_rng(seed)
            theta = rng.normal(size=20_000 + n)
            risk = theta + rng.normal(size=len(theta))
            outcome = simulate(theta, ties=200, seed=seed)
            fresh = outcome.take(np.arange(n, len(theta)))
            own = compare_concordance(outcome.take(np.arange(n)), {"m": risk[:n]}, seed=seed).iloc[
                0
            ]
            held += own["low"] <= harrell_c(fresh.time, fresh.event, risk[n:]) <= own["high"]
        rows.append({"patients": n, "runs": args.runs, "held, %": 100 * held / args.runs})
    return rows


def groups(args: argparse.Namespace) -> list[Row]:
    """How often groups of risk differ on pure noise: held out, and of those who were trained with."""
    names = "out of fold, as a report has it", "the same, chi-squared not halved", "in sample"
    found = dict.fromkeys(names, 0)
    for seed in range(args.runs):
        rng = np.random.default_rng(seed)
        x, outcome = pd.DataFrame(rng.normal(size=(120, 40))), simulate(np.zeros(120), seed=seed)
        high, fold = np.zeros(120, bool), np.zeros(120, int)
        for k, (train, test) in enumerate(survival_folds(outcome, 5, seed=seed)):
            fitted = cox_regression(x.iloc[train], outcome.take(train), penalty=0.3)
            cut = fitted.log_hazard(x.iloc[train]).median()
            high[test], fold[test] = fitted.log_hazard(x.iloc[test]) > cut, k
        held_out = logrank(high, outcome.time, outcome.event, strata=fold)
        risk = cox_regression(x, outcome, penalty=0.3).log_hazard(x)
        seen = logrank(risk > risk.median(), outcome.time, outcome.event)
        halved = float(chi2.sf(held_out.statistic / 2, 1))
        for name, p in zip(names, (halved, held_out.pvalue, seen.pvalue), strict=True):
            found[name] += p < 0.05
    return [
        {"groups": name, "runs": args.runs, "log-rank p < .05, %": 100 * n / args.runs}
        for name, n in found.items()
    ]


def censoring(args: argparse.Namespace) -> list[Row]:
    """How often censoring is called informative, where it is and where it is not."""
    found = {"by a feature": 0, "at random": 0}
    for seed in range(args.seeds):
        rng = np.random.default_rng(seed)
        x = pd.DataFrame(rng.normal(size=(250, 30)))
        when = rng.exponential(np.exp(-x[0]))
        last = rng.exponential(np.exp(-1.5 * x[1]))
        found["by a feature"] += (
            censoring_words(x, Outcome(np.minimum(when, last), when <= last)) != ""
        )
        found["at random"] += censoring_words(x, simulate(x[0], censored=0.5, seed=seed)) != ""
    return [{"censored": name, "cohorts": args.seeds, "warned": n} for name, n in found.items()]


def spoiled(args: argparse.Namespace) -> list[Row]:
    """Tables with a cell, a column or a role spoiled: a result, or an error of ours."""
    rng = np.random.default_rng(0)
    bad = [
        None,
        np.nan,
        np.inf,
        -np.inf,
        -1,
        2,
        1e300,
        "",
        "NA",
        "2020-01-03",
        "dead",
        b"x",
        [1],
        {},
        1j,
    ]
    ends = {"result": 0, "our error": 0, "another error": 0}
    for _ in range(args.inputs):
        n = int(rng.integers(0, 12))
        table = pd.DataFrame(
            {"t": rng.exponential(size=n), "e": rng.integers(0, 2, n), "s": rng.integers(0, 2, n)}
        ).astype(object)
        for _ in range(int(rng.integers(0, 4))):
            if n:
                table.iat[int(rng.integers(n)), int(rng.integers(3))] = bad[rng.integers(len(bad))]
        roles = {"entry": "s"} if rng.random() < 0.2 else {"strata": "s"}
        try:
            outcome, _ = outcome_of(table, "t", "e", **roles)
            harrell_c(outcome.time, outcome.event, rng.normal(size=n), strata=outcome.strata)
            ends["result"] += 1
        except Edge2TorchError:
            ends["our error"] += 1
        except Exception as error:  # noqa: BLE001 (what is counted)
            ends["another error"] += 1
            print(f"{type(error).__name__}: {error}\n{table}")
    return [{"end": name, "inputs": n} for name, n in ends.items()]


def planted(args: argparse.Namespace) -> list[Row]:
    """One pathway of twenty drives the hazard, 2.5-fold per sd of its members' mean."""
    rows = []
    sets, size = 20, 10
    genes = [f"g{k}" for k in range(sets * size)]
    edges = pd.DataFrame(
        [(gene, f"set{k // size}") for k, gene in enumerate(genes)]
        + [(f"set{k}", "hazard") for k in range(sets)],
        columns=["source", "target"],
    )
    for n in args.sizes:
        for seed in range(args.seeds):
            rng = np.random.default_rng(seed)
            x = pd.DataFrame(rng.normal(size=(n, len(genes))), columns=genes)
            x += np.repeat(rng.normal(size=(n, sets)), size, axis=1)  # members go together
            mean = x[genes[:size]].mean(axis=1)
            effect = np.log(2.5) * (mean - mean.mean()) / mean.std() * (not args.null)
            outcome = simulate(effect, ties=100, seed=seed)
            x["time"], x["event"] = outcome.time, outcome.event.astype(int)
            begin = time.process_time()
            study = run_study(
                edges, x, TimeToEvent("time", "event"), quiet=True,
                **{"seeds": 1, "seed": seed, **given_settings(args)},
            )  # fmt: skip
            held_out = study.predictions
            rest = ~x.index.astype(str).isin(held_out.index)
            members = x[genes[:size]]
            told = cox_regression(members[rest], outcome.take(rest))
            judged = outcome.take(~rest)
            trust = study.trust
            c = study.scores.set_index("model")["harrell_c"]
            row: Row = {
                "patients": n,
                "seed": seed,
                "network": c["KPNN"],
                "ridge Cox": c["ridge Cox"],
                "ridge told the members": harrell_c(
                    judged.time, judged.event, told.log_hazard(members[~rest])
                ),
                "learned": study.learned,
                "judged": trust is not None,
                "first": trust is not None and trust.table["gain"].idxmax() == "set0",
                "found": trust is not None and "set0" in trust.found,
                "others found": 0 if trust is None else len(set(trust.found) - {"set0"}),
                "rewired found": 0 if trust is None else trust.n_rewired,
                "beats": any("above it" in one.text and one.good for one in study.verdicts),
                "CPU seconds": time.process_time() - begin,
            }
            print({k: v if isinstance(v, bool) else round(float(v), 3) for k, v in row.items()})
            rows.append(row)
    table = pd.DataFrame(rows).drop(columns="seed")
    means = table.groupby("patients").mean().reset_index()
    means.insert(1, "runs", table.groupby("patients").size().to_numpy())
    return means.to_dict("records")


def given_settings(args: argparse.Namespace) -> dict[str, float]:
    """Settings of a study from name=number."""
    pairs = (one.split("=") for one in args.set)
    return {name: int(value) if value.isdigit() else float(value) for name, value in pairs}


def cohort(args: argparse.Namespace) -> list[Row]:
    """A network as a study trains it, beside ridge Cox, over given folds."""
    table = pd.read_csv(args.data, index_col=0)
    outcome, notes = outcome_of(table, args.time, args.event, strata=args.strata)
    print(*notes, sep="\n")
    known = [args.time, args.event, *args.covariate, *([args.strata] if args.strata else [])]
    x = table.drop(columns=known).select_dtypes("number").astype(np.float32)
    edges = pd.read_csv(args.edges)
    own = x.columns[x.columns.isin(edges["source"])]
    rng = np.random.default_rng(args.permuted or 0)
    if args.permuted is not None:  # pairs together, so that the censoring stays
        order = rng.permutation(len(table))
        outcome = outcome.take(order)
        table[[args.time, args.event]] = table[[args.time, args.event]].to_numpy()[order]
    rows = []
    for repeat, fold, test in _folds(args, outcome, table):
        train, held_out = np.flatnonzero(~test), outcome.take(test)
        fitted = outcome.take(train)
        tau = args.horizon or float(np.quantile(fitted.time[fitted.event], 0.8))
        grid = np.linspace(tau / 10, tau, 46)
        models: dict[str, pd.DataFrame] = {
            "ridge Cox, same genes": x[own],
            "ridge Cox, all genes": x,
        }
        if args.covariate:
            models["covariates alone"] = pd.get_dummies(
                table[args.covariate], drop_first=True
            ).astype(float)
        for name, features in models.items():
            free = list(features) if name == "covariates alone" else []
            model = cox_regression(features.iloc[train], fitted, unpenalized=free, seed=repeat)
            risk = model.log_hazard(features[test])
            row = {"repeat": repeat, "fold": fold, "model": name, "penalty": model.penalty}
            row |= {"C": harrell_c(held_out.time, held_out.event, risk, strata=held_out.strata)}
            if args.strata is None:
                curves = model.baseline.survival_curves(risk, grid)
                judged = held_out.time, held_out.event
                row |= {
                    "Uno's C": uno_c(*judged, risk, tau, train=fitted),
                    "Brier": integrated_brier(*judged, curves, train=fitted),
                }
            rows.append(row)
        if args.network:
            found_c, inner = _network_c(args, edges, table, x, test, repeat)
            own_row = {"repeat": repeat, "fold": fold, "model": "network", "C": found_c}
            rows.append({**own_row, "inner loss": inner})
        print(pd.DataFrame(rows).tail(len(models) + args.network).to_string(), flush=True)
    found = pd.DataFrame(rows).drop(columns=["repeat", "fold"])
    parts = found.groupby("model", sort=False)
    mean, sd = parts.mean().add_suffix(" mean"), parts.std().add_suffix(" sd")
    return mean.join(sd).round(4).reset_index().to_dict("records")


def _folds(
    args: argparse.Namespace, outcome: Outcome, table: pd.DataFrame
) -> list[tuple[int, int, Any]]:
    if args.train_on:
        column = table[args.covariate[0]].astype(str)
        return [(0, 0, (column != args.train_on).to_numpy())]
    if args.splits:
        splits = pd.read_csv(args.splits, sep="\t", index_col=0).loc[table.index]
        return [
            (k, int(fold), (splits.iloc[:, k] == fold).to_numpy())
            for k in range(args.first_repeat, min(args.repeats, splits.shape[1]))
            for fold in np.unique(splits.iloc[:, k])
        ]
    found = []
    for k, (_, test) in enumerate(survival_folds(outcome, 5, repeats=args.repeats)):
        mask = np.zeros(len(outcome), bool)
        mask[test] = True
        found.append((k // 5, k % 5, mask))
    return found


def _network_c(
    args: argparse.Namespace,
    edges: pd.DataFrame,
    table: pd.DataFrame,
    x: pd.DataFrame,
    test: Any,
    seed: int,
) -> tuple[float, float]:
    """The first part of a study: the network of the given edges, tested on one fold.

    Beside it the least loss of the inner folds, by which settings are chosen.
    """
    label = TimeToEvent(table[args.time], table[args.event])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = run_study(
            edges,
            x[~test],
            label,
            test_data=x[test],
            quiet=True,
            settings=StudySettings(seeds=1, seed=seed, replicates=0),
            **given_settings(args),
        )
    return float(study.scores["harrell_c"].iloc[0]), float(min(study.results.first.losses))


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "loss": loss,
    "coverage": coverage,
    "groups": groups,
    "censoring": censoring,
    "spoiled": spoiled,
    "planted": planted,
    "cohort": cohort,
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[197, 400])
    parser.add_argument("--null", action="store_true", help="plant nothing")
    for name in ("data", "edges", "time", "event", "strata", "splits"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--from", dest="train_on", help="value of the first covariate")
    parser.add_argument("--covariate", nargs="+", default=[])
    parser.add_argument("--horizon", type=float)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--first-repeat", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="of a study")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--permuted", type=int, help="permute (time, event) pairs with this seed")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    for part in args.parts:
        begin = time.process_time()
        rows = PARTS[part](args)
        print(f"\n## {part}: {PARTS[part].__doc__}\n")
        print(pd.DataFrame(rows).round(4).to_string(index=False))
        print(f"\n{time.process_time() - begin:.0f} CPU seconds.")


if __name__ == "__main__":
    main()
