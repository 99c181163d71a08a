"""Graphs as text, formulas and pictures (the names of `theano.printing`, and more)."""

from symnet.ops.printing import Print
from symnet.printing.draw import Drawing, draw, pydotprint
from symnet.printing.formula import pp, pprint
from symnet.printing.latex import latex
from symnet.printing.networks import to_networkx
from symnet.printing.sympy_bridge import from_sympy, to_sympy
from symnet.printing.text import debugprint, min_informative_str

__all__ = [
    "Drawing",
    "Print",
    "debugprint",
    "draw",
    "from_sympy",
    "latex",
    "min_informative_str",
    "pp",
    "pprint",
    "pydotprint",
    "to_networkx",
    "to_sympy",
]
