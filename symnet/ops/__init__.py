"""Operations: each a type rule, a size rule, a gradient, a reference and a lowering."""

from __future__ import annotations

from symnet.ops import habits as habits
from symnet.ops import joining_anywhere as joining_anywhere
from symnet.ops import operators as operators
from symnet.ops import transfer as transfer
