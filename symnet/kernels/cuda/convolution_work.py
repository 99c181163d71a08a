"""A call of a convolution as kernels, and products between them, that can be recorded.

Windows of the input are a view: an axis for places, one for taps.  Where they reach beyond
it, a kernel makes a copy with its border.  Then one of two:

- a product of the filters with the windows, which a kernel has laid out as a matrix, unless
  they lie so already;
- a kernel that adds up: where a group has few filters (depthwise ones have one), since each
  number of a laid out window would serve but few products; and where there is no cuBLAS.

What is written twice is written in the order of the launches, and sums have an order that
follows from sizes and strides, so results are the same in each run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod

from symnet.data_classes import dataclass
from symnet.kernels.cuda.array_library import LONGEST_SUM
from symnet.kernels.cuda.convolution_parts import (
    CONTRACTED,
    PLACES,
    TAPS,
    ConvolutionPart,
    W,
    X,
    Y,
    cut,
    phases,
)
from symnet.kernels.cuda.cublas import LARGEST
from symnet.kernels.cuda.gemm_work import (
    KernelStep,
    Matrices,
    StepPlan,
    Work,
    multiply,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
    Output,
    Scalar,
    literal,
    load,
    reduction,
)
from symnet.kernels.schedule import Schedule, arrange_threads

# Bytes that copies of one part may have.
MOST_BYTES = 64 << 20
# Filters of a group for which laying out windows does not pay: each number is written and
# read once in memory then, and twice read in the cache for each product without.
FEW_FILTERS = 4
# Places of an image from which on it is a matrix of its own; others are joined.
FEW_PLACES = 32
# Results of a product that are too few for a GPU if its sums are long, as are fewer than
# these have terms: channels then have products of their own side by side.
FEW_RESULTS = 1 << 14
# Threads that are enough, and terms that one of them may add up alone.
MANY_THREADS, FEW_TERMS = 1 << 12, 1 << 10

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Array:
    """An operand by number, bytes behind its start, and its stride along each axis."""

    number: int
    start: int
    strides: Mapping[str, int]


def work_of_convolution(
    call: ConvolutionCall, moving: Sequence[bool], rounded: str, multiplies: bool
) -> Work:
    """How a call is done.

    moving: whether each of its operands may lie elsewhere in the next call; rounded: what
    factors of float32 may be rounded to, as in `CublasProduct`; multiplies: whether there is
    cuBLAS.
    """
    writer = ConvolutionWriter(call.dtype, moving, rounded, multiplies)
    if 0 not in (call.groups, call.images, call.outputs, *call.sizes):
        whole = phases(call)
        full = [one for one in whole if one.call.inner]
        if len(full) < len(whole):
            writer.clear(ConvolutionPart(call))
        for one in full:
            writer.write(one)
    return writer.plan.work


@dataclass(frozen=True, slots=True)
class ProductForm:
    """Which axes a product of matrices has: of a batch, contracted, and of places.

    summed: whether the products of a batch are added up at last.
    """

    batch: str
    inner: str
    columns: str
    summed: bool = False

    @property
    def axes(self) -> tuple[str, str, str]:
        """Of the filters' matrix, of the windows', of the result's."""
        return (
            f"{self.batch}o{self.inner}",
            f"{self.batch}{self.inner}{self.columns}",
            f"{self.batch}o{self.columns}",
        )


JOINED = ProductForm("g", CONTRACTED, f"n{PLACES}")
BY_IMAGE = ProductForm("n", CONTRACTED, PLACES)
BY_CHANNEL = ProductForm("c", TAPS, f"n{PLACES}", summed=True)


@dataclass(frozen=True, slots=True)
class ProductLayout:
    """A form of one part; whether its filters, its windows and its result have to be copied,
    and the bytes of these copies."""

    form: ProductForm
    filters: bool
    windows: bool
    result: bool
    size: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a convolution is done, the same for all its parts: whether windows are of a copy
    with a border, whether kernels add up, and whether products are of single channels; and
    the terms of a sum."""

    bordered: bool
    adds_up: bool
    by_channel: bool
    terms: int


class ConvolutionWriter:
    """Writes the steps of a call: see `work_of_convolution`."""

    def __init__(
        self, dtype: str, moving: Sequence[bool], rounded: str, multiplies: bool
    ) -> None:
        self.plan, self.dtype, self.moving = StepPlan(Y + 1), dtype, moving
        self.rounded, self.multiplies = rounded, multiplies
        self.item = ITEM_BYTES[dtype]

    def clear(self, part: ConvolutionPart) -> None:
        zero = literal(0.0, self.dtype)
        self.loop(part.sizes, f"gno{PLACES}", zero, [], result_of(part))

    def write(self, part: ConvolutionPart) -> None:
        """A convolution without spreads, whose sums have terms."""
        way = self.way(part)
        for one in cut(part, partial(self.memory, way=way), MOST_BYTES):
            self.plan.forget()
            border = self.bordered(one) if way.bordered else None
            if way.adds_up:
                self.add_up(one, windows_of(one, border))
            else:
                self.product(one, self.layout(one, way), windows_of(one, border))

    def way(self, part: ConvolutionPart) -> Way:
        call, terms, taps = part.call, part.call.inner, prod(part.call.taps)
        few = result_size(part) <= max(FEW_RESULTS, terms)
        long = terms > LONGEST_SUM and taps >= FEW_PLACES
        return Way(
            bordered=has_border(call),
            adds_up=not self.multiplies or call.outputs <= FEW_FILTERS,
            by_channel=long and few and call.channels > 1 and call.groups == 1,
            terms=terms,
        )

    def memory(self, part: ConvolutionPart, way: Way) -> int:
        """The bytes that a part needs besides its operands."""
        found = prod(border_sizes(part.call)) * self.item * way.bordered
        if part.call.inner < way.terms and (way.adds_up or way.by_channel):
            found += result_size(part) * self.item  # sums that are to be added
        if way.adds_up:
            return found
        layout = self.layout(part, way)
        countable = self.countable(part.sizes, layout.form)
        return found + layout.size if countable else MOST_BYTES + 1

    # ---- kernels

    def loop(
        self,
        sizes: Sizes,
        axes: str,
        value: Scalar,
        inputs: Sequence[Array],
        target: Array,
        summed: str = "",
    ) -> None:
        """A loop over axes, summed ones behind them; load k of `value` is of inputs[k]."""
        used = [one for one in axes + summed if sizes[one] != 1]
        every = [*inputs, target]
        moving = [tuple(one in x.strides for one in used) for x in every]
        operands = [Operand(self.dtype, moves) for moves in moving]
        reduced = tuple(one in summed for one in used)
        if any(reduced):
            value = reduction("sum", value, self.dtype)
        kernel = Kernel(
            len(used), reduced, tuple(operands[:-1]), (Output(operands[-1], value),)
        )
        strides = [tuple(x.strides.get(one, 0) for one in used) for x in every]
        extents = tuple(sizes[one] for one in used)
        arrangement = alone_or_together(
            arrange_threads(kernel, extents, strides), extents, reduced
        )
        numbers, starts = tuple(x.number for x in every), tuple(x.start for x in every)
        self.plan.steps.append(KernelStep(kernel, arrangement, numbers, starts))

    def dense(self, sizes: Sizes, axes: str) -> Array:
        """Scratch memory without gaps, in the order of axes."""
        strides, step = {}, self.item
        for one in reversed(axes):
            strides[one], step = step, step * sizes[one]
        return Array(self.plan.bytes(step), 0, strides)

    def copied(self, sizes: Sizes, axes: str, source: Array) -> Array:
        made = self.dense(sizes, axes)
        self.loop(sizes, axes, load(0, self.dtype), [source], made)
        return made

    def bordered(self, part: ConvolutionPart) -> Array:
        """The elements that windows meet, zeros where there are none: axes g, n, c, p, q, r."""
        call, axes = part.call, f"gnc{PLACES}"
        sizes = dict(zip(axes, border_sizes(call), strict=True))
        made = self.dense(sizes, axes)
        self.loop(sizes, axes, literal(0.0, self.dtype), [], made)
        source, target = part.starts[X], made.start
        within = dict(sizes)
        for k, one in enumerate(PLACES):
            low = call.low[k]
            first = max(0, -low)
            within[one] = min(call.inputs[k], sizes[one] - low) - first
            source += first * call.x_strides[3 + k]
            target += (first + low) * made.strides[one]
        if min(within.values()) > 0:
            x = Array(X, source, dict(zip(axes, call.x_strides, strict=True)))
            inner = replace(made, start=target)
            self.loop(within, axes, load(0, self.dtype), [x], inner)
        return made

    def put(
        self,
        part: ConvolutionPart,
        value: Scalar,
        inputs: list[Array],
        summed: str = "",
    ) -> None:
        """Results, or their sums, where they belong; added to what is there where the part
        does so."""
        sizes, axes, target = part.sizes, f"gno{PLACES}", result_of(part)
        if not part.adds:
            self.loop(sizes, axes, value, inputs, target, summed)
            return
        made = inputs[0]
        if summed or len(inputs) > 1:
            made = self.dense(sizes, axes)
            self.loop(sizes, axes, value, inputs, made, summed)
        total = load(0, self.dtype) + load(1, self.dtype)
        self.loop(sizes, axes, total, [target, made], target)

    def add_up(self, part: ConvolutionPart, windows: Array) -> None:
        """Each result by a thread, or by a warp."""
        value = load(0, self.dtype) * load(1, self.dtype)
        self.put(part, value, [windows, filters_of(part)], CONTRACTED)

    # ---- products

    def layout(self, part: ConvolutionPart, way: Way) -> ProductLayout:
        """The form that needs the smallest copies."""
        sizes, forms = part.sizes, [JOINED]
        if way.by_channel:
            forms = [BY_CHANNEL]
        elif sizes["g"] == 1:
            places = prod(sizes[one] for one in PLACES)
            windows = windows_of(part, None)
            lies = not way.bordered and self.lies(X, windows, sizes, BY_IMAGE)
            forms += [BY_IMAGE] * (lies or places >= FEW_PLACES)
        return min(
            (self.layout_in(part, form, way) for form in forms),
            key=lambda one: one.size,
        )

    def layout_in(
        self, part: ConvolutionPart, form: ProductForm, way: Way
    ) -> ProductLayout:
        sizes = part.sizes
        windows = None if way.bordered else windows_of(part, None)
        copied = (  # as the axes of a form
            not self.lies(W, filters_of(part), sizes, form),
            windows is None or not self.lies(X, windows, sizes, form),
            form.summed or not self.lies(Y, result_of(part), sizes, form),
        )
        size = sum(
            prod(sizes[one] for one in axes) * needed
            for axes, needed in zip(form.axes, copied, strict=True)
        )
        return ProductLayout(form, *copied, size * self.item)

    def lies(self, operand: int, array: Array, sizes: Sizes, form: ProductForm) -> bool:
        """Whether an operand can be read, or written, by cuBLAS where it lies."""
        if self.moving[operand]:
            return False
        axes = {W: ("o", form.inner), X: (form.inner, form.columns)}
        found = self.matrices(
            array, sizes, form.batch, *axes.get(operand, ("o", form.columns))
        )
        return found is not None and found.readable

    def countable(self, sizes: Sizes, form: ProductForm) -> bool:
        """Whether cuBLAS can count so far."""
        axes = (form.batch, "o", form.inner, form.columns)
        return all(prod(sizes[one] for one in each) <= LARGEST for each in axes)

    def matrices(
        self, array: Array, sizes: Sizes, batch: str, rows: str, columns: str
    ) -> Matrices | None:
        """An array as matrices; None where axes of theirs are not walked as one."""
        shape, strides = [], []
        for axes in (batch, rows, columns):
            if axes == batch and sizes[batch] == 1:
                continue
            step = walked_as_one(array, sizes, axes, self.item)
            if step is None:
                return None
            shape.append(prod(sizes[one] for one in axes))
            strides.append(step)
        return Matrices(
            array.number, self.dtype, tuple(shape), tuple(strides), array.start
        )

    def product(
        self, part: ConvolutionPart, layout: ProductLayout, windows: Array
    ) -> None:
        """The filters times the windows."""
        sizes, form, filters, result = part.sizes, layout.form, filters_of(part), None
        of_filters, of_windows, of_result = form.axes
        if layout.filters:
            filters = self.copied(sizes, of_filters, filters)
        if layout.windows:
            windows = self.copied(sizes, of_windows, windows)
        if layout.result:
            result = self.dense(sizes, of_result)
        a = self.matrices(filters, sizes, form.batch, "o", form.inner)
        b = self.matrices(windows, sizes, form.batch, form.inner, form.columns)
        c = self.matrices(
            result or result_of(part), sizes, form.batch, "o", form.columns
        )
        assert a is not None and b is not None and c is not None
        beta = 1.0 if part.adds and result is None else 0.0
        multiply(self.plan, a, b, c, 1.0, beta, self.rounded)
        if result is not None:
            summed = form.batch if form.summed else ""
            self.put(part, load(0, self.dtype), [result], summed)


def alone_or_together(
    found: Schedule, extents: Sequence[int], reduced: Sequence[bool]
) -> Schedule:
    """Sums by a thread each, where they are many and short, even if neighbours are terms."""
    terms = prod(n for n, summed in zip(extents, reduced, strict=True) if summed)
    many = found.total >= MANY_THREADS and terms <= FEW_TERMS
    if found.variant.lanes == "parts" or not many:
        return found
    return replace(found, variant=replace(found.variant, warps=False))


def walked_as_one(array: Array, sizes: Sizes, axes: str, item: int) -> int | None:
    """The step along axes together, outer first; None where they have none."""
    used = [one for one in axes if sizes[one] != 1]
    if not used:
        return item
    if any(one not in array.strides for one in used):
        return 0 if len(used) == 1 else None
    for outer, inner in zip(used, used[1:]):
        if array.strides[outer] != array.strides[inner] * sizes[inner]:
            return None
    return array.strides[used[-1]]


# ---- operands


def filters_of(part: ConvolutionPart) -> Array:
    strides = dict(zip(f"goc{TAPS}", part.call.w_strides, strict=True))
    return Array(W, part.starts[W], strides)


def result_of(part: ConvolutionPart) -> Array:
    strides = dict(zip(f"gno{PLACES}", part.call.y_strides, strict=True))
    return Array(Y, part.starts[Y], strides)


def result_size(part: ConvolutionPart) -> int:
    return prod(part.sizes[one] for one in f"gno{PLACES}")


def windows_of(part: ConvolutionPart, border: Array | None) -> Array:
    """All windows as a view of the input, or of its copy with a border."""
    call = part.call
    number, start, strides = X, part.starts[X], call.x_strides
    if border is not None:
        number, start = border.number, border.start
        strides = tuple(border.strides[one] for one in f"gnc{PLACES}")
    else:
        start -= sum(low * step for low, step in zip(call.low, strides[3:]))
    found = dict(zip("gnc", strides[:3], strict=True))
    for k, (tap, place) in enumerate(zip(TAPS, PLACES, strict=True)):
        found[tap] = strides[3 + k] * call.dilations[k]
        found[place] = strides[3 + k] * call.strides[k]
    return Array(number, start, found)


def spans(call: ConvolutionCall) -> tuple[int, ...]:
    """How many elements windows reach over, along each axis."""
    return tuple(
        (p - 1) * s + (t - 1) * d + 1
        for p, s, t, d in zip(
            call.sizes, call.strides, call.taps, call.dilations, strict=True
        )
    )


def border_sizes(call: ConvolutionCall) -> tuple[int, ...]:
    return (call.groups, call.images, call.channels, *spans(call))


def has_border(call: ConvolutionCall) -> bool:
    """Whether windows reach beyond the input."""
    return any(
        low > 0 or span - low > n
        for low, span, n in zip(call.low, spans(call), call.inputs, strict=True)
    )


__all__ = ["work_of_convolution"]
