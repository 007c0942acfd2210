"""Significance of nodes against controls: calibrated, corrected, and careful with its input."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.interpret import Replicates, node_connectivity, node_significance
from edge2torch.simulate import layered_graph

EDGES = layered_graph([100, 40, 1], [500, 40], seed=0, heavy_tailed=True)
_, ARTIFACT = e2t.compile_graph(EDGES, quiet=True)
NODES = sorted(name for name in set(EDGES["target"]) if name.startswith("L1"))
DEGREE = node_connectivity(ARTIFACT).loc[NODES, "degree"].to_numpy()


def table(rng, n, spread, own=0.0, shape=DEGREE):
    """Networks × nodes: scores follow the shape, data (one draw) and training (one per row)."""
    logs = np.log(shape) + own + spread * rng.normal(size=(n, len(NODES)))
    return pd.DataFrame(np.exp(logs), columns=NODES)


def test_the_planted_node_comes_first_whatever_its_degree():
    rng = np.random.default_rng(0)
    scores, controls = table(rng, 10, 0.2), table(rng, 10, 0.25)
    planted = NODES[int(np.argmin(DEGREE))]
    scores[planted] *= 4
    assert scores.mean().idxmax() != planted
    found = node_significance(scores, controls, artifact=ARTIFACT)
    assert found.index[0] == planted
    assert found["qvalue"].iloc[0] < 0.05
    assert abs(found["corrected"].drop(planted).corr(found["degree"], method="spearman")) < 0.35


def test_a_trend_over_degree_is_taken_out():
    rng = np.random.default_rng(1)
    scores = table(rng, 10, 0.1, shape=DEGREE**1.5)
    found = node_significance(scores, table(rng, 10, 0.1), artifact=ARTIFACT)
    raw = found["effect"].corr(found["degree"], method="spearman")
    left = found["corrected"].corr(found["degree"], method="spearman")
    assert raw > 0.7
    assert abs(left) < 0.2


@pytest.mark.parametrize("start", [0.05, 0.5, 1.0])
def test_p_values_are_uniform_where_the_data_are_one_more_control(start):
    """One draw of data for all replicates, one for each control, and one start for each network."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(60):
        data = 0.5 * rng.normal(size=(11, len(NODES)))
        scores = table(rng, 10, start, data[0])
        controls = table(rng, 10, start, data[1:])
        found.append(node_significance(scores, controls)["pvalue"])
    values = np.concatenate(found)
    for level in (0.01, 0.05, 0.2):
        assert 0.4 * level < (values < level).mean() < 1.35 * level


def test_several_starts_per_control_data_set_are_averaged():
    rng = np.random.default_rng(3)
    sets = [table(rng, 5, 0.8, 0.5 * rng.normal(size=len(NODES))) for _ in range(8)]
    found = node_significance(table(rng, 10, 0.8), sets)
    shares = [np.log2(own.div(own.mean(axis=1), axis=0) + 0.2).mean() for own in sets]
    expected = np.exp2(pd.DataFrame(shares)) - 0.2
    pd.testing.assert_series_equal(
        found["control"].sort_index(), expected.mean().sort_index(), check_names=False
    )


def test_controls_that_scatter_less_than_replicates_are_no_draws_of_such_data():
    rng = np.random.default_rng(8)
    with pytest.warns(e2t.Edge2TorchWarning, match="scatter less than scores in .* of nodes"):
        node_significance(table(rng, 10, 0.4), table(rng, 10, 0.2))


def test_replicates_and_controls_of_the_same_starts_are_paired():
    rng = np.random.default_rng(9)
    base = np.log(DEGREE) + rng.normal(size=(10, len(NODES)))  # of the start alone
    scores, controls = (
        pd.DataFrame(np.exp(base + spread * rng.normal(size=base.shape)), columns=NODES)
        for spread in (0.05, 0.4)
    )
    scores[NODES[0]] *= 1.6
    known = {"quality": pd.Series(np.ones(10)), "kept": pd.Series([True] * 10), "models": ()}
    own = Replicates(scores, scores, artifact=None, starts=tuple(range(10)), **known)
    order = rng.permutation(10)
    mixed = controls.iloc[order]
    other = Replicates(mixed, mixed, artifact=None, starts=tuple(order.tolist()), **known)
    paired = node_significance(own, other).loc[NODES[0], "statistic"]
    assert paired > 1.5 * node_significance(scores, controls).loc[NODES[0], "statistic"] > 0
    apart = dataclasses.replace(other, starts=tuple(range(100, 110)))
    np.testing.assert_allclose(
        node_significance(own, apart)["statistic"], node_significance(scores, mixed)["statistic"]
    )


def test_one_sided_alternatives():
    rng = np.random.default_rng(4)
    scores, controls = table(rng, 5, 0.2), table(rng, 5, 0.2)
    both, up, down = (
        node_significance(scores, controls, alternative=side)["pvalue"]
        for side in ("two-sided", "greater", "less")
    )
    np.testing.assert_allclose(up + down, 1)
    np.testing.assert_allclose(both, 2 * np.minimum(up, down))


def test_names_decide_and_not_places():
    rng = np.random.default_rng(5)
    scores, controls = table(rng, 4, 0.3), table(rng, 4, 0.3)
    shuffled = controls[rng.permutation(NODES)]
    pd.testing.assert_frame_equal(
        node_significance(scores, controls, artifact=ARTIFACT),
        node_significance(scores, shuffled, artifact=ARTIFACT),
    )


GOOD = table(np.random.default_rng(6), 4, 0.2)


@pytest.mark.parametrize(
    ("scores", "controls", "said"),
    [
        (GOOD, GOOD.drop(columns=NODES[0]), f"1 missing .'{NODES[0]}'"),
        (GOOD, GOOD.assign(other=1.0), "1 unknown .'other'"),
        (GOOD[:1], GOOD, "two of each"),
        (GOOD, -GOOD, "negative"),
        (GOOD.assign(**{NODES[1]: np.nan}), GOOD, NODES[1]),
        (GOOD.mul([1, 0, 1, 1], axis=0), GOOD, "score every node zero"),
        (GOOD, [GOOD], "two are needed"),
        (GOOD.to_numpy(), GOOD, "ndarray"),
        (GOOD.assign(sd=1.0, sign_consistency=1.0), GOOD, "is a summary over replicates"),
    ],
)
def test_bad_input(scores, controls, said):
    with pytest.raises(e2t.Edge2TorchError, match=said):
        node_significance(scores, controls, artifact=ARTIFACT)


def test_an_unknown_alternative():
    with pytest.raises(e2t.Edge2TorchError, match="'greater'"):
        node_significance(GOOD, GOOD, alternative="more")
