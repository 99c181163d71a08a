"""numexpr: formulas given as text."""

from __future__ import annotations

import numexpr
import numpy as np

from benchmarks.frameworks import THREADS
from benchmarks.problem import Formula, Program


class NumExpr:
    version = numexpr.__version__

    def formula(self, problem: Formula) -> Program | None:
        if not problem.text:
            return None
        arrays = dict(zip("abcdefgh", problem.arrays))
        return Program(
            lambda: numexpr.evaluate(problem.text, arrays),
            lambda result: [np.asarray(result)],
        )


def load() -> NumExpr:
    numexpr.set_num_threads(int(THREADS))
    return NumExpr()
