"""Updates and states that read and write parts of themselves, of views of themselves and
of each other, against NumPy.  The forms are made by combining bases, parts and values;
each test takes another part of them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, scan, shared
from symnet.ifelse import ifelse
from symnet.scan_module import until

pytestmark = pytest.mark.filterwarnings("ignore")

COUNT = 6
MASK = np.array([True, False, True, True, False, True])

# Of a variable w that is updated, another u, and an argument x; symbolic and in NumPy.
BASES = {
    "w": lambda w, u, x: w,
    "x": lambda w, u, x: x,
    "u": lambda w, u, x: u,
    "w + x": lambda w, u, x: w + x,
    "2 w": lambda w, u, x: w * 2,
    "w[::-1]": lambda w, u, x: w[::-1],
    "u[::-1]": lambda w, u, x: u[::-1],
    "(2 w)[::-1]": lambda w, u, x: (w * 2)[::-1],
}
PARTS = {
    ":": np.s_[:],
    "1:": np.s_[1:],
    ":-1": np.s_[:-1],
    "::-1": np.s_[::-1],
    "::2": np.s_[::2],
    "-2:0:-1": np.s_[-2:0:-1],
    "2:4": np.s_[2:4],
    "3:1": np.s_[3:1],
    "0": 0,
    "-1": -1,
    "places": np.array([2, 0, 2, 1]),
    "mask": MASK,
}
# A second part of as many elements.
BESIDE = {":": "::-1", "1:": ":-1", ":-1": "1:", "0": "-1", "2:4": None}


def write(base, part, value, add):
    result = np.array(base)
    if add:
        np.add.at(result, part, value)
    else:
        result[part] = value
    return result


# What forms are made of, on arrays and on variables.
ARRAYS = SimpleNamespace(
    concatenate=np.concatenate, dot=np.dot, outer=np.outer, cumsum=np.cumsum, sort=np.sort,
    roll=np.roll, stack=np.stack, exp=np.exp, diag=np.diag, switch=np.where, gt=np.greater,
    write=write, choose=lambda condition, yes, no: yes if condition else no,
)  # fmt: skip
SYMBOLS = SimpleNamespace(**{name: getattr(T, name, None) for name in vars(ARRAYS)})
SYMBOLS.choose = ifelse
SYMBOLS.write = lambda base, part, value, add: (
    T.inc_subtensor if add else T.set_subtensor
)(base[part], value)


WHOLES = {
    "roll": lambda on, a: on.roll(a, 1),
    "halves": lambda on, a: on.concatenate([a[3:], a[:3]]),
    "turned half": lambda on, a: on.concatenate([a[3:][::-1], a[:3]]),
    "delay": lambda on, a: on.concatenate([a[1:], a[:1] * 0.5]),
    "sum with turned": lambda on, a: a + a[::-1],
    "cumsum": lambda on, a: on.cumsum(a),
    "sorted": lambda on, a: on.sort(a),
    "less sum": lambda on, a: (a - a.sum()) * 0.1,
    "places": lambda on, a: a[np.arange(COUNT - 1, -1, -1)],
    "switch": lambda on, a: on.switch(on.gt(a, 2), a[::-1], a),
    "dot": lambda on, a: on.dot(on.outer(a, a), a) * 1e-2,
    "added dot": lambda on, a: a + on.dot(on.outer(a, a), a) * 1e-2,
    "turned matrix": lambda on, a: a.reshape((2, 3)).T.flatten(),
    "and turned matrix": lambda on, a: a + a.reshape((2, 3)).T.flatten(),
    "stacked": lambda on, a: on.stack([a, a[::-1]]).sum(axis=0),
    "diagonal": lambda on, a: on.diag(on.outer(a, a[::-1])) * 1e-1,
    "condition": lambda on, a: on.choose(
        a.sum() > 0, on.write(a, 0, 9.0, False), a[::-1]
    ),
}


def writes():
    for (base, b), (part, p), add in itertools.product(
        BASES.items(), PARTS.items(), (False, True)
    ):
        values = {"9": lambda on, *args: 9.0}
        for name, v in BASES.items():
            values[name] = lambda on, *args, v=v, p=p: v(*args)[p]
            other = BESIDE.get(part)
            if other is not None:
                o = PARTS[other]
                values[f"{name} beside"] = lambda on, *args, v=v, o=o: v(*args)[o]
        values["sum"] = lambda on, w, u, x: w.sum()
        for name, value in values.items():
            label = f"{'inc' if add else 'set'} ({base})[{part}] {name}"
            yield (
                label,
                lambda on, *args, b=b, p=p, value=value, add=add: on.write(
                    b(*args), p, value(on, *args), add
                ),
            )


def wholes():
    for (whole, f), (base, b) in itertools.product(WHOLES.items(), BASES.items()):
        yield f"{whole} {base}", lambda on, *args, f=f, b=b: f(on, b(*args))
        yield (
            f"inc {base} {whole}",
            lambda on, *args, f=f, b=b: on.write(b(*args), PARTS["1:"], f(on, args[0])[1:], True),
        )  # fmt: skip


FORMS = [*writes(), *wholes()]


def some(first, step):
    """Every so many forms."""
    assert len(FORMS) > 1500
    return FORMS[first::step]


def numbers(seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, COUNT).astype(float) for _ in range(3)]


def agree(label, got, want):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=label)


# ---- updates

# What else the call does: outputs, and the update of u, from (w, u, new, form of (u, w, x)).
BESIDES = {
    "alone": (lambda w, u, new, twin: [], lambda w, u, new, twin: u),
    "read": (
        lambda w, u, new, twin: [w[::-1] * 2, new, w + u],
        lambda w, u, new, twin: u,
    ),
    "swapped": (lambda w, u, new, twin: [], lambda w, u, new, twin: w),
    "shifted": (
        lambda w, u, new, twin: [u[:2] + w[4:]],
        lambda w, u, new, twin: w[::-1] + u,
    ),
    "turned": (lambda w, u, new, twin: [new], lambda w, u, new, twin: new[::-1]),
    "twins": (lambda w, u, new, twin: [], lambda w, u, new, twin: twin),
}


@pytest.mark.parametrize("number", range(len(BESIDES)))
def test_updates(number):
    name = list(BESIDES)[number]
    outputs, other = BESIDES[name]
    for k, (label, form) in enumerate(some(number, 30)):
        a, b, c = numbers(k)
        w, u, x = shared(a.copy(), "w"), shared(b.copy(), "u"), T.dvector("x")
        new, twin = form(SYMBOLS, w, u, x), form(SYMBOLS, u, w, x)
        updates = [(w, new), (u, other(w, u, new, twin))]
        f = function([x], outputs(w, u, new, twin), updates=updates,
                     on_unused_input="ignore")  # fmt: skip
        for turn in range(2):
            got = f(c + turn)
            new, twin = (
                form(ARRAYS, *args, c + turn).astype(float) for args in ((a, b), (b, a))
            )
            want = outputs(a, b, new, twin)
            a, b = new, np.array(other(a, b, new, twin))
            agree(
                f"{label}, {name}", [*got, w.get_value(), u.get_value()], [*want, a, b]
            )


@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "bool", "complex128"])
def test_updates_of_other_dtypes(dtype):
    for label, form in some(7, 120):
        if "dot" in label or "less" in label or "delay" in label:
            continue
        if dtype == "bool" and ("inc" in label or "+" in label or "2 w" in label):
            continue
        a, b, c = (v.astype(dtype) for v in numbers(1))
        w, u = shared(a.copy(), "w"), shared(b.copy(), "u")
        x = T.TensorType(dtype, (None,))("x")
        try:
            new = T.cast(form(SYMBOLS, w, u, x), dtype)
        except TypeError:  # not an operation of this dtype
            continue
        f = function([x], w[::-1], updates=[(w, new)], on_unused_input="ignore")
        got = f(c)
        np.testing.assert_array_equal(got, a[::-1])
        want = np.asarray(form(ARRAYS, a, b, c)).astype(dtype)
        np.testing.assert_allclose(w.get_value(), want, rtol=1e-5, err_msg=label)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 40, 3000, 70_000])
def test_sizes(size):
    """Parts that are cut off at the ends, vectors of the machine, several threads."""
    forms = {
        "set turned": lambda on, w, x: on.write(w[::-1], np.s_[:3], x[:3], False),
        "inc of another": lambda on, w, x: on.write(x, np.s_[:], w, True),
        "inc beside": lambda on, w, x: on.write(w, np.s_[1:], w[:-1], True),
        "set beside": lambda on, w, x: on.write(w, np.s_[:-1], w[1:], False),
        "inc turned": lambda on, w, x: on.write(w, np.s_[:], w[::-1], True),
        "joined": lambda on, w, x: on.concatenate([w[2:], w[:2]]),
        "sum with turned": lambda on, w, x: w[::-1] + w * x,
    }
    for label, form in forms.items():
        a, c = np.arange(size) % 7.0, np.arange(size) % 5.0
        w, x = shared(a.copy(), "w"), T.dvector("x")
        f = function(
            [x], [], updates=[(w, form(SYMBOLS, w, x))], on_unused_input="ignore"
        )
        for _ in range(2):
            f(c)
            a = form(ARRAYS, a, c)
            np.testing.assert_array_equal(w.get_value(), a, err_msg=label)


def test_three_that_change_places():
    a, b, c = (np.arange(3.0) + 3 * k for k in range(3))
    for order in itertools.permutations(range(3)):
        variables = [shared(v.copy()) for v in (a, b, c)]
        values = [a, b, c]
        turned = [v[::-1] for v in variables]
        updates = [(variables[k], turned[order[k]] + k) for k in range(3)]
        f = function([], [variables[order[0]] * 2], updates=updates)
        for _ in range(3):
            (got,) = f()
            np.testing.assert_array_equal(got, values[order[0]] * 2)
            values = [values[order[k]][::-1] + k for k in range(3)]
            for variable, value in zip(variables, values, strict=True):
                np.testing.assert_array_equal(variable.get_value(), value)


@pytest.mark.parametrize("size", [1, 3, 17, 3000])
def test_one_loop_that_overwrites_what_its_other_results_need(size):
    """The results are stored in every order, and read what the updates overwrite."""
    x = T.dmatrix("x")
    a, b = np.arange(size) % 5.0, np.arange(size) % 3.0
    given = np.arange(4.0 * size).reshape(4, size) % 7.0
    for order in itertools.permutations(range(4)):
        v, w = shared(a.copy(), "v"), shared(b.copy(), "w")
        outputs = [v + x[1], w * x[2], x - x.sum(axis=0) * v, (x * w).sum(axis=0)]
        f = function(
            [x],
            [outputs[k] for k in order],
            updates=[(v, x.sum(axis=0) * 2), (w, x.sum(axis=0) + v)],
        )
        sums = given.sum(axis=0)
        want = [a + given[1], b * given[2], given - sums * a, (given * b).sum(axis=0)]
        agree(str(order), f(given), [want[k] for k in order])
        agree(str(order), [v.get_value(), w.get_value()], [sums * 2, sums + a])


# ---- states of loops

STEPS = 4


def stepped(number, form, on, s, t, x):
    """The new values of two states."""
    new = form(on, s, t, x)
    return [
        (new, t),
        (new, s),
        (new, form(on, t, s, x)),
        (new, new[::-1] + t),
        (on.choose(x.sum() > 0, new, s[::-1] * 0.5), t + new),
    ][number]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("handed_out", ["last", "some", "all"])
def test_states(number, handed_out):
    rows = {"last": np.s_[-1], "some": np.s_[-2:], "all": np.s_[:]}[handed_out]
    first = 3 * number + ["last", "some", "all"].index(handed_out)
    xs, s0, t0 = T.dmatrix("xs"), T.dvector("s0"), T.dvector("t0")
    for k, (label, form) in enumerate(some(first, 110)):
        a, b, _ = numbers(k)
        given = np.random.default_rng(k).integers(-3, 4, (STEPS, COUNT)) * 1.0

        def step(x, s, t, form=form):
            new, other = stepped(number, form, SYMBOLS, s, t, x)
            return T.cast(new, "float64"), T.cast(other, "float64")

        (s, t), _ = scan(step, sequences=xs, outputs_info=[s0, t0])
        f = function([xs, s0, t0], [s[rows], t[rows]])
        want = [[a], [b]]
        for x in given:
            new = stepped(number, form, ARRAYS, want[0][-1], want[1][-1], x)
            for history, value in zip(want, new, strict=True):
                history.append(np.array(value, float))
        agree(label, f(given, a, b), [np.array(history[1:])[rows] for history in want])


@pytest.mark.parametrize("depth", [2, 3])
def test_states_that_look_further_back(depth):
    xs, start = T.dmatrix("xs"), T.dmatrix("start")
    for k, (label, form) in enumerate(some(depth, 110)):
        first = np.array(numbers(k))[:depth]
        given = np.random.default_rng(k).integers(-3, 4, (5, COUNT)) * 1.0
        rows, _ = scan(
            lambda x, old, new, form=form: T.cast(
                form(SYMBOLS, new, old, x), "float64"
            ),
            sequences=xs,
            outputs_info={"initial": start, "taps": [-depth, -1]},
        )
        want = list(first)
        for x in given:
            want.append(np.array(form(ARRAYS, want[-1], want[-depth], x), float))
        f, g = (function([xs, start], out) for out in (rows[-1], [rows, rows[-2:]]))
        agree(label, [f(given, first)], [want[-1]])
        agree(label, g(given, first), [np.array(want[depth:]), np.array(want[-2:])])


def test_loops_in_loops_and_loops_that_stop():
    xs, s0 = T.dmatrix("xs"), T.dvector("s0")
    for k, (label, form) in enumerate(some(11, 110)):
        a, _, _ = numbers(k)
        given = np.random.default_rng(k).integers(-3, 4, (STEPS, COUNT)) * 1.0

        def innermost(p, x, s, form=form):
            return T.cast(form(SYMBOLS, p, s, x), "float64")

        def inner(s, x, step=innermost):
            rows, _ = scan(step, outputs_info=s, non_sequences=[x, s], n_steps=3)
            return rows[-1] * 0.5

        def outer(x, s):
            new = inner(s, x)
            return new, until(new.sum() > 5)

        last = scan(outer, sequences=xs, outputs_info=s0)[0][-1]
        want = a
        for x in given:
            q = want
            for _ in range(3):
                q = np.array(form(ARRAYS, q, want, x), float)
            want = q * 0.5
            if want.sum() > 5:
                break
        agree(label, [function([xs, s0], last)(given, a)], [want])


# ---- gradients of loops, by finite differences

DELAYS = {
    "delay line": lambda on, s, x: on.concatenate([s[1:], x[:1]]),
    "delay line of products": lambda on, s, x: on.concatenate([s[1:] * x[1:], s[:1]]),
    "turned": lambda on, s, x: s[::-1],
    "turned and added": lambda on, s, x: s[::-1] * 0.5 + x * s,
    "written row": lambda on, s, x: on.write(s, 0, x.sum(), False),
    "added row": lambda on, s, x: on.write(s[::-1], np.s_[1:3], x[:2] * s[2:4], True),
    "into another": lambda on, s, x: on.write(x * s, np.s_[:], s, True),
    "places": lambda on, s, x: on.write(s, np.array([0, 2, 0]), x[:3] * s[3:], True),
    "rolled": lambda on, s, x: on.roll(s, 1) * 0.9 + on.exp(x * 0.1),
    "matrix": lambda on, s, x: on.dot(on.outer(x, s), s[::-1]) * 0.1 + s,
    "condition": lambda on, s, x: on.choose(x.sum() > 0, s[::-1] * x, s * 0.5),
}


@pytest.mark.parametrize("name", DELAYS)
@pytest.mark.parametrize("weigh", ["last", "all"])
def test_gradients_of_delay_lines(name, weigh):
    form = DELAYS[name]
    rng = np.random.default_rng(5)
    given, start, weights = (rng.normal(size=n) for n in ((5, COUNT), COUNT, COUNT))

    def cost_of(rows, on):
        return (
            (rows[-1] * weights).sum() if weigh == "last" else (rows**2 * weights).sum()
        )

    xs, s0 = T.dmatrix("xs"), T.dvector("s0")
    rows, _ = scan(lambda x, s: form(SYMBOLS, s, x), sequences=xs, outputs_info=s0)
    cost = cost_of(rows, SYMBOLS)
    gradients = symnet.grad(cost, [xs, s0], disconnected_inputs="ignore")
    f = function([xs, s0], [cost, *gradients], on_unused_input="ignore")

    def value(xs, s):
        found = []
        for x in xs:
            s = form(ARRAYS, s, x)
            found.append(s)
        return cost_of(np.array(found), ARRAYS)

    def differences(which):
        point = [given, start]
        result = np.zeros_like(point[which])
        for place in np.ndindex(result.shape):
            moved = [v.copy() for v in point]
            moved[which][place] += 1e-5
            above = value(*moved)
            moved[which][place] -= 2e-5
            result[place] = (above - value(*moved)) / 2e-5
        return result

    got = f(given, start)
    np.testing.assert_allclose(got[0], value(given, start), rtol=1e-10)
    for which in (0, 1):
        np.testing.assert_allclose(
            got[1 + which], differences(which), rtol=1e-6, atol=1e-7
        )
