"""Graphs as text, formulas and pictures (the names of `theano.printing`, and more)."""

from symnet.ops.print_values import Print
from symnet.printing.draw import Drawing, draw, pydotprint
from symnet.printing.formula import pp, pprint
from symnet.printing.latex import latex
from symnet.printing.networks import to_networkx
from symnet.printing.plain_text import debugprint, min_informative_str
from symnet.printing.sympy_bridge import from_sympy, to_sympy

pydot_imported = True  # Theano's programs ask before they draw; nothing is needed here

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
    "pydot_imported",
    "pydotprint",
    "to_networkx",
    "to_sympy",
]
