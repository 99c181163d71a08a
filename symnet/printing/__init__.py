"""Graphs as text, formulas and pictures (the names of `theano.printing`, and more)."""

from symnet.printing.draw import Drawing, draw, pydotprint
from symnet.printing.text import debugprint, min_informative_str

__all__ = ["Drawing", "debugprint", "draw", "min_informative_str", "pydotprint"]
