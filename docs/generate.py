"""The pages that the program writes about itself: settings, names, latest benchmarks.

Docstrings are plain text: paragraphs, entries `name: what it is` with indented lines that
go on, blocks that are indented, and examples (`>>>`).  Here they become Markdown.
"""

from __future__ import annotations

import inspect
import pathlib
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import symnet
import symnet.datasets
import symnet.models
import symnet.optim
import symnet.sandbox.rng_mrg
import symnet.sparse
import symnet.tensor as T
from symnet.config import CHOICES, Config
from symnet.graph.types import TensorType
from symnet.ops.about import operand_names
from symnet.ops.elementwise import Elementwise

# file -> (module, what stands at the head of the page)
MODULES: dict[str, tuple[ModuleType, str]] = {
    "symnet": (symnet, "Variables, functions, loops, derivatives."),
    "tensor": (T, "Operations on arrays. `T` is `symnet.tensor`."),
    "nnet": (T.nnet, "Activations, costs, normalisation, convolution."),
    "pool": (T.signal.pool, "Pooling."),
    "nlinalg": (T.nlinalg, "Linear algebra, as `numpy.linalg` has it."),
    "slinalg": (T.slinalg, "Linear algebra, as `scipy.linalg` has it."),
    "sparse": (symnet.sparse, "Sparse matrices."),
    "optim": (symnet.optim, "Updates of parameters, schedules of rates."),
    "random": (symnet.random, "Random numbers for new programs."),
    "rng_mrg": (symnet.sandbox.rng_mrg, "Theano's MRG31k3p streams."),
    "shared_randomstreams": (T.shared_randomstreams, "Streams with NumPy's numbers."),
    "gradient": (symnet.gradient, "Derivatives, and what changes them."),
    "printing": (symnet.printing, "Graphs as text, formulas and pictures."),
    "models": (symnet.models, "Convolutional networks and their weights."),
    "datasets": (symnet.datasets, "Digits to train on."),
}
ENTRY = re.compile(r"([A-Za-z_][\w ,/*]{0,60}): ")


# ---- docstrings as Markdown


def markdown(docstring: str) -> str:
    """The text of a docstring, as Markdown."""
    return "\n\n".join(block(lines) for lines in blocks(docstring))


def blocks(docstring: str) -> Iterator[list[str]]:
    """What blank lines divide; an example reaches to the next blank line."""
    found: list[str] = []
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        example = line.startswith(">>>") and not (found and found[0].startswith(">>>"))
        if found and (not line.strip() or example):
            yield found
            found = []
        if line.strip():
            found.append(line)


def block(lines: list[str]) -> str:
    if lines[0].startswith(">>>"):
        return "\n".join(["```pycon", *lines, "```"])
    if all(line.startswith("    ") for line in lines):
        return "\n".join(["```python", *(line[4:] for line in lines), "```"])
    return "\n".join(entries(lines))


def entries(lines: list[str]) -> Iterator[str]:
    """Each `name: ...` of the block is an item of a list, the other lines a paragraph."""
    listing = False
    for line in lines:
        found = ENTRY.match(line)
        if found:
            if not listing:
                yield ""
            yield f"- **{escaped(found[1])}**: {escaped(line[found.end() :])}"
            listing = True
        elif listing and line.startswith(" "):
            yield f"  {escaped(line.strip())}"
        else:
            if listing:
                yield ""
            yield escaped(line.strip())
            listing = False


def escaped(text: str) -> str:
    """Text in which only `code` means something."""
    pieces = re.split(r"(``?[^`]+``?)", text)
    pieces[::2] = [
        re.sub(r"([\\*_<>\[\]#$|~])", r"\\\1", piece) for piece in pieces[::2]
    ]
    return "".join(pieces)


# ---- names of a module


def signature(function: Any) -> str:
    """The arguments with their defaults, without types."""
    if isinstance(function, Elementwise):
        return f"({', '.join(operand_names(function))})"
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    plain = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in found.parameters.values()
        if one.name != "self"
    ]
    text = str(
        found.replace(parameters=plain, return_annotation=inspect.Parameter.empty)
    )
    return re.sub(r"<[^>]*>", "...", text)


def described(name: str, thing: Any, kind: str) -> str:
    arguments = "" if kind in ("data", "attribute") else signature(thing)
    text = markdown(inspect.getdoc(thing) or "")
    inner = ""
    if inspect.isclass(thing):
        inner = "\n\n".join(
            described(f"{name}.{method}", function, "method")
            for method, function in methods(thing)
        )
    colons = ":" * (6 if inner else 4)
    body = f"\n\n{inner}" if inner else ""
    return f"{colons}{{py:{kind}}} {name}{arguments}\n{text}{body}\n{colons}"


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Those that the class itself has, and that say what they are."""
    for name, thing in vars(kind).items():
        public = not name.startswith("_") and inspect.isfunction(thing)
        if public and thing.__doc__ and not issubclass(kind, BaseException):
            yield name, thing


def names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public functions, classes and objects; without `__all__` those defined there."""
    listed = getattr(module, "__all__", None)
    for name in sorted(listed or vars(module), key=lambda name: (name.lower(), name)):
        thing = getattr(module, name)
        plain = type(thing).__module__ in ("builtins", "types", "__future__")
        made = inspect.isfunction(thing) or inspect.isclass(thing)
        if name.startswith("_") or plain and not made or variable_maker(thing):
            continue
        if listed or getattr(thing, "__module__", "") == module.__name__:
            yield name, thing


def variable_maker(thing: Any) -> bool:
    """`T.matrix`, `T.dvector`, ... and their plurals, which a table lists."""
    plural = getattr(thing, "__module__", "") == "symnet.ops.inputs"
    return isinstance(thing, TensorType) or (plural and inspect.isfunction(thing))


def module_page(module: ModuleType, head: str) -> str:
    title = module.__name__
    parts = [f"# {title}", head, markdown(module.__doc__ or "")]
    parts.append(f":::{{py:module}} {title}\n:::")
    if module is T:
        parts.append(makers_table())
    for name, thing in names(module):
        if inspect.isclass(thing):
            error = issubclass(thing, BaseException)
            kind = "exception" if error else "class"
        else:
            kind = "function" if callable(thing) else "data"
        parts.append(described(name, thing, kind))
    return "\n\n".join(parts) + "\n"


def makers_table() -> str:
    """Constructors of variables by what they make."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name in sorted(vars(T)):
        thing = getattr(T, name)
        if isinstance(thing, TensorType):
            shape = ", ".join(
                "?" if size is None else str(size) for size in thing.shape
            )
            rows.setdefault((shape, "generic"), []).append(f"`{name}`")
    lines = ["| sizes | made by |", "|---|---|"]
    lines += [
        f"| ({shape}) | {', '.join(found)} |" for (shape, _), found in rows.items()
    ]
    head = (
        "Constructors of variables, by the sizes that they know (? is any). The first "
        "letter is the dtype: b, w, i, l integers of 8 to 64 bits, f and d floats, c and z "
        "complex numbers; without one it is `config.floatX`. Each has a plural, which makes "
        "several: `x, y = T.dmatrices('x', 'y')`."
    )
    return "\n".join([head, "", *lines])


# ---- settings, benchmarks


def settings_page() -> str:
    """Each setting with its default, what it may be, and what it means."""
    text = inspect.cleandoc(Config.__doc__ or "")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"(\w+(?:, \w+)*): (.*)", line):
            lines = [match[2]]
            found.update(dict.fromkeys(match[1].split(", "), lines))
        elif line.startswith(" ") and found:
            lines.append(line.strip())
    parts = []
    for name, lines in found.items():
        choices = CHOICES.get(name)
        allowed = ", ".join(f'`"{one}"`' for one in choices) if choices else ""
        meaning = escaped(" ".join(lines))
        parts.append(f"### `{name}`\n\n{meaning}")
        if allowed:
            parts.append(f"Values: {allowed}.")
    return "\n\n".join(parts) + "\n"


def latest_results(root: pathlib.Path) -> str:
    """The tables of the newest run that was kept, with its headings one level down."""
    newest = max((root / "benchmarks" / "results").glob("[0-9]*.md"))
    text = re.sub(r"^#", "##", newest.read_text("utf-8"), flags=re.M)
    figure = newest.with_suffix(".svg").name
    return f"![Ratios](../benchmarks/results/{figure})\n\n{text}"


def write_pages(root: pathlib.Path) -> None:
    """All of them, into docs/generated; a page that is the same is left alone."""
    pages = {name: module_page(*entry) for name, entry in MODULES.items()}
    pages["settings"] = settings_page()
    pages["results"] = latest_results(root)
    folder = root / "docs" / "generated"
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
