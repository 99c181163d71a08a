"""The programs of docs/sparse.md run."""

from __future__ import annotations

import pathlib
import re

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "sparse.md"


def test_the_programs_of_the_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102


def test_every_name_of_the_page_is_there() -> None:
    import symnet
    import symnet.sparse as sparse
    from symnet.sparse.sandbox import sp2

    table = (
        PAGE.read_text("utf-8").partition("## What there is")[2].partition("## Two")[0]
    )
    names = set(re.findall(r"`([a-z_0-9A-Z]+)(?:\([^`]*\))?`", table))
    assert len(names) > 40
    missing = [
        n for n in names
        if not any(hasattr(where, n) for where in (sparse, sp2, symnet))
    ]  # fmt: skip
    assert not missing


def test_the_examples_of_docstrings_run() -> None:
    import doctest
    import importlib
    import pkgutil

    import numpy as np

    import symnet.ops.sparse
    import symnet.sparse as sparse

    tried = 0
    for info in pkgutil.iter_modules(symnet.ops.sparse.__path__, "symnet.ops.sparse."):
        names = {name: getattr(sparse, name) for name in sparse.__all__}
        names |= {"np": np, "sparse": sparse}
        module = importlib.import_module(info.name)
        found = doctest.testmod(module, extraglobs=names)
        assert not found.failed
        tried += found.attempted
    assert tried > 10
