"""The graph neural network by the book: one edge, one node, one channel at a time, in NumPy."""

import numpy as np

from edge2torch.compile import find_edge_model

EPSILON = 1e-5


def elu(v):
    return np.where(v > 0, v, np.expm1(np.minimum(v, 0)))


def gnn_reference(model, artifact, x, activation=None):
    """Outputs by name, (b,) each; ``activation`` stands in for the compiled one."""
    return run_by_the_book(model, artifact, x, activation)[0]


def run_by_the_book(model, artifact, x, activation=None, held=None):
    """Return outputs by name, and h by (layer, node), (b, c); some nodes may be held at a value."""
    base, plan = find_edge_model(model, artifact), artifact.execution_plan
    own, name = artifact.options["own"], artifact.graph.node_names.tolist()
    x = dict(zip(artifact.feature_names, x.numpy().T, strict=True))
    zero = np.zeros(len(next(iter(x.values()))))
    pairs = [(name[s], name[t]) for s, t in zip(plan.source, plan.target, strict=True)]
    state = {(s, t): x[s] if s in x and not reads(artifact, t) else zero for s, t in pairs}
    every = {}
    for k in range(plan.steps):
        shared = 0 if own["share_layers"] else k
        w_in, w_out = (
            dict(zip(pairs, w.detach().numpy(), strict=True)) for w in base.edge_channels(shared)
        )
        b_in, b_out = (bias_of(layer) for layer in (base.incoming(k), base.outgoing(k)))
        h = {}
        for n, node in enumerate(name[f] for f in plan.functions):
            z = np.zeros((len(zero), own["channels"]))
            for c in range(own["channels"]):
                for pair in pairs:
                    if pair[1] == node:
                        z[:, c] += w_in[pair][c] * state[pair]
                z[:, c] += b_in[n * own["channels"] + c]
            h[node] = every[k + 1, node] = at_node(z, n, base.update(k), own, activation)
            if node in (held or {}):
                h[node] = np.full_like(z, held[node])
        before, state = state, {}
        for e, (s, t) in enumerate(pairs):
            y = zero + b_out[e]
            for c in range(own["channels"] if s in h else 0):
                y = y + w_out[s, t][c] * h[s][:, c]
            if s in x and reads(artifact, t):
                y = y + direct_weight(base, e) * x[s]
            state[s, t] = y + rho(base, k) * before[s, t]
    depth = plan.steps if own["residual"] else 1
    return {o: x[o] if o in x else read_out(o, state, depth) for o in artifact.output_names}, every


def reads(artifact, node):
    return node in artifact.output_names


def read_out(node, state, depth):
    arriving = [value for (_, t), value in state.items() if t == node]
    return sum(arriving) / np.sqrt(len(arriving)) / np.sqrt(depth)


def rho(base, layer):
    return 0.0 if base.rho is None else max(base.rho[layer].item(), 0)


def bias_of(layer):
    return np.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().numpy()


def direct_weight(base, edge):
    place = base.direct_edges.tolist().index(edge)
    return base.direct.edge_weights()[place].item()


def at_node(z, n, update, own, activation):
    """Norm, activation, MLP and gate of node n: (b, c) to (b, c)."""
    act = activation or elu
    norm = getattr(update, "normalization", None)
    stages = [lambda v: normalize(v, n, norm, own["norm"]), act]
    for stage in stages if own["norm_first"] else reversed(stages):
        z = stage(z)
    if update.mlp is not None:
        first, _, second = update.mlp
        z = elu(z @ first.weight.detach().numpy().T + first.bias.detach().numpy())
        z = z @ second.weight.detach().numpy().T + second.bias.detach().numpy()
    if update.gate is not None:
        z = z / (1 + np.exp(-update.gate[n].item()))
    return z


def normalize(z, n, norm, kind):
    """One node's channels (b, c), one sample at a time where the kind allows it."""
    if kind == "none":
        return z
    out = np.empty_like(z)
    for row in range(len(z)):
        v = z[row]
        if kind == "layer":
            mean = sum(v) / len(v)
            out[row] = (v - mean) / np.sqrt(sum((v - mean) ** 2) / len(v) + EPSILON)
        elif kind == "rms":
            out[row] = v / np.sqrt(sum(v**2) / len(v) + EPSILON)
        elif kind == "softmax":
            out[row] = np.exp(v) / np.exp(v).sum()
    if kind in ("batch", "ema"):
        mean, var = norm.running_mean[n].numpy(), norm.running_var[n].numpy()
        if norm.training:
            own_mean, own_var = z.mean(0), ((z - z.mean(0)) ** 2).mean(0)
            share = 1.0 if kind == "batch" else 0.1
            mean, var = (1 - share) * mean + share * own_mean, (1 - share) * var + share * own_var
        out = (z - mean) / np.sqrt(var + EPSILON)
    shift = 0.0 if norm.bias is None else norm.bias[n].item()
    return out * norm.weight[n].item() + shift
