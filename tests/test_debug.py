from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.debug import UsageError, call_once, explain, load, main, read_shapes

PROGRAM = """
import numpy as np
import symnet
import symnet.tensor as T
from helper_of_program import RATE

x = T.dmatrix("x")
k = T.lscalar("k")
w = symnet.shared(np.zeros((4, 2)), "w")
cost = T.sqr(T.tanh(T.dot(x, w))).sum()
train = symnet.function([x], cost, updates=[(w, w - RATE * T.grad(cost, w))])
number = 3

class Models:
    @staticmethod
    def row():
        return symnet.function([x, k], x[k] * 2)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "helper_of_program.py").write_text("RATE = 0.1\n")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return str(path)


def test_targets(program: str) -> None:
    assert "x, float64 matrix" in repr(load(f"{program}:train"))
    assert len(load(f"{program}:Models.row").request.inputs) == 2
    assert load(f"{program}:cost").request.inputs[0].variable.name == "x"
    assert repr(load("tests.printing.test_stages:training_step")).startswith(
        "<function"
    )


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("train", "say FILE.py:NAME"),
        ("{}:", "say FILE.py:NAME"),
        ("nowhere.py:train", "there is no file nowhere.py"),
        ("{}:training", "there is no 'training'"),
        ("{}:number", "is no compiled function or variable, but 3"),
    ],
)
def test_what_is_not_there(program: str, target: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        load(target.format(program))


def test_the_whole_command(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{program}:train", "--shapes", "x=3,4"]) == 0
    text = capsys.readouterr().out
    stages = [line.split()[1] for line in text.splitlines() if line.startswith("==== ")]
    assert stages[:3] == ["written", "merge", "simplify"]
    assert stages[-5:] == ["fuse", "loops", "program", "plan", "llvm"]
    assert "for x: (3, 4); w: (4, 2)" in text and "define i64 @kernel" in text


def test_single_stages_and_differences(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([f"{program}:train", "--stage", "simplify", "--diff", "--stage", "fuse"])
        == 0
    )
    text = capsys.readouterr().out
    assert text.count("==== ") == 2 and "--- merge\n+++ simplify" in text
    assert main([f"{program}:train", "--stage", "asm", "--shapes", "x=3,4"]) == 0
    assert "kernel:" in capsys.readouterr().out


def test_mistakes_are_told(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, text in [
        (
            [f"{program}:train", "--stage", "fusion"],
            "no stage fusion; there are written,",
        ),
        ([f"{program}:train", "--shapes", "3,4"], "say NAME=SIZE,SIZE"),
        ([f"{program}:train", "--shapes", "x=3,b"], "sizes are whole numbers"),
        ([f"{program}:train", "--shapes", "x=-3,4"], "sizes are whole numbers"),
        ([f"{program}:train", "--shapes", "z=3,4"], "no input z; there are x\n"),
        ([f"{program}:train", "--shapes", "x=3,5"], "the contracted axes): 5 and 4"),
        ([f"{program}:train", "--shapes", "x=3"], "expected float64 matrix"),
        (["no_such_module:train"], "there is no module no_such_module"),
        ([f"{program}:Models.row", "--shapes", "x=3,4"], None),
        ([f"{program}:Models.row", "--shapes", "k="], "sizes of x are not known"),
    ]:
        status = main(arguments)
        errors = capsys.readouterr().err
        assert status == (2 if text else 0), arguments
        assert text is None or text in errors


def test_errors_of_the_program_itself_keep_their_traceback(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        main([f"{path}:train"])


def test_a_module_that_lacks_another_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacking_module.py").write_text("import no_such_module\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        main(["lacking_module:train"])


def test_calling_once_changes_no_shared_variable() -> None:
    x = T.dvector("x")
    w = symnet.shared(np.zeros(3), "w")
    f = symnet.function([x], w.sum(), updates=[(w, w + x)])
    call_once(f, {"x": (3,)})
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))
    assert "for x: (3,); w: (3,)" in explain(f, ["plan"])


def test_shapes() -> None:
    assert read_shapes(["x=20,784", "k=", "v=3"]) == {
        "x": (20, 784),
        "k": (),
        "v": (3,),
    }


def test_as_a_module(program: str) -> None:
    command = [
        sys.executable,
        "-m",
        "symnet.debug",
        f"{program}:train",
        "--stage",
        "written",
    ]
    root = Path(symnet.__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert "update of w: " in done.stdout and not done.stderr
