"""Medical measurements with a yes/no diagnosis, for the notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from symnet.datasets import Table, pima


def diagnoses() -> tuple[Table, str]:
    """The Pima diabetes table and what its label means.

    Where there is no network, scikit-learn's breast cancer table (it comes with it).
    """
    try:
        return pima(), "diabetic"
    except (ConnectionError, ModuleNotFoundError) as error:
        print(f"Note: {error}\nGoing on with scikit-learn's breast cancer table.")
    bunch: Any = load_breast_cancer()
    labels = 1 - bunch.target.astype(np.int32)  # there, 1 says benign
    return Table(bunch.data, labels, tuple(bunch.feature_names)), "malignant"


def without_gaps(
    train: np.ndarray, test: np.ndarray, first: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Zeros from column `first` on, which stand for "not measured", replaced by the
    training part's median; then both parts standardised by the training part."""
    train, test = train.copy(), test.copy()
    for column in range(first, train.shape[1]):
        measured = train[:, column] != 0
        if measured.any():
            median = np.median(train[measured, column])
            for part in (train, test):
                part[part[:, column] == 0, column] = median
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / deviation, (test - mean) / deviation
