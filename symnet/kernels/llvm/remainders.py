"""What is left of a division of floats, and how often the divisor fits: exactly."""

from __future__ import annotations

from symnet.kernels.llvm.lanes import Lanes, rarely


def float_remainder(on: Lanes, dtype: str, left: str, right: str) -> str:
    """What is left of left/right with the sign of the divisor, as np.mod."""
    rest, moved = remainder_and_turn(on, dtype, left, right)
    zero = on.constant(0.0, dtype)
    turned = on.select(moved, dtype, on.binary("fadd", dtype, rest, right), rest)
    nonzero = on.compare("ne", dtype, rest, zero)
    return on.select(
        nonzero, dtype, turned, on.intrinsic("copysign", dtype, zero, right)
    )


def remainder_and_turn(on: Lanes, dtype: str, left: str, right: str) -> tuple[str, str]:
    """C's remainder, and whether its sign is not the divisor's (then one more divisor
    fits downwards)."""
    rest = c_remainder(on, dtype, left, right)
    zero = on.constant(0.0, dtype)
    below = on.compare("lt", dtype, rest, zero)
    opposite = on.binary("xor", "bool", below, on.compare("lt", dtype, right, zero))
    return rest, on.binary("and", "bool", opposite, on.compare("ne", dtype, rest, zero))


def c_remainder(on: Lanes, dtype: str, left: str, right: str) -> str:
    """What is left of left/right with the sign of left, exactly (a zero of any sign).

    The quotient cut to a whole number may be one off; if it is small, the fused product
    is exact all the same and the remainder one divisor off.  Otherwise C's function is
    called for each lane, or there is a long division.
    """
    if not on.scope.module.target.fused:
        return on.binary("frem", dtype, left, right)
    quotient = on.intrinsic("trunc", dtype, on.binary("fdiv", dtype, left, right))
    minus = on.scope.emit(f"fneg {on.type(dtype)} {quotient}")
    rest = on.intrinsic("fma", dtype, minus, right, left)
    toward = on.intrinsic("copysign", dtype, right, left)
    zero = on.constant(0.0, dtype)
    negative = on.compare("lt", dtype, left, zero)
    below = on.compare("lt", dtype, rest, zero)
    above = on.compare("gt", dtype, rest, zero)
    passed = on.select(negative, "bool", above, below)
    back = on.select(passed, dtype, on.binary("fadd", dtype, rest, toward), rest)
    length, size = on.intrinsic("fabs", dtype, back), on.intrinsic("fabs", dtype, right)
    whole = on.compare("ge", dtype, length, size)
    result = on.select(whole, dtype, on.binary("fsub", dtype, back, toward), back)
    steps = on.intrinsic("fabs", dtype, quotient)
    many = on.binary("fcmp uge", dtype, steps, on.constant(2.0**22, dtype))
    endless = on.compare("eq", dtype, size, on.constant("inf", dtype))
    hard = on.binary("or", "bool", many, endless)

    def exact() -> str:
        if on.scope.module.target.threads:
            return long_remainder(on, dtype, left, right)
        return on.binary("frem", dtype, left, right)

    return rarely(on, on, hard, dtype, result, exact)


def float_floor_division(on: Lanes, dtype: str, left: str, right: str) -> str:
    """The whole number of times that right fits, as np.floor_divide (and Python)."""
    zero, one = on.constant(0.0, dtype), on.constant(1.0, dtype)
    rest, moved = remainder_and_turn(on, dtype, left, right)
    quotient = on.binary("fdiv", dtype, on.binary("fsub", dtype, left, rest), right)
    less = on.binary("fsub", dtype, quotient, one)
    quotient = on.select(moved, dtype, less, quotient)
    whole = on.intrinsic("floor", dtype, quotient)
    # The quotient is near a whole number; rounding may have left it just below.
    missing = on.binary("fsub", dtype, quotient, whole)
    short = on.compare("gt", dtype, missing, on.constant(0.5, dtype))
    whole = on.select(short, dtype, on.binary("fadd", dtype, whole, one), whole)
    plain = on.binary("fdiv", dtype, left, right)
    signed_zero = on.intrinsic("copysign", dtype, zero, plain)
    whole = on.select(
        on.compare("ne", dtype, quotient, zero), dtype, whole, signed_zero
    )
    return on.select(on.compare("eq", dtype, right, zero), dtype, plain, whole)


def long_remainder(on: Lanes, dtype: str, left: str, right: str) -> str:
    """What is left of left/right, two numbers, with the sign of left, exactly.

    The divisor is doubled while it fits and taken away on the way back, so that no step
    rounds: long division, a bit of the quotient at a time.
    """
    size, divisor = (on.intrinsic("fabs", dtype, value) for value in (left, right))
    zero, one, infinity = (on.constant(v, dtype) for v in (0.0, 1.0, "inf"))
    finite = on.compare("lt", dtype, size, infinity)
    positive = on.compare("gt", dtype, divisor, zero)
    proper = on.compare("lt", dtype, divisor, infinity)
    usual = on.binary("and", "bool", on.binary("and", "bool", finite, positive), proper)
    rest = subtract_multiples(
        on,
        dtype,
        on.select(usual, dtype, size, zero),
        on.select(usual, dtype, divisor, one),
    )
    # x/infinity leaves x; infinity/y, x/0 and NaN leave NaN (the only case of 0/0 here).
    endless = on.compare("eq", dtype, divisor, infinity)
    whole = on.binary("and", "bool", endless, finite)
    missing = on.binary("fdiv", dtype, zero, zero)
    other = on.select(whole, dtype, size, missing)
    return on.intrinsic("copysign", dtype, on.select(usual, dtype, rest, other), left)


def subtract_multiples(on: Lanes, dtype: str, size: str, divisor: str) -> str:
    """size modulo divisor, of a finite number and a positive one."""
    scope, kind = on.scope, on.type(dtype)
    fresh = scope.module.fresh
    start, grow, shrink, done = map(fresh, ("start", "grow", "shrink", "done"))
    twice, half = f"%{fresh()}", f"%{fresh()}"
    left = f"%{fresh()}"
    scope.line(f"br label %{start}")
    scope.label(start)
    scope.line(f"br label %{grow}")
    scope.label(grow)
    step = scope.emit(f"phi {kind} [ {divisor}, %{start} ], [ {twice}, %{grow} ]")
    scope.line(f"{twice} = fadd {kind} {step}, {step}")
    fits = on.compare("le", dtype, twice, size)
    scope.line(f"br i1 {fits}, label %{grow}, label %{shrink}")
    scope.label(shrink)
    now = scope.emit(f"phi {kind} [ {step}, %{grow} ], [ {half}, %{shrink} ]")
    before = scope.emit(f"phi {kind} [ {size}, %{grow} ], [ {left}, %{shrink} ]")
    goes = on.compare("ge", dtype, before, now)
    less = on.binary("fsub", dtype, before, now)
    scope.line(f"{left} = select i1 {goes}, {kind} {less}, {kind} {before}")
    scope.line(f"{half} = fmul {kind} {now}, {on.constant(0.5, dtype)}")
    again = on.compare("ge", dtype, half, divisor)
    scope.line(f"br i1 {again}, label %{shrink}, label %{done}")
    scope.label(done)
    return left
