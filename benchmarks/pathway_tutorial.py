"""Does a pathway regularizer tell true membership from shuffled? Twenty seeds, seven arms.

    python benchmarks/pathway_tutorial.py --seeds 20            # the table
    python benchmarks/pathway_tutorial.py --held-out --seeds 10 --shuffles 19

Four pathways of three function nodes, in separate data; a table with eight spurious edges between
pathways. Every arm trains the same model on the same data from the same start. Within minus cross
is the mean cosine of node pairs in one pathway minus that of pairs in two, on test samples, of
raw values at the last layer (as in the published tutorial) and of centred values of all layers;
ARI compares k-means clusters of the nodes with the pathways; leak is the share of the mean
absolute input-output Jacobian that crosses pathways.
"""

from __future__ import annotations

import argparse
import json
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import ttest_rel
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import edge2torch as e2t
from benchmarks.markdown import markdown
from edge2torch.regularize import CrossPathwayLasso, PathwayLatentRegularizer
from edge2torch.simulate import disconnected_pathways

ARMS = {
    "baseline": {},
    "correlation, true": {"form": "correlation", "membership": "true"},
    "correlation, shuffled": {"form": "correlation", "membership": "shuffled"},
    "contrastive, true": {"form": "contrastive", "membership": "true"},
    "contrastive, shuffled": {"form": "contrastive", "membership": "shuffled"},
    "+ edge prior, true": {"form": "contrastive", "membership": "true", "prior": True},
    "+ edge prior, shuffled": {"form": "contrastive", "membership": "shuffled", "prior": True},
}
EPOCHS, LAMBDA, PRIOR = 500, 0.1, 0.05
HELD_OUT = {"n_train": 128, "epochs": 150, "lr": 1e-2}  # twenty times as many models: smaller ones
MODEL = {"backend": "gnn", "steps": 4, "channels": 8, "kernel": "dense"}


def shuffled(membership, rng):
    """The same pathway sizes, other nodes."""
    nodes = [node for own in membership.values() for node in own]
    drawn = iter(rng.permutation(nodes).tolist())
    return {name: [next(drawn) for _ in own] for name, own in membership.items()}


def fit(
    problem, seed, membership, *, form="contrastive", align="channel", prior=False, epochs=EPOCHS
):
    """Train one model; return it with its artifact."""
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(
        problem.edges,
        quiet=True,
        inputs=problem.input_nodes,
        outputs=problem.output_nodes,
        **MODEL,
    )
    x, y = (torch.tensor(t.to_numpy(np.float32)) for t in (problem.x_train, problem.y_train))
    terms = []
    if membership is not None:
        pathways = PathwayLatentRegularizer(
            model, membership, lambda_sim=LAMBDA, artifact=artifact, form=form, align=align
        )
        terms.append(lambda: pathways.loss()[0])
        if prior:
            terms.append(CrossPathwayLasso(model, membership, PRIOR, artifact=artifact).loss)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        for term in terms:
            loss = loss + term()
        loss.backward()
        optimizer.step()
    if membership is not None:
        pathways.disable()
    return model.eval(), artifact


def measure(problem, model, artifact):
    """What the table shows, of one trained model."""
    x, y = (torch.tensor(t.to_numpy(np.float32)) for t in (problem.x_test, problem.y_test))
    with torch.no_grad():
        mse = torch.nn.functional.mse_loss(model(x), y).item()
    label = labels(problem)
    raw, centred = features(problem, model, artifact, x)
    weights = e2t.edge_weights(model, artifact)["weight"].abs().to_numpy()
    inner = problem.edges["source"].isin(label) & problem.edges["target"].isin(label)
    spurious = problem.edges["is_spurious"].to_numpy()
    return {
        "test MSE": mse,
        "within - cross, raw": gap(raw, label),
        "within - cross, centred": gap(centred, label),
        "ARI, raw": ari(raw, label),
        "ARI, centred": ari(centred, label),
        "true/spurious edge": weights[inner & ~spurious].mean() / weights[spurious].mean(),
        "leak": leak(problem, model, x[:256]),
    }


def labels(problem):
    return {node: name for name, own in problem.membership.items() for node in own}


def features(problem, model, artifact, x):
    """Unit vectors of nodes: raw values of the last layer, centred values of all layers."""
    with torch.no_grad():
        values = e2t.get_node_activations(model, artifact, x, agg="all")
    nodes = [node for own in problem.membership.values() for node in own]
    raw = torch.stack([values[node][:, -1].flatten() for node in nodes])
    centred = torch.stack([(values[n] - values[n].mean(0)).flatten() for n in nodes])
    return tuple(torch.nn.functional.normalize(v).numpy() for v in (raw, centred))


def gap(vectors, label):
    cosine, own = vectors @ vectors.T, np.array(list(label.values()))
    same, other = own[:, None] == own, ~np.eye(len(own), dtype=bool)
    return cosine[same & other].mean() - cosine[~same].mean()


def ari(vectors, label):
    own = list(label.values())
    found = KMeans(len(set(own)), n_init=10, random_state=0).fit_predict(vectors)
    return adjusted_rand_score(own, found)


def leak(problem, model, x):
    """Cross-pathway share of the mean absolute Jacobian."""
    x = x.requires_grad_()
    y = model(x)
    rows = [torch.autograd.grad(y[:, k].sum(), x, retain_graph=True)[0] for k in range(y.shape[1])]
    size = torch.stack(rows).abs().mean(1).numpy()
    own_in, own_out = (
        np.array([name.split("_")[0] for name in names])
        for names in (problem.input_nodes, problem.output_nodes)
    )
    return size[own_out[:, None] != own_in].sum() / size.sum()


def one_seed(seed):
    torch.set_num_threads(1)
    problem = disconnected_pathways(seed=seed)
    pathways = {
        "true": dict(problem.membership),
        "shuffled": shuffled(problem.membership, np.random.default_rng([seed, 2])),
    }
    rows = []
    for arm, options in ARMS.items():
        own = dict(options)
        membership = pathways.get(own.pop("membership", None))
        start = time.perf_counter()
        model, artifact = fit(problem, seed, membership, **own)
        seconds = time.perf_counter() - start
        result = measure(problem, model, artifact)
        rows.append({"seed": seed, "arm": arm, **result, "seconds": seconds})
    return rows


def held_out(task):
    """Hide one member per pathway from the loss; ask which pathway it is most like.

    The true membership and its shuffles share graph, data and start, so they train as one stack.
    """
    seed, shuffles, align = task
    torch.set_num_threads(1)
    problem = disconnected_pathways(seed=seed, n_train=HELD_OUT["n_train"])
    shown, hidden = [], []
    for k in range(shuffles + 1):
        membership = dict(problem.membership)
        if k:
            membership = shuffled(membership, np.random.default_rng([seed, 3, k]))
        rng = np.random.default_rng([seed, 4, k])
        hidden.append({name: own[rng.integers(len(own))] for name, own in membership.items()})
        shown.append({p: [n for n in own if n != hidden[k][p]] for p, own in membership.items()})
    model, artifact, stack = fit_stack(problem, seed, shown, align)
    x = torch.tensor(problem.x_test.to_numpy(np.float32)[:256])
    rows = []
    for k in range(shuffles + 1):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(stack[name][k])
            values = e2t.get_node_activations(model, artifact, x, agg="all")
        for asked in sorted({align, "cka"}):
            right, margin = recovery(values, shown[k], hidden[k], asked)
            rows.append(
                {
                    "seed": seed,
                    "shuffle": k,
                    "align": align,
                    "asked by": asked,
                    "recovered": right,
                    "margin": margin,
                }
            )
    return rows


def fit_stack(problem, seed, memberships, align):
    """Train one model per membership, all at once."""
    model, artifact = fit(problem, seed, None, epochs=0)
    x, y = (torch.tensor(t.to_numpy(np.float32)) for t in (problem.x_train, problem.y_train))
    terms = [
        PathwayLatentRegularizer(model, one, lambda_sim=LAMBDA, artifact=artifact, align=align)
        for one in memberships
    ]
    for term in terms[1:]:
        term.disable()
    matrices = torch.stack([term.get_buffer("_matrix") for term in terms])

    def loss(parameters, matrix):
        task = (torch.func.functional_call(model, parameters, (x,)) - y).square().mean()
        return task + torch.func.functional_call(terms[0], {"_matrix": matrix}, ())[0]

    stack = {
        name: p.detach().expand(len(terms), *p.shape).clone()
        for name, p in model.named_parameters()
    }
    step = torch.func.vmap(torch.func.grad(loss))
    optimizer = torch.optim.Adam(list(stack.values()), lr=HELD_OUT["lr"], weight_decay=1e-5)
    for _ in range(HELD_OUT["epochs"]):
        for name, gradient in step(stack, matrices).items():
            stack[name].grad = gradient
        optimizer.step()
    terms[0].disable()
    return model.eval(), artifact, stack


def recovery(values, shown, hidden, align):
    """Return the share of hidden nodes most like their pathway, and by how much on average."""

    def vector(node):
        centred = (values[node] - values[node].mean(0)).flatten(1)
        centred = centred if align == "channel" else centred @ centred.T
        return torch.nn.functional.normalize(centred.flatten(), dim=0)

    centre = {name: sum(map(vector, own)) for name, own in shown.items()}
    centre = {name: torch.nn.functional.normalize(v, dim=0) for name, v in centre.items()}
    right, margin = [], []
    for name, node in hidden.items():
        cosine = {p: float(vector(node) @ v) for p, v in centre.items()}
        others = [value for p, value in cosine.items() if p != name]
        right.append(cosine[name] > max(others))
        margin.append(cosine[name] - np.mean(others))
    return float(np.mean(right)), float(np.mean(margin))


def table(frame):
    numbers = frame.drop(columns="seconds").groupby("arm", sort=False)
    means = numbers.mean(numeric_only=True).drop(columns="seed")
    means.insert(1, "its median", numbers["test MSE"].median())
    means["true/spurious edge"] = numbers["true/spurious edge"].median()
    print(markdown(means, "arm"))

    def paired(arm, control, column):
        wide = frame.pivot_table(index="seed", columns="arm", values=column)
        return ttest_rel(wide[arm], wide[control]).pvalue

    for arm in ("correlation", "contrastive", "+ edge prior"):
        for column in ("within - cross, raw", "within - cross, centred", "ARI, centred"):
            p = paired(f"{arm}, true", f"{arm}, shuffled", column)
            print(f"{arm}: {column}, true against shuffled, paired t-test p = {p:.1e}")


def held_out_table(frame):
    rows = {}
    for (align, asked), own in frame.groupby(["align", "asked by"]):
        true, control = own[own["shuffle"] == 0], own[own["shuffle"] > 0]
        ranks = []
        for seed, margin in true.set_index("seed")["margin"].items():
            rest = control.loc[control["seed"] == seed, "margin"]
            ranks.append((1 + (rest >= margin).sum()) / (1 + len(rest)))
        rows[f"align={align}, asked by {asked}"] = {
            "recovered": true["recovered"].mean(),
            "shuffled": control["recovered"].mean(),
            "margin": true["margin"].mean(),
            "its shuffled": control["margin"].mean(),
            "rank p, median": np.median(ranks),
            "rank p, largest": np.max(ranks),
        }
    print(markdown(pd.DataFrame(rows).T, "trained with"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--shuffles", type=int, default=19)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="keep the seeds that are done")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    kind = "held_out" if options.held_out else "tutorial"
    path = options.out / f"pathway_{kind}.jsonl"
    if not options.resume:
        path.unlink(missing_ok=True)
    rows = [json.loads(line) for line in path.open()] if path.exists() else []
    done = {row["seed"] for row in rows}
    tasks = [seed for seed in range(options.seeds) if seed not in done]
    if options.held_out:
        tasks = [(seed, options.shuffles, align) for seed in tasks for align in ("channel", "cka")]
    with get_context("spawn").Pool(options.processes) as pool, path.open("a") as file:
        for found in pool.imap_unordered(held_out if options.held_out else one_seed, tasks):
            for row in found:
                rows.append(row)
                file.write(json.dumps(row, default=float) + "\n")
            file.flush()
    (held_out_table if options.held_out else table)(pd.DataFrame(rows).sort_values("seed"))


if __name__ == "__main__":
    main()
