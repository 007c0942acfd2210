"""Tables that a study cannot take as they are."""

import pandas as pd
import pytest

import edge2torch as e2t


@pytest.mark.parametrize("column", ["g0", "unused"])
def test_a_column_that_is_there_twice_is_named(column):
    edges = pd.DataFrame({"source": ["g0", "g1"], "target": ["y", "y"]})
    table = pd.DataFrame({"g0": range(40), "g1": range(40), "unused": 1.0, "y": range(40)})
    twice = pd.concat([table, table[[column]]], axis=1)
    with pytest.raises(e2t.Edge2TorchError, match=f"1 column name.* more than once: '{column}'"):
        e2t.run_study(edges, twice, "y", quiet=True)
