"""The cases, in the order of the report."""

from __future__ import annotations

from benchmarks.cases import arrays, loops, networks, pictures, small
from benchmarks.cases.case import Case

CASES: dict[str, Case] = {
    case.name: case
    for module in (small, arrays, networks, pictures, loops)
    for case in module.CASES
}
