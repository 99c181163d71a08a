"""What `help` says of operations on each element is so: examples, gradients, operands."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.about import operand_names, parts_of
from symnet.ops.elementwise import REGISTRY, Elementwise

PUBLIC = {
    name: op
    for space in (T, T.nnet, T.nnet.nnet, T.xlogx)
    for name, op in vars(space).items()
    if isinstance(op, Elementwise)
}
WORDS = {**vars(T.xlogx), **vars(T.nnet), **vars(T)}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_has_a_docstring_of_its_own_whose_example_runs(name: str) -> None:
    op = PUBLIC[name]
    text = op.__doc__
    assert text is not None and text != type(op).__doc__
    names = {"T": T, "np": np}
    examples = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert len(examples.examples) == 1
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(examples).failed == 0


# A point inside every domain; erfinv and the like end at 1, arccosh begins there.
POINTS = {"arccosh": [1.7], "gammaincc": [1.3, 0.6], "clip": [0.3, 0.1, 0.7]}
WITHOUT = {
    "complex",
    "complex_from_polar",
    "conj",
}  # of complex numbers, in `Elementwise`
FLOATS = [op for op in dict.fromkeys(PUBLIC.values()) if "f" in op.accepts]


@pytest.mark.parametrize("op", FLOATS, ids=str)
def test_the_gradient_that_is_told_is_the_gradient(op: Elementwise) -> None:
    if op.name in WITHOUT:
        return
    (told,) = [
        line.removeprefix("Gradient: ").removesuffix(".")
        for line in (op.__doc__ or "").splitlines()
        if line.startswith("Gradient: ")
    ]
    point = POINTS.get(op.name, [0.4, 0.7, 0.2][: op.arity])
    names = operand_names(op)
    operands = [T.dscalar(name) for name in names]
    given = dict(zip(operands, point, strict=True))
    cost = op(*operands) * 1.0
    for operand, formula in zip(operands, told.split("; "), strict=True):
        if formula == "undefined":
            with pytest.raises(symnet.NullTypeGradError):
                symnet.grad(cost, operand)
            continue
        expected = T.as_tensor_variable(
            eval(formula, dict(WORDS), dict(zip(names, operands, strict=True)))
        )
        found = symnet.grad(cost, operand, disconnected_inputs="ignore")
        used = [v for v in operands if v in symnet.gof.graph.inputs([expected])]
        expected_value = expected.eval({v: given[v] for v in used})
        used = [v for v in operands if v in symnet.gof.graph.inputs([found])]
        found_value = found.eval({v: given[v] for v in used})
        np.testing.assert_allclose(found_value, expected_value, rtol=1e-10)


def test_every_declaration_says_what_it_is_in_one_form() -> None:
    for op in REGISTRY.values():
        text = op.__doc__ or ""
        if text == type(op).__doc__:
            continue
        first = text.splitlines()[0]
        assert first.startswith(f"{op.name}({', '.join(operand_names(op))}): "), first
        assert "Shapes: " in text and "Dtypes: " in text


def test_parts_of_one_line() -> None:
    assert parts_of("The sine.  Gradient: cos(x).  Example: T.sin(0.5) = 0.4...") == (
        "The sine.", "cos(x)", "T.sin(0.5) = 0.4...",
    )  # fmt: skip
    assert parts_of("x.  And more.") == ("x.  And more.", "", "")


def test_dtypes_and_errors_follow_from_the_declaration() -> None:
    assert "the result is bool" in (T.lt.__doc__ or "")
    assert "TypeError for complex numbers" in (T.nnet.sigmoid.__doc__ or "")
    with pytest.raises(TypeError, match="complex"):
        T.nnet.sigmoid(T.zvector())
    assert "TypeError for booleans" in (T.neg.__doc__ or "")
    with pytest.raises(TypeError, match="bool"):
        T.neg(T.bvector() > 0)


@pytest.mark.parametrize(
    "op, operands, dtype, told",
    [
        (T.abs_, [T.zvector()], "float64", "of a complex number that of its parts"),
        (T.switch, [T.bvector(), T.fvector(), T.dvector()], "float64", "of the others"),
        (T.second, [T.dvector(), T.bvector()], "int8", "Dtypes: that of y."),
        (T.complex, [T.fvector(), T.fvector()], "complex64", "the result is complex"),
        (T.sqrt, [T.lvector()], "float64", "integers and booleans become floats"),
        (T.add, [T.bvector(), T.lvector()], "int64", "the common one"),
    ],
)
def test_the_dtype_that_is_told_is_the_dtype(
    op: Elementwise, operands: list[symnet.Variable], dtype: str, told: str
) -> None:
    assert op(*operands).dtype == dtype
    assert told in (op.__doc__ or "")
