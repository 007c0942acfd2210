"""The published class at its defaults, on the data that the published one does not take."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from edge2torch.vae import iVAE

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("n_cells", [90, 1000])
def test_it_runs_with_defaults_and_answers_the_same_twice(n_cells: int, is_sparse: bool) -> None:
    counts = np.random.default_rng(0).poisson(1, (n_cells, 20)).astype("f4")
    counts[:, 0] += 1
    matrix = sp.csr_matrix(counts) if is_sparse else counts
    cells = anndata.AnnData(matrix, var=pd.DataFrame(index=[f"g{k}" for k in range(20)]))
    model = iVAE(cells)
    model.fit(max_epochs=1)
    for read in (model.get_latent, model.get_iembed):
        assert len(read()) == n_cells
        assert np.isfinite(read()).all()
        np.testing.assert_array_equal(read(), read())
