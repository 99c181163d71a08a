"""Arrays that routines are tried on: usual ones, matrices with answers, and order with NaN."""

from __future__ import annotations

import numpy as np

NAN = float("nan")
random = np.random.default_rng(5)
WIDE = random.normal(size=(3, 4))
SQUARE = random.normal(size=(4, 4)) + 3 * np.eye(4)
BATCH = random.normal(size=(2, 3, 4, 4)) + 3 * np.eye(4)
POSITIVE = SQUARE @ SQUARE.T
POSITIVES = BATCH @ BATCH.swapaxes(-1, -2)
HOLES = np.array([[2.0, NAN, -1.0, -NAN], [1, 1, 0, -0.0], [NAN, np.inf, -np.inf, 5]])
