"""The cases, in the order of the report."""

from __future__ import annotations

from benchmarks.cases import arrays, networks, small
from benchmarks.cases.case import Case

CASES: dict[str, Case] = {
    case.name: case for module in (small, arrays, networks) for case in module.CASES
}
