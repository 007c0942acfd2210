"""Attribution finds the regulator that was planted among feedback loops."""

import pytest
import torch

import edge2torch as e2t
from edge2torch.simulate import planted_regulator


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("backend", "options"), [("recurrent", {"steps": 6})])
def test_the_planted_regulator_ranks_first(backend, options, seed):
    problem = planted_regulator(seed=seed)
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(problem.edges, backend=backend, quiet=True, **options)
    x = e2t.align_features_to_input_nodes(problem.x_train, artifact)
    y = torch.tensor(problem.y_train.to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
    scores = e2t.interpret_model(
        model, artifact, problem.x_test, target="nodes", level="summary", nodes="hidden", quiet=True
    )
    assert sorted(scores) == sorted(problem.hidden)
    assert scores.abs().mean().idxmax() == problem.regulator
