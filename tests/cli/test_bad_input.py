"""Every way to get it wrong: one line on standard error, exit code 2, and nothing written."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ntksym.cli import scaling as command
from tests.cli.helpers import NET, Run, Write, refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["scal"], "scal"),
        (["scaling"], "name an architecture: a name of the zoo, path/to/file.py:function or"),
        (["scaling", "trasformer"], "there is no architecture 'trasformer' in the zoo; did you mean transformer?"),
        (["scaling", "qqqq"], "known: cnn, dit, "),
        (["scaling", "mlp", "mlp"], "unexpected extra argument"),
        (["scaling", "mlp", "--optimiser", "adam"], "--optimizer"),
        (["scaling", "mlp", "--optimizer"], "requires an argument"),
        (["scaling", "mlp", "--optimizer", "adamm"], "there is no optimizer 'adamm'; did you mean adam?"),
        (["scaling", "mlp", "--optimizer", "*=addam"], "did you mean adam?"),
        (["scaling", "mlp", "--optimizer", "*.b=adam,muon"], "is not a list such as name=value"),
        (["scaling", "mlp", "--optimizer", "*.b=adam"], "no optimizer is given for input.w"),
        (["scaling", "mlp", "--parametrization", "mupp"], "did you mean mup?"),
        (["scaling", "mlp", "--alignment", "ful"], "did you mean full?"),
        (["scaling", "mlp", "--form", "table7"], "there is no form 'table7'; did you mean"),
        (["scaling", "mlp", "--format", "markdwn"], "did you mean markdown?"),
        (["scaling", "mlp", "--large", "N"], "there is no dimension 'N'"),
        (["scaling", "mlp", "--large", ","], "--large needs names"),
        (["scaling", "mlp", "--set", "depth"], "--set 'depth' is not of the form key=value"),
        (["scaling", "mlp", "--set", "depht=3"], "mlp has no setting 'depht'; did you mean depth?"),
        (["scaling", "word2vec", "--depth", "3"], "--depth: word2vec has no setting 'depth'; it has none"),
        (["scaling", "mlp", "--set", "depth=3", "--depth", "4"], "depth is set twice"),
        (["scaling", "mlp", "--set", "depth=three"], "--set depth: 'three' is not a whole number"),
        (["scaling", "mlp", "--set", "depth=2.5"], "'2.5' is not a whole number"),
        (["scaling", "transformer", "--set", "ff=0"], "transformer.py:"),
        (["scaling", "mlp", "--set", "bias=maybe"], "--set bias: 'maybe' is neither true nor false"),
        (["scaling", "resnet", "--set", "branch=1/0"], "'1/0' is not a rational number"),
        (["scaling", "resnet", "--set", "branch=half"], "'half' is not a rational number such as -1/2 or 0.5"),
        (["scaling", "resnet", "--set", "branch=1e999999999"], "is not a rational number"),
        (["scaling", "mlp", "--phi", "rellu"], "--phi: no activation is named 'rellu'; did you mean relu"),
        (["scaling", "mlp", "--phi", "__import__('os')"], "--phi: "),
        (["scaling", "mlp", "--phi", "z +"], "--phi: "),
        (["scaling", "mlp", "--explain", "readut.w"], "mlp has no parameter 'readut.w'; did you mean readout.w?"),
        (["scaling", "mlp", "--explain", "--format", "csv"], "--explain and --format do not go together"),
        (["scaling", "mlp", "--explain", "--at", "n=3"], "do not go together"),
        (["scaling", "mlp", "--at", "n"], "--at 'n' is not a list such as name=value"),
        (["scaling", "mlp", "--at", "n=0"], "--at n = '0' is not a positive number"),
        (["scaling", "mlp", "--at", "n=inf"], "is not a positive number"),
        (["scaling", "mlp", "--at", "n=1,n=2"], "names n twice"),
        (["scaling", "mlp", "--at", "lr=3"], "there is no dimension 'lr'"),
        (["scaling", "mlp", "--at", "n=8", "--base", "d_in=8"], "d_in is not large"),
        (["scaling", "mlp", "--at", "n=8", "--lr", "fast"], "--lr = 'fast' is not a positive number"),
        (["scaling", "mlp", "--lr", "1"], "--lr needs --at"),
        (["scaling", "mlp", "--base", "n=1"], "--base needs --at"),
        (["scaling", "nowhere.py:net"], "cannot read nowhere.py: No such file or directory"),
        (["scaling", "nowhere.py"], "cannot read nowhere.py: No such file or directory"),
        (
            ["scaling", "some/file"],
            "'some/file' is not an architecture; write a name of the zoo, path/to/file.py:function",
        ),
        (["scaling", ":net"], "':net' is not an architecture"),
        (["scaling", "mlp:"], "'mlp:' is not an architecture"),
        (["scaling", "no-module:net"], "'no-module' is neither a file nor a module"),
        (["scaling", "..x:net"], "'..x' is neither a file nor a module"),
        (["scaling", "no_such_module_here.x:net"], "there is no module no_such_module_here"),
        (["scaling", "json:dumps"], "needs an annotation"),
        (["scaling", "json:decoder"], "decoder in json is a module, not an architecture or a function"),
        (["scaling", "json:dmps"], "json has no function 'dmps'"),
        (
            ["scaling", "mlp", "-o", "no/such/folder/x.md"],
            "cannot write no/such/folder/x.md: No such file or directory",
        ),
        (["scaling", "mlp", "-o", "."], "cannot write .: it is a directory"),
        (["scaling", "\x1b[31m\n"], r"\x1b[31m"),
    ],
)
def test_bad_input(run: Run, words: list[str], says: str) -> None:
    line = refused(run(*words))
    assert says in line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def net(:\n", "mine.py:1: SyntaxError: "),
        ("x = 1\n  y = 2\n", "mine.py:2: SyntaxError: unexpected indent"),
        ("import ntksym as ns\n\ny = ns.rellu\n", "mine.py:3: "),
        ("import ntksym as ns\n\ny = 1/0\n", "mine.py:3: ZeroDivisionError: division by zero"),
        ("import not_a_module_at_all\n", "mine.py:1: ModuleNotFoundError: No module named 'not_a_module_at_all'"),
        ("from json import nothing\n", "mine.py:1: ImportError: cannot import name 'nothing'"),
        ("import sys\nsys.exit('enough')\n", "mine.py:2: SystemExit: enough"),
        ("raise RuntimeError('one\\ntwo\\x1b[31m')\n", r"mine.py:1: RuntimeError: one two\x1b[31m"),
        ("raise KeyError\n", "mine.py:1: KeyError"),
        ("import ntksym as ns\nf = ns.activation('z +')\n", "mine.py:2: "),
        ("import json\njson.loads('{')\n", "mine.py:2: JSONDecodeError: "),
        (
            "import math\ny = math.sqr\n",
            "mine.py:2: AttributeError: module 'math' has no attribute 'sqr'; did you mean sqrt?",
        ),
        ("def net(x): return x\n", "mine.py:1: the input x of net needs an annotation"),
        ("net = 3\n", "net in mine.py is a int, not an architecture or a function"),
        ("\x00", "mine.py:1: SyntaxError: source code string cannot contain null bytes"),
        ("# coding: nonsense\n", "mine.py:1: SyntaxError: unknown encoding: nonsense"),
        ("import json\n\neval('1 +')\n", "mine.py:3: SyntaxError: "),
        ("import a_neighbour_with_a_typo\n", "a_neighbour_with_a_typo.py:2: SyntaxError: "),
    ],
)
def test_a_bad_file(run: Run, write: Write, source: str, says: str) -> None:
    write("mine.py", source)
    write("a_neighbour_with_a_typo.py", "x = 1\ny = (\n")
    assert says in refused(run("scaling", "mine.py:net", "-o", "out.txt"))
    assert not Path("out.txt").exists()


def test_a_misspelt_attribute_is_set_right(run: Run, write: Write) -> None:
    write("mine.py", NET.replace("ns.tanh", "ns.tahn"))
    line = refused(run("scaling", "mine.py"))
    assert line.startswith("mine.py:")
    assert "did you mean tanh" in line


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 1/0", "mine.py:4: ZeroDivisionError: division by zero"),
        ("return helper(x)", "mine.py:5: ValueError: no"),
        ("return ns.dense(x, n)", "mine.py:4: "),
        ("return ns.dens(x, n)", "did you mean dense"),
        ("return ns.dense(x)", "mine.py:4: TypeError: "),
        ("return None", "returned NoneType"),
        ("raise KeyboardInterrupt", None),
    ],
)
def test_an_exception_in_the_users_function(run: Run, write: Write, body: str, says: str | None) -> None:
    before, after = "import ntksym as ns\nn = ns.dims('n')\n", "def helper(x): raise ValueError('no')\n"
    write("mine.py", f"{before}def net(x: ns.Vector('d')):\n    {body}\n{after}")
    answer = run("scaling", "mine.py:net")
    if says is None:
        assert answer == (130, "", "")
    else:
        assert says in refused(answer)


def test_a_missing_function_lists_those_that_are_there(run: Run, write: Write) -> None:
    write("mine.py", NET)
    assert refused(run("scaling", "mine.py:nett")) == "mine.py has no function 'nett'; did you mean net?"
    assert refused(run("scaling", "mine.py:other")) == "mine.py has no function 'other'; it has: net"
    write("empty.py", "x = 1\n")
    assert refused(run("scaling", "empty.py:net")) == "empty.py has no function 'net'; it has no architecture"
    assert "empty.py has no architecture" in refused(run("scaling", "empty.py"))


def test_several_architectures_want_a_name(run: Run, write: Write) -> None:
    write("mine.py", dedent(NET) + dedent(NET).replace("def net", "def other"))
    assert (
        refused(run("scaling", "mine.py")) == "mine.py has several architectures; name one: mine.py:net, mine.py:other"
    )


def test_a_default_without_a_text_form(run: Run, write: Write) -> None:
    write("mine.py", NET)
    assert "its default is a Dim" in refused(run("scaling", "mine.py", "--set", "size=3"))


def test_a_module_that_breaks_while_it_is_imported(run: Run, write: Write) -> None:
    write("a_broken_module_of_mine.py", "\nimport nothing_of_this_name\n")
    line = refused(run("scaling", "a_broken_module_of_mine:net"))
    assert line == "a_broken_module_of_mine.py:2: ModuleNotFoundError: No module named 'nothing_of_this_name'"


def test_a_folder_or_a_forbidden_file(run: Run, write: Write) -> None:
    write("folder.py/x", "")
    assert refused(run("scaling", "folder.py")) == "cannot read folder.py: Is a directory"


def test_a_bug_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise LookupError("oh\nno")

    monkeypatch.setattr(command, "scaling_table", broken)
    code, out, err = run("scaling", "mlp")
    assert (code, out, err.count("\n")) == (70, "", 1)
    assert "a bug in ntksym: LookupError: oh no" in err
    monkeypatch.setenv("NTKSYM_TRACEBACK", "1")
    with pytest.raises(LookupError):
        run("scaling", "mlp")


def test_control_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "scaling_table", interrupted)
    assert run("scaling", "mlp") == (130, "", "")
