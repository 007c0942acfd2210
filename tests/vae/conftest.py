from __future__ import annotations

import pandas as pd
import pytest

from tests.vae.cells import SETS, TYPES, three_types


@pytest.fixture
def sets() -> pd.DataFrame:
    return SETS.copy()


@pytest.fixture
def counts() -> pd.DataFrame:
    return three_types()


@pytest.fixture
def types() -> list[str]:
    return list(TYPES)
