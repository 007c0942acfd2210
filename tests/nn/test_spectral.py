"""The largest eigenvalue: against LAPACK, ARPACK and closed forms; its derivative by every edge."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import eigs
from torch.autograd import gradcheck

import edge2torch as e2t
from edge2torch.compile import _recurrent
from edge2torch.nn import EdgePattern, _eigen, amplification, spectral_radius


def ring(weights):
    n = len(weights)
    matrix = np.zeros((n, n))
    matrix[(np.arange(n) + 1) % n, np.arange(n)] = weights
    return matrix


def found_in(matrix):
    rows, columns = np.nonzero(matrix)
    pattern = EdgePattern(rows, columns, matrix.shape)
    return amplification(pattern, torch.from_numpy(matrix[rows, columns])), pattern


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


RINGS = {
    "12 of 1.1": (np.full(12, 1.1), 1.1),
    "20, unequal": (np.tile([2.0, 0.7], 10), np.sqrt(1.4)),
    "50 of 1.1": (np.full(50, 1.1), 1.1),
    "a weak edge back": (np.r_[np.full(99, 1.0241), 1e-6], (1.0241**99 * 1e-6) ** 0.01),
    "an odd sign": (np.r_[np.full(12, 1.1), -1.1], 1.1),
    "beyond all numbers": (np.tile([1e30, 1e-30], 3000), 1.0),
}


@pytest.mark.parametrize("name", RINGS)
def test_a_single_cycle_is_the_geometric_mean(name):
    weights, right = RINGS[name]
    n = len(weights)
    pattern = EdgePattern(np.arange(n), (np.arange(n) - 1) % n, (n, n))
    by_row = torch.from_numpy(np.roll(weights, 1))
    for signs in (by_row, by_row.abs()):
        found = amplification(pattern, signs)
        assert found.radius == pytest.approx(right, rel=1e-9)
        assert not found.is_bound
        assert found.share.numpy() == pytest.approx(1 / n)


def random_matrix(kind, n, seed):
    """Matrices of the kinds that block power iteration gets wrong."""
    rng = np.random.default_rng(seed)
    sparse = rng.standard_normal((n, n)) * (rng.random((n, n)) < 5 / n)
    phase = np.arange(n) % 6
    if kind == "periodic":
        more = rng.standard_normal((n, n)) * (rng.random((n, n)) < 20 / n)
        return more * (phase[:, None] == (phase + 1) % 6)
    if kind == "nearly acyclic":
        forward = np.tril(sparse, -1) + np.diag(np.full(n - 1, 0.4), -1)
        forward[: n // 4, -n // 4 :] += 1e-6 * (rng.random((n // 4, n // 4)) < 0.3)
        return forward
    if kind == "non-normal":
        scale = np.exp(rng.normal(0, 8, n))
        return sparse * scale[:, None] / scale
    if kind == "ring with chords":
        chords = ring(rng.uniform(0.8, 1.2, n) * rng.choice([-1, 1], n))
        chords[rng.integers(0, n, 6), rng.integers(0, n, 6)] += 0.3
        return chords
    if kind == "apart":  # many components, of which a small one is the strongest
        blocks = np.kron(np.eye(n // 4), np.ones((4, 4)))
        return sparse * blocks * 5 + np.triu(sparse, 1) * (1 - blocks)
    return sparse


KINDS = ["random", "periodic", "nearly acyclic", "non-normal", "ring with chords", "apart"]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [60, 420])
def test_the_radius_is_that_of_lapack(kind, n, signed):
    matrix = random_matrix(kind, n, seed=n)
    matrix = matrix if signed else np.abs(matrix)
    found, _ = found_in(matrix)
    right = radius(matrix)
    assert found.radius == pytest.approx(right, rel=1e-6)
    assert found.lower <= right * (1 + 1e-9)
    assert not found.is_bound


@pytest.mark.parametrize("kind", KINDS)
def test_absolute_weights_bound_the_signed_ones(kind):
    matrix = random_matrix(kind, 60, seed=1)
    assert found_in(np.abs(matrix))[0].radius >= radius(matrix) * (1 - 1e-12)


@pytest.mark.parametrize("kind", ["random", "periodic", "nearly acyclic", "ring with chords"])
@pytest.mark.parametrize("n", [12, 340])
def test_the_slope_is_the_derivative(kind, n):
    matrix = random_matrix(kind, n, seed=n)
    found, pattern = found_in(matrix)
    rows, columns = pattern.row.numpy(), pattern.col.numpy()
    weight = torch.from_numpy(matrix[rows, columns]).requires_grad_()
    found.modulus(weight).backward()
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(len(rows)) * np.abs(matrix[rows, columns])
    step = 1e-6
    sides = []
    for sign in (1, -1):
        moved = matrix.copy()
        moved[rows, columns] += sign * step * direction
        sides.append(radius(moved))
    numeric = (sides[0] - sides[1]) / (2 * step)
    assert weight.grad.numpy() @ direction == pytest.approx(numeric, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("weights", [[1.1, 2.0, -0.7], [1.0, 0.5, 3.0]])
def test_gradcheck_of_a_cycle_and_a_loop(weights):
    pattern = EdgePattern(np.array([0, 0, 1, 2]), np.array([1, 2, 0, 1]), (3, 3))

    def modulus(weight):
        return amplification(pattern, weight).modulus(weight)

    assert gradcheck(
        modulus, (torch.tensor([0.3, *weights], dtype=torch.float64, requires_grad=True),)
    )


def large(kind, n=20_000, e=100_000):
    rng = np.random.default_rng(3)
    columns = rng.integers(0, n, e)
    rows = rng.integers(0, n, e)
    if kind == "periodic":
        rows = rows // 4 * 4 + (columns + 1) % 4
    values = rng.standard_normal(e) * (3 if kind == "hubs" else 1)
    if kind == "hubs":
        rows = (n * rng.random(e) ** 3).astype(int)
        columns = (n * rng.random(e) ** 3).astype(int)
    matrix = coo_array((values, (rows, columns)), (n, n)).tocsr()
    matrix.sum_duplicates()
    return matrix


@pytest.mark.parametrize("kind", ["hubs", "periodic"])
def test_a_hundred_thousand_edges(kind):
    matrix = large(kind)
    entries = matrix.tocoo()
    pattern = EdgePattern(*entries.coords, matrix.shape)
    found = amplification(pattern, torch.from_numpy(entries.data))
    assert not found.is_bound
    # four of each modulus: from some starts 60 vectors settle on the second four, so more, and one
    # start that stays the same (scipy's own is another in every process)
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    many = eigs(matrix, 8, which="LM", v0=start, ncv=120, tol=1e-9, return_eigenvectors=False)
    assert found.radius == pytest.approx(np.abs(many).max(), rel=1e-3)
    upper = amplification(pattern, torch.from_numpy(np.abs(entries.data)))
    assert upper.lower <= upper.radius <= upper.lower * (1 + 1e-6)
    assert upper.radius >= found.radius


def test_what_does_not_settle_is_told_as_a_bound():
    n, rng = 1500, np.random.default_rng(0)
    rows = np.r_[(np.arange(n) + 1) % n, 7, 900]
    columns = np.r_[np.arange(n), 400, 1444]
    signs = np.where(np.arange(n + 2) == 5, -1.0, 1.0)
    order = np.lexsort((columns, rows))
    pattern = EdgePattern(rows[order], columns[order], (n, n))
    values = torch.from_numpy((signs * rng.uniform(0.9, 1.1, n + 2))[order])
    found, bound = amplification(pattern, values), amplification(pattern, values.abs())
    assert not bound.is_bound
    assert found.is_bound
    assert found.radius == pytest.approx(bound.radius, rel=1e-9)
    assert found.lower == 0


def test_what_is_not_finite_stays_so():
    pattern = EdgePattern(np.array([0, 1]), np.array([1, 0]), (2, 2))
    assert np.isnan(amplification(pattern, torch.tensor([np.nan, 1.0])).radius)


@pytest.mark.parametrize(("weights", "right"), [([2.0, 0.7] * 10, np.sqrt(1.4)), ([1.1] * 50, 1.1)])
def test_growth_along_a_long_ring_is_warned_of(weights, right):
    n = len(weights)
    names = [f"n{k}" for k in range(n)]
    edges = pd.DataFrame(
        {
            "source": ["in", *names, names[0]],
            "target": [names[0], *names[1:], names[0], "out"],
            "initial_weight": [1.0, *weights, 1.0],
        }
    )
    with pytest.warns(e2t.Edge2TorchWarning, match=f"spectral radius of the cycles is {right:.3g}"):
        model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=200, quiet=True)
    table = e2t.interpret.cycles(model, artifact)
    assert table.loc[0, ["radius", "bound", "gap"]].tolist() == pytest.approx(
        [right, right, 0], abs=1e-5
    )


@pytest.mark.parametrize("share", [0.3, 0.9, 1 - 1e-6, 1 + 1e-6, 1.2, 3, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_looked_for_is_below_what_was_asked(kind, share):
    for seed, n in enumerate((4, 12, 60, 400)):
        matrix = random_matrix(kind, n, seed)
        right = radius(matrix)
        if right == 0:
            continue
        rows, columns = np.nonzero(matrix)
        pattern = EdgePattern(rows, columns, matrix.shape)
        weight = torch.from_numpy(matrix[rows, columns])
        found = amplification(pattern, weight, above=share * right)
        if share < 1:  # nothing may hide it
            assert found is not None
            assert found.radius == pytest.approx(amplification(pattern, weight).radius, rel=1e-9)
        elif share == 100 and kind != "non-normal":  # whose sums of rows are far from any root
            assert found is None


@pytest.mark.parametrize(
    "matrix",
    [
        ring(np.array([2.0, 3.0, 0.1])),  # periodic: the looks go round and round
        ring(np.geomspace(1e-200, 1e200, 40)),
        ring(np.full(500, 0.5)) + np.eye(500) * 1e-300,
        np.array([[1.0, 2.0], [3.0, -4.0]]),
    ],
    ids=["periodic", "beyond all numbers", "slow", "signed"],
)
def test_a_closer_bound_is_one(matrix):
    rows, columns = np.nonzero(matrix)
    part = _eigen._Entries(rows, columns, matrix[rows, columns], len(matrix))
    assert _eigen._closer_bound(part) >= radius(np.abs(matrix)) * (1 - 1e-12)


@pytest.mark.parametrize(("steps", "asked"), [(5, [1000 ** (1 / 5)]), ("converge", [0.8])])
def test_how_cycles_grow_is_found_once_and_no_closer_than_it_matters(steps, asked, monkeypatch):
    above = []

    def told(*args, **options):
        above.append(options.get("above", 0.0))
        return amplification(*args, **options)

    monkeypatch.setattr(_recurrent, "amplification", told)
    rng = np.random.default_rng(0)
    names = np.array([f"n{k}" for k in range(200)])
    inner = pd.DataFrame({"source": rng.choice(names, 1500), "target": rng.choice(names, 1500)})
    ends = pd.DataFrame({"source": ["x", "n0"], "target": ["n1", "y"]})
    table = pd.concat([ends, inner]).drop_duplicates()
    model, _ = e2t.compile_graph(table, backend="recurrent", steps=steps, quiet=True)
    assert above == pytest.approx(asked, rel=1e-6)
    if steps == "converge":
        assert spectral_radius(model).item() == pytest.approx(0.8, rel=1e-4)
