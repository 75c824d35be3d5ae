"""Architectures of one's own: in files and modules, with their settings."""

import json
import os
import sys
from textwrap import dedent

import pytest

from ntksym.cli import architectures as command
from tests.cli.helpers import NET, Run, Write, refused


def test_a_function_in_a_file(run: Run, write: Write) -> None:
    write("nets/mine.py", NET)
    code, out, err = run("scaling", "nets/mine.py:net")
    assert (code, err) == (0, "")
    assert out.startswith("net: ")
    assert run("scaling", "nets/mine.py")[1] == out


def test_a_file_or_an_activation_in_place_of_an_architecture_is_recognised(run: Run, write: Write) -> None:
    write("mine.py", NET)
    assert "the file mine.py" in refused(run("scaling", "mine"))
    assert "mlp --phi relu" in refused(run("phase", "relu"))


def test_a_plain_annotated_function(run: Run, write: Write) -> None:
    write("plain.py", NET.replace("@ns.program", ""))
    assert run("scaling", "plain.py:net")[0] == 0
    assert run("scaling", "plain.py")[0] == 0


def test_string_annotations(run: Run, write: Write) -> None:
    write("plain.py", "from __future__ import annotations\n" + dedent(NET).replace("@ns.program", ""))
    assert run("scaling", "plain.py")[0] == 0


def test_a_file_may_import_its_neighbours(run: Run, write: Write) -> None:
    write("nets/neighbour_of_b.py", NET)
    write(
        "nets/b.py",
        "from neighbour_of_b import n\nimport ntksym as ns\ndef f(x: ns.Vector('d')): return ns.dense(x, n, name='w')",
    )
    path = list(sys.path)
    assert run("scaling", "nets/b.py")[0] == 0
    assert sys.path == path


def test_a_function_in_a_module_of_this_folder(run: Run, write: Write) -> None:
    write("some_package_of_mine/__init__.py", "")
    write("some_package_of_mine/nets.py", NET)
    code, out, err = run("scaling", "some_package_of_mine.nets:net", "--depth", "1")
    assert (code, err) == (0, "")
    assert "hidden0.w" in out
    assert "hidden1.w" not in out


def test_a_program_that_is_traced_already(run: Run, write: Write) -> None:
    write("mine.py", dedent(NET) + "\nmade = net(depth=1)\n")
    assert run("scaling", "mine.py:made")[0] == 0
    assert "no settings" in refused(run("scaling", "mine.py:made", "--depth", "3"))


def test_settings_are_read_by_the_type_of_their_default(run: Run, write: Write) -> None:
    write("mine.py", NET)
    words = ["power=-1", "wide=yes", "rate=1e-3", "tag=first", "extra=7", "phi=relu", "depth=1"]
    found = command.find("mine.py:net")
    assert isinstance(found, command.Architecture)
    read = command.settings_of(found, words, {})
    assert {key: value for key, value in read.items() if key != "phi"} == {
        "power": -1, "wide": True, "rate": 1e-3, "tag": "first", "extra": "7", "depth": 1,
    }  # fmt: skip
    assert type(read["wide"]) is bool
    code, out, _ = run("scaling", "mine.py:net", *(w for word in words for w in ("--set", word)))
    assert code == 0
    assert "first.w" in out


@pytest.mark.parametrize("text", ["true", "True", "yes", "1", "on"])
def test_truth(run: Run, text: str) -> None:
    _, out, _ = run("scaling", "transformer", "--set", f"tied={text}")
    assert "embed.w in " in out


def test_what_a_file_prints_is_kept_out_of_the_answer(run: Run, write: Write) -> None:
    write(
        "loud.py",
        "print('loading')\n" + dedent(NET).replace("    h = ns.dense(x", "    print('tracing'); h = ns.dense(x"),
    )
    code, out, err = run("scaling", "loud.py", "--format", "json")
    assert code == 0
    json.loads(out)
    assert err == "loading\ntracing\n"


def test_loading_leaves_no_files_behind(run: Run, write: Write) -> None:
    path = write("mine.py", NET)
    run("scaling", "mine.py")
    assert os.listdir(path.parent) == ["mine.py"]
