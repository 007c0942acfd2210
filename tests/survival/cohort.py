"""Twenty-four patients with ties, three sites' worth of columns, and delayed entry."""

from __future__ import annotations

import numpy as np

# fmt: off
TIME = np.array([5, 6, 6, 2, 4, 4, 3, 5, 8, 8, 1, 7, 9, 3, 6, 2, 5, 7, 4, 9, 10, 10, 3, 6.0])
EVENT = np.array([1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1])
AGE = np.array([61, 54, 47, 70, 66, 58, 72, 49, 51, 44, 75, 50, 39, 68, 57, 60, 63, 48, 59, 42, 41,
                46, 62, 55.0])
DOSE = np.array([1, 0, 2, 1, 0, 2, 0, 1, 2, 2, 0, 1, 2, 0, 1, 1, 0, 2, 1, 2, 1, 0, 2, 0.0])
ENTRY = np.array([0, 2, 1, 0, 1, 0, 0, 2, 3, 0, 0, 1, 4, 0, 2, 0, 1, 0, 1, 3, 2, 5, 0, 1.0])
# fmt: on
SITE = np.array(list("aababbabbaabaabbaabbabab"))
