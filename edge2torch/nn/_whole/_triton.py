"""The walk through a whole acyclic graph on a GPU, in Triton, which comes with PyTorch for CUDA.

A program owns ``S`` samples and the nodes of one group, and walks these level by level: what a level
reads was written by the same program, so a barrier among its own threads is all it waits for. Rows
of a state (slices, rows, S) are nodes as in the layout, and a last one of ones: a bias is an edge
that leaves it. Nodes of a level are sorted by their number of edges: up to a few, some or many are
read at once, and of those with more as many as fit, as often as needed.

Each argument of a launch costs Python a microsecond, so the integers of a graph are one tensor that
begins with where its parts begin, and ``HOW`` says in bits what there is to do. Imported only where
there is a GPU: this file alone knows Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl

from edge2torch.nn._whole import _device, _stages

_AT = [tl.constexpr(k) for k in range(len(_device.PARTS))]
_N_LEVELS, _N_IN, _N_OUT, _N_ROWS, _N_KEPT, _N_EDGES = _AT[:6]
_ORDER, _BOUNDS, _POINTER, _END, _PLACE, _SIGN, _COUNTER, _CODE, _Z_ROW, _OUT_OF = _AT[6:16]
_READ, _FIRST_READ, _TARGET, _NUMBERS = _AT[16:]

_FEW, _SOME, _MANY = (tl.constexpr(edges) for edges in _device.AT_ONCE)
# an activation is one bit, so that a number says which ones a model has
_TANH, _SIGMOID = tl.constexpr(1 << _stages.TANH), tl.constexpr(1 << _stages.SIGMOID)
_RELU, _LEAKY_RELU = tl.constexpr(1 << _stages.RELU), tl.constexpr(1 << _stages.LEAKY_RELU)
_ELU, _SILU = tl.constexpr(1 << _stages.ELU), tl.constexpr(1 << _stages.SILU)
_GELU, _SOFTPLUS = tl.constexpr(1 << _stages.GELU), tl.constexpr(1 << _stages.SOFTPLUS)
_MML = tl.constexpr(1 << _stages.MML_CODE)
# more bits of how a model is computed
_SIGNED, _DROPS_EDGES, _DROPS_NODES, _KEEPS = (tl.constexpr(one) for one in _device.HOW)


# ---------------------------------------------------------------------------- functions of a node


@triton.jit
def _exponential_minus_one(z):
    near = 1 / 120 + z * (1 / 720 + z * (1 / 5040))
    near = z * (1.0 + z * (1 / 2 + z * (1 / 6 + z * (1 / 24 + z * near))))
    return tl.where(tl.abs(z) < 0.02, near, tl.exp(z) - 1.0)


@triton.jit
def _tanh(z):
    size, q = tl.abs(z), z * z
    t = tl.exp(-2.0 * size)
    far = (1.0 - t) / (1.0 + t)
    near = z * (1.0 + q * (-1 / 3 + q * (2 / 15 + q * (-17 / 315 + q * (62 / 2835)))))
    return tl.where(size < 0.05, near, tl.where(z < 0, -far, far))


@triton.jit
def _softplus(z):
    t = tl.exp(-tl.abs(z))
    u = 1.0 + t
    above = tl.where(u > 1.0, u - 1.0, 1.0)
    rest = tl.where(u > 1.0, tl.log(u) * (t / above), t)  # log(1 + t) to its last digits
    return tl.where(z > 20.0, z, rest + tl.where(z > 0, z, 0.0))


@triton.jit
def _normal_share(z):
    return 0.5 * (tl.erf(z * 0.7071067811865476) + 1.0)


@triton.jit
def _activate(z, code, a, b, HOW: tl.constexpr):
    """The activation of z; of those in ``HOW``, the one that ``code`` says."""
    y = z
    if _TANH & HOW:
        y = tl.where(code == _TANH, _tanh(z), y)
    if _SIGMOID & HOW:
        y = tl.where(code == _SIGMOID, 1.0 / (1.0 + tl.exp(-z)), y)
    if _RELU & HOW:
        y = tl.where((code == _RELU) & (z < 0), 0.0, y)  # NaN passes
    if _LEAKY_RELU & HOW:
        y = tl.where((code == _LEAKY_RELU) & (z < 0), z * a, y)
    if _ELU & HOW:
        y = tl.where(code == _ELU, tl.where(z > 0, z * b, _exponential_minus_one(z) * a), y)
    if _SILU & HOW:
        y = tl.where(code == _SILU, z / (1.0 + tl.exp(-z)), y)
    if _GELU & HOW:
        y = tl.where(code == _GELU, z * _normal_share(z), y)
    if _SOFTPLUS & HOW:
        y = tl.where(code == _SOFTPLUS, _softplus(z), y)
    if _MML & HOW:
        above = 1.0 - 0.25 / tl.where(z > 0.5, z, 0.5)
        y = tl.where(code == _MML, tl.where(z > 0.5, above, tl.where(z < 0, z * a, z)), y)
    return y


@triton.jit
def _slope(y, z, code, a, b, HOW: tl.constexpr):
    """The derivative where the activation of z is y; z is there where that needs it."""
    d = y * 0.0 + 1.0
    if _TANH & HOW:
        d = tl.where(code == _TANH, 1.0 - y * y, d)
    if _SIGMOID & HOW:
        d = tl.where(code == _SIGMOID, y * (1.0 - y), d)
    if _RELU & HOW:
        d = tl.where((code == _RELU) & (y <= 0), 0.0, d)
    if _LEAKY_RELU & HOW:
        d = tl.where((code == _LEAKY_RELU) & (y <= 0), a, d)
    if _ELU & HOW:
        d = tl.where(code == _ELU, tl.where(y > 0, b, y + a), d)
    if _SILU & HOW:
        s = 1.0 / (1.0 + tl.exp(-z))
        d = tl.where(code == _SILU, s * (1.0 + z * (1.0 - s)), d)
    if _GELU & HOW:
        density = tl.exp(z * z * -0.5) * 0.3989422804014327
        d = tl.where(code == _GELU, _normal_share(z) + z * density, d)
    if _SOFTPLUS & HOW:
        d = tl.where((code == _SOFTPLUS) & (y <= 20.0), -_exponential_minus_one(-y), d)
    if _MML & HOW:
        above = 0.5 / tl.where(z > 0.5, z, 0.5)
        d = tl.where(code == _MML, tl.where(z > 0.5, above * above, tl.where(z < 0, a, 1.0)), d)
    return d


@triton.jit
def _mixed(x, seed):
    """Two rounds of a mixing of 32 bits, as ``draw_mask`` of the walk on CPUs."""
    for shift in tl.static_range(0, 64, 32):
        x = x ^ (seed >> shift).to(tl.uint32)
        x = (x ^ (x >> 16)) * tl.full([], 0x7FEB352D, tl.uint32)
        x = (x ^ (x >> 15)) * tl.full([], 0x846CA68B, tl.uint32)
        x = x ^ (x >> 16)
    return x


@triton.jit
def _mask(seed, counter, p):
    """Return 0 with probability p, else 1 / (1 - p), of p's type; counter: same, same."""
    uniform = (_mixed(counter.to(tl.uint32), seed) >> 8).to(p.dtype) * 5.9604644775390625e-08
    return tl.where(uniform >= p, 1.0 / (1.0 - p), 0.0)


# ------------------------------------------------------------------------------------ along edges


@triton.jit
def _edges(graph):
    """Pointer to a node's first edge; an edge's other end, parameter, constraint, number."""
    pointer, end = graph + tl.load(graph + _POINTER), graph + tl.load(graph + _END)
    place, sign = graph + tl.load(graph + _PLACE), graph + tl.load(graph + _SIGN)
    return pointer, end, place, sign, graph + tl.load(graph + _COUNTER)


@triton.jit
def _nodes(graph, values):
    """Each node's activation, row of what goes into it and column of the output; three numbers."""
    code, z_row = graph + tl.load(graph + _CODE), graph + tl.load(graph + _Z_ROW)
    return code, z_row, graph + tl.load(graph + _OUT_OF), values + tl.load(graph + _NUMBERS)


@triton.jit
def _weights(flat, values, edges, e, m, seed, HOW: tl.constexpr):
    """The effective weights of edges e."""
    _, _, place, sign, counter = edges
    w = tl.load(flat + tl.load(place + e, mask=m, other=0), mask=m, other=0.0)
    if _SIGNED & HOW:
        s = tl.load(sign + e, mask=m, other=0)
        w = tl.where(s == 0, w, tl.where(w > 0, w, w * 0.0) * s)
    if _DROPS_EDGES & HOW:
        number = tl.load(counter + e, mask=m, other=0)
        w = w * _mask(~seed, number, tl.load(values + number))
    return w


@triton.jit
def _products(
    rows, lane, e, m, flat, values, edges, seed, HOW: tl.constexpr, S: tl.constexpr
):  # fmt: skip
    """Sums (nodes, S) over edges e (nodes, edges): weight times the row at the other end."""
    _, end, _, _, _ = edges
    w = _weights(flat, values, edges, e, m, seed, HOW)
    at = tl.load(end + e, mask=m, other=0)[:, :, None] * S + lane[None, None, :]
    return tl.sum(tl.load(rows + at, mask=m[:, :, None], other=0.0) * w[:, :, None], 1)


@triton.jit
def _gather(
    rows, u, m, lane, flat, values, edges, seed, HOW: tl.constexpr, S: tl.constexpr,
    WIDE: tl.constexpr, LOOP: tl.constexpr,
):  # fmt: skip
    """Sums (nodes, S) over all edges of nodes u, of which there are ``WIDE`` unless it loops."""
    pointer, _, _, _, _ = edges
    start = tl.load(pointer + u, mask=m, other=0)
    stop = tl.load(pointer + u + 1, mask=m, other=0)
    e = start[:, None] + tl.arange(0, WIDE)[None, :]
    sums = _products(rows, lane, e, e < stop[:, None], flat, values, edges, seed, HOW, S)
    if LOOP:
        for first in range(WIDE, tl.max(stop - start, 0), WIDE):
            more = e + first
            sums += _products(
                rows, lane, more, more < stop[:, None], flat, values, edges, seed, HOW, S
            )
    return sums


@triton.jit
def _computed(
    State, Kept, y, flat, values, order, edges, nodes, n_in, n_out, i, last, lane, sample, batch,
    seed, HOW: tl.constexpr, S: tl.constexpr, NODES: tl.constexpr, WIDE: tl.constexpr,
    LOOP: tl.constexpr,
):  # fmt: skip
    """Compute a tile of a level's nodes, order[i : i + NODES]."""
    code, z_row, out_of, numbers = nodes
    m = i + tl.arange(0, NODES) < last
    k = tl.load(order + i + tl.arange(0, NODES), mask=m, other=0)
    z = _gather(State, k, m, lane, flat, values, edges, seed, HOW, S, WIDE, LOOP)
    if _KEEPS & HOW:
        row = tl.load(z_row + k, mask=m, other=-1)[:, None]
        tl.store(Kept + row * S + lane[None, :], z, mask=row >= 0)
    a = tl.load(numbers + 3 * k, mask=m, other=0.0)[:, None]
    b = tl.load(numbers + 3 * k + 1, mask=m, other=0.0)[:, None]
    s = _activate(z, tl.load(code + k, mask=m, other=0)[:, None], a, b, HOW)
    if _DROPS_NODES & HOW:
        p = tl.load(numbers + 3 * k + 2, mask=m, other=0.0)[:, None]
        s = s * _mask(seed, (n_in + k)[:, None] * batch + sample[None, :], p)
    tl.store(State + (n_in + k)[:, None] * S + lane[None, :], s, mask=m[:, None])
    column = tl.load(out_of + n_in + k, mask=m, other=-1)[:, None]
    to = sample[None, :].to(tl.int64) * n_out + column
    tl.store(y + to, s, mask=(column >= 0) & (sample < batch)[None, :])


@triton.jit
def _pulled(
    State, Kept, G, gy, flat, values, order, edges, nodes, n_in, n_out, i, last, lane, sample,
    batch, seed, HOW: tl.constexpr, S: tl.constexpr, NODES: tl.constexpr, WIDE: tl.constexpr,
    LOOP: tl.constexpr,
):  # fmt: skip
    """Set G of a tile of nodes to the gradients of what goes into their activations."""
    code, z_row, out_of, numbers = nodes
    m = i + tl.arange(0, NODES) < last
    k = tl.load(order + i + tl.arange(0, NODES), mask=m, other=0)
    u = n_in + k
    g = _gather(G, u, m, lane, flat, values, edges, seed, HOW, S, WIDE, LOOP)
    column = tl.load(out_of + u, mask=m, other=-1)[:, None]
    to = sample[None, :].to(tl.int64) * n_out + column
    g += tl.load(gy + to, mask=(column >= 0) & (sample < batch)[None, :], other=0.0)
    at = u[:, None] * S + lane[None, :]
    s = tl.load(State + at, mask=m[:, None], other=0.0)
    z = s
    if _KEEPS & HOW:
        row = tl.load(z_row + k, mask=m, other=-1)[:, None]
        z = tl.load(Kept + row * S + lane[None, :], mask=row >= 0, other=0.0)
    a = tl.load(numbers + 3 * k, mask=m, other=0.0)[:, None]
    b = tl.load(numbers + 3 * k + 1, mask=m, other=0.0)[:, None]
    if _DROPS_NODES & HOW:
        p = tl.load(numbers + 3 * k + 2, mask=m, other=0.0)[:, None]
        g = g * _mask(seed, u[:, None] * batch + sample[None, :], p)
        s = s * (1.0 - p)
    g = g * _slope(s, z, tl.load(code + k, mask=m, other=0)[:, None], a, b, HOW)
    tl.store(G + at, g, mask=m[:, None])


# -------------------------------------------------------------------------------------- the walks


@triton.jit
def _level(graph, level):
    """Where nodes with few, some, many and more edges begin, and where the last ends."""
    at = (
        graph
        + tl.load(graph + _BOUNDS)
        + (tl.program_id(1) * tl.load(graph + _N_LEVELS) + level) * 5
    )
    return tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3), tl.load(at + 4)


@triton.jit(do_not_specialize=["batch", "seed"])
def forward(
    x, State, Kept, y, flat, graph, values, batch, seed, HOW: tl.constexpr, S: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    """Compute all nodes of a slice and a group from x (b, i); outputs go to y (b, o)."""
    FEW_NODES: tl.constexpr = TILE // (S * _FEW)
    SOME_NODES: tl.constexpr = TILE // (S * _SOME)
    MANY_NODES: tl.constexpr = TILE // (S * _MANY) if TILE > S * _MANY else 1
    MORE: tl.constexpr = TILE // S if TILE > S * _MANY else _MANY
    lane = tl.arange(0, S)
    sample = tl.program_id(0) * S + lane
    n_in, n_out, n_rows = tl.load(graph + _N_IN), tl.load(graph + _N_OUT), tl.load(graph + _N_ROWS)
    State += tl.program_id(0).to(tl.int64) * n_rows * S
    Kept += tl.program_id(0).to(tl.int64) * tl.load(graph + _N_KEPT) * S
    order, edges, nodes = graph + tl.load(graph + _ORDER), _edges(graph), _nodes(graph, values)
    # what the group reads; other groups write the same
    read, first = (
        graph + tl.load(graph + _READ),
        graph + tl.load(graph + _FIRST_READ) + tl.program_id(1),
    )
    last = tl.load(first + 1)
    for i in range(tl.load(first), last, TILE // S):
        m = i + tl.arange(0, TILE // S) < last
        u = tl.load(read + i + tl.arange(0, TILE // S), mask=m, other=0)[:, None]
        at = sample[None, :].to(tl.int64) * n_in + u
        value = tl.load(x + at, mask=m[:, None] & (sample < batch)[None, :], other=0.0)
        tl.store(State + u * S + lane[None, :], value, mask=m[:, None])
    tl.store(State + (n_rows - 1) * S + lane, (lane >= 0).to(State.dtype.element_ty))
    tl.debug_barrier()
    for level in range(tl.load(graph + _N_LEVELS)):
        few, some, many, more, end = _level(graph, level)
        for i in range(few, some, FEW_NODES):
            _computed(
                State, Kept, y, flat, values, order, edges, nodes, n_in, n_out, i, some, lane,
                sample, batch, seed, HOW, S, FEW_NODES, _FEW, False,
            )  # fmt: skip
        for i in range(some, many, SOME_NODES):
            _computed(
                State, Kept, y, flat, values, order, edges, nodes, n_in, n_out, i, many, lane,
                sample, batch, seed, HOW, S, SOME_NODES, _SOME, False,
            )  # fmt: skip
        for i in range(many, more, MANY_NODES):
            _computed(
                State, Kept, y, flat, values, order, edges, nodes, n_in, n_out, i, more, lane,
                sample, batch, seed, HOW, S, MANY_NODES, _MANY, False,
            )  # fmt: skip
        for i in range(more, end):
            _computed(
                State, Kept, y, flat, values, order, edges, nodes, n_in, n_out, i, end, lane,
                sample, batch, seed, HOW, S, 1, MORE, True,
            )  # fmt: skip
        tl.debug_barrier()


@triton.jit(do_not_specialize=["batch", "seed"])
def backward(
    State, Kept, G, gy, flat, graph, values, batch, seed, HOW: tl.constexpr, S: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    """Set G of all computed nodes of a slice and a group; levels come from the last on."""
    FEW_NODES: tl.constexpr = TILE // (S * _FEW)
    SOME_NODES: tl.constexpr = TILE // (S * _SOME)
    MANY_NODES: tl.constexpr = TILE // (S * _MANY) if TILE > S * _MANY else 1
    MORE: tl.constexpr = TILE // S if TILE > S * _MANY else _MANY
    lane = tl.arange(0, S)
    sample = tl.program_id(0) * S + lane
    n_in, n_out, n_rows = tl.load(graph + _N_IN), tl.load(graph + _N_OUT), tl.load(graph + _N_ROWS)
    State += tl.program_id(0).to(tl.int64) * n_rows * S
    G += tl.program_id(0).to(tl.int64) * n_rows * S
    Kept += tl.program_id(0).to(tl.int64) * tl.load(graph + _N_KEPT) * S
    order, edges, nodes = graph + tl.load(graph + _ORDER), _edges(graph), _nodes(graph, values)
    for level in range(tl.load(graph + _N_LEVELS)):
        few, some, many, more, end = _level(graph, level)
        for i in range(few, some, FEW_NODES):
            _pulled(
                State, Kept, G, gy, flat, values, order, edges, nodes, n_in, n_out, i, some, lane,
                sample, batch, seed, HOW, S, FEW_NODES, _FEW, False,
            )  # fmt: skip
        for i in range(some, many, SOME_NODES):
            _pulled(
                State, Kept, G, gy, flat, values, order, edges, nodes, n_in, n_out, i, many, lane,
                sample, batch, seed, HOW, S, SOME_NODES, _SOME, False,
            )  # fmt: skip
        for i in range(many, more, MANY_NODES):
            _pulled(
                State, Kept, G, gy, flat, values, order, edges, nodes, n_in, n_out, i, more, lane,
                sample, batch, seed, HOW, S, MANY_NODES, _MANY, False,
            )  # fmt: skip
        for i in range(more, end):
            _pulled(
                State, Kept, G, gy, flat, values, order, edges, nodes, n_in, n_out, i, end, lane,
                sample, batch, seed, HOW, S, 1, MORE, True,
            )  # fmt: skip
        tl.debug_barrier()


@triton.jit(do_not_specialize=["batch", "seed"])
def pull_inputs(
    G, dx, flat, graph, values, batch, seed, HOW: tl.constexpr, S: tl.constexpr,
    NODES: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Set dx (b, i) from the gradients of the nodes that inputs lead to."""
    lane, u = tl.arange(0, S), tl.program_id(1) * NODES + tl.arange(0, NODES)
    sample, n_in = tl.program_id(0) * S + lane, tl.load(graph + _N_IN)
    G += tl.program_id(0).to(tl.int64) * tl.load(graph + _N_ROWS) * S
    m = u < n_in
    g = _gather(G, u, m, lane, flat, values, _edges(graph), seed, HOW, S, WIDE, True)
    to = sample[None, :].to(tl.int64) * n_in + u[:, None]
    tl.store(dx + to, g, mask=m[:, None] & (sample < batch)[None, :])


@triton.jit(do_not_specialize=["batch", "seed"])
def pull_weights(
    State, G, flat, d_flat, graph, values, batch, seed, HOW: tl.constexpr, S: tl.constexpr,
    EDGES: tl.constexpr, SAMPLES: tl.constexpr,
):  # fmt: skip
    """Put the gradients of edges, sums over samples, where their parameters stand in ``flat``."""
    _, source, place, sign, counter = _edges(graph)
    target, n_rows = graph + tl.load(graph + _TARGET), tl.load(graph + _N_ROWS)
    e = tl.program_id(0) * EDGES + tl.arange(0, EDGES)
    m = e < tl.load(graph + _N_EDGES)
    up = tl.load(source + e, mask=m, other=0)[:, None] * S
    down = tl.load(target + e, mask=m, other=0)[:, None] * S
    sums = tl.zeros([EDGES, SAMPLES], State.dtype.element_ty)
    for first in range(0, batch, SAMPLES):
        j = first + tl.arange(0, SAMPLES)
        at = ((j // S).to(tl.int64) * n_rows * S + j % S)[None, :]
        both = m[:, None] & (j < batch)[None, :]
        s = tl.load(State + at + up, mask=both, other=0.0)
        sums += s * tl.load(G + at + down, mask=both, other=0.0)
    value = tl.sum(sums, 1)
    slot = tl.load(place + e, mask=m, other=0)
    if _DROPS_EDGES & HOW:
        number = tl.load(counter + e, mask=m, other=0)
        value = value * _mask(~seed, number, tl.load(values + number))
    if _SIGNED & HOW:
        s = tl.load(sign + e, mask=m, other=0)
        value = tl.where(s == 0, value, value * s)
        # held back: it would lower a weight at its bound
        held = (s != 0) & (tl.load(flat + slot, mask=m, other=1.0) <= 0) & (value > 0)
        value = tl.where(held, value * 0.0, value)
    tl.store(d_flat + slot, value, mask=m)
