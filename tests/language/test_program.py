"""Programs as objects: equal, hashed, pickled, stored as JSON and read back, inlined in each other."""

import copy
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym.errors import ProgramError
from ntksym.language import Program
from ntksym.language.program import walk
from tests.language import programs
from tests.language.programs import PROGRAMS, inputs_for, sizes_for

ROOT = Path(__file__).parents[2]
n, L = ns.dim("n"), ns.dim("L")


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    return PROGRAMS[request.param]


# --- equality -----------------------------------------------------------------------------------------


def test_two_traces_are_equal(program: Program) -> None:
    again = getattr(programs, program.name)()
    assert again is not program
    assert (again, hash(again), str(again), again.digest) == (program, hash(program), str(program), program.digest)
    assert again.nodes == program.nodes


def test_programs_differ() -> None:
    assert len(set(PROGRAMS.values())) == len(PROGRAMS)
    assert programs.resnet() != programs.resnet(phi=ns.activation("erf"))
    assert programs.resnet() == programs.resnet(phi=ns.activation("Max(z, 0)"))
    assert programs.mlp() != programs.mlp


def test_the_digest_is_the_same_in_every_process() -> None:
    script = (
        "from tests.language.programs import PROGRAMS; import json; "
        "print(json.dumps({name: p.digest for name, p in PROGRAMS.items()}))"
    )
    for seed in ("1", "2"):
        child = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(child.stdout) == {name: p.digest for name, p in PROGRAMS.items()}


def test_the_source_line_is_no_part_of_a_program() -> None:
    def traced(function: Callable[..., Any]) -> Program:
        return ns.program(function)()

    def net(x: ns.Vector(n)):
        return ns.layernorm(x)

    first = traced(net)

    def net(x: ns.Vector(n)):  # the same a few lines below
        return ns.layernorm(x)

    second = traced(net)
    assert first == second
    assert [node.source for node in first.nodes.values()] != [node.source for node in second.nodes.values()]


# --- pickle and JSON ----------------------------------------------------------------------------------


def test_pickle_and_copy(program: Program) -> None:
    assert program.digest
    for again in (pickle.loads(pickle.dumps(program)), copy.deepcopy(program)):
        assert again == program
        assert again.nodes == program.nodes
        assert str(again) == str(program)


def test_json_and_back(program: Program) -> None:
    text = json.dumps(program.to_json())
    assert json.loads(text)["schema"] == "ntksym.program/1"
    again = ns.program_from_json(json.loads(text))
    assert again == program
    assert again.nodes == program.nodes
    assert again.dims == program.dims
    assert (str(again), again.to_latex()) == (str(program), program.to_latex())


def test_a_program_read_back_runs(program: Program) -> None:
    again, sizes, inputs = ns.program_from_json(program.to_json()), sizes_for(program), inputs_for(program)
    weights = ns.draw(program, sizes)
    for a, b in zip(
        ns.values(program, weights, inputs, sizes).values(),
        ns.values(again, weights, inputs, sizes).values(),
        strict=True,
    ):
        assert_allclose(a, b)


def test_relations_and_defaults_survive() -> None:
    k = ns.fixed("k", 0.5)
    d = ns.dim("d", equals=n / k)

    @ns.program
    def net(x: ns.Vector(d)):
        return x * k**-0.5

    again = ns.program_from_json(net().to_json())
    assert again.dims == (d, k, n)
    assert {dim.name: (dim.default, dim.equals) for dim in again.dims}["d"] == (None, n / k)


def changed(change: Callable[[Any], None], name: str = "mlp") -> Any:
    data = json.loads(json.dumps(PROGRAMS[name].to_json()))
    change(data)
    return data


def node(data: Any, op: str) -> Any:
    return next(item for item in data["block"]["nodes"] if item["op"] == op)


def set_to(op: str, key: str, value: Any) -> Callable[[Any], None]:
    return lambda data: node(data, op).update({key: value})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "this is not a program: its schema is None, expected"),
        ([], "its schema is 'list'"),
        (changed(lambda d: d.update(schema="ntksym.table/1")), "'ntksym.table/1', expected \"ntksym.program/1\""),
        (changed(set_to("matmul", "op", "matmull")), "unknown operation 'matmull'; did you mean matmul?"),
        (changed(set_to("matmul", "op", "fft")), "unknown operation 'fft'; known: as_axis, "),
        (changed(set_to("map", "inputs", [6])), "reads the value 6 before it is defined (cyclic?)"),
        (changed(set_to("map", "inputs", [99])), "reads the value 99 before it is defined"),
        (changed(set_to("map", "inputs", [5])), "the value 5 (map) reads the value 5 before it is defined"),
        (changed(set_to("map", "id", 0)), "the value 0 is defined twice"),
        (changed(lambda d: d["block"].update(outputs=[99])), "returns the value 99, which is not defined"),
        (
            changed(lambda d: [i.update(name="w") for i in d["block"]["nodes"] if i["op"] == "parameter"]),
            "the name w is used for two parameters",
        ),
        (changed(lambda d: d["dims"].clear()), "the dimension d_in is used but not listed under dims"),
        (changed(lambda d: d["dims"][0].update(equals=["1", {"d_in": "2"}])), "defined through itself: d_in = d_in"),
        (changed(lambda d: d["dims"][0].update(name="d in")), "the dimension d_in is used but not listed"),
        (changed(lambda d: d.pop("block")), "malformed: KeyError: 'block'"),
        (changed(set_to("map", "type", [])), "malformed: "),
        (changed(set_to("linear", "block", {"nodes": [], "arguments": [], "outputs": []})), "has a body"),
        (changed(lambda d: node(d, "repeat").pop("block"), "resnet"), "(repeat) lacks a body"),
        (changed(lambda d: node(d, "repeat")["block"].update(arguments=[]), "resnet"), "are not its carry"),
        (changed(lambda d: node(d, "repeat")["inputs"].clear(), "resnet"), "has 0 inputs and 1 arguments"),
        (
            changed(lambda d: d["block"].update(outputs=[node(d, "repeat")["block"]["nodes"][1]["id"]]), "resnet"),
            "which is not defined there",
        ),
        (
            changed(lambda d: node(d, "map")["attrs"]["phi"].update(map="__import__('os')"), "mlp"),
            "cannot read",
        ),
    ],
)
def test_json_that_is_no_program_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        ns.program_from_json(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- structure ----------------------------------------------------------------------------------------


def test_inputs_outputs_parameters_dims() -> None:
    program = PROGRAMS["accumulating"]
    assert [node.name for node in program.inputs] == ["x", "tokens"]
    assert [str(node.type) for node in program.outputs] == ["[T; n]", "[T; n]"]
    assert [node.name for node in program.parameters] == ["table", "start", "step.w", "step.b"]
    assert {dim.name: dim.large for dim in program.dims} == {"n": True, "T": False, "vocab": False}


def test_captured_values() -> None:
    program = PROGRAMS["accumulating"]
    (scan,) = (node for node in program.nodes.values() if node.op == "scan")
    assert scan.block is not None
    assert [program.nodes[i].name for i in scan.block.captured()] == ["table", "start"]

    @ns.program
    def net(x: ns.Vector(n), y: ns.Vector(n)):
        return ns.repeat(2, lambda h: ns.repeat(3, lambda h: y, h), x)

    (outer,) = (node for node in net().nodes.values() if node.op == "repeat" and node.attr("times").value({}) == 2)
    assert outer.block is not None
    assert outer.block.captured() == (1,)


def test_every_value_is_defined_before_it_is_read(program: Program) -> None:
    seen: set[int] = set()
    ids = [node.id for node in walk(program.block)]
    assert len(ids) == len(set(ids))
    for node in sorted(program.nodes.values(), key=lambda node: node.id):
        assert set(node.inputs) <= seen
        seen.add(node.id)


# --- inlining -----------------------------------------------------------------------------------------


@ns.program
def block_of_two(x: ns.Vector(n), *, phi="tanh", name="two"):
    h = ns.map(phi, ns.dense(x, n, name=f"{name}.a"))
    return ns.dense(h, n, name=f"{name}.b"), h


def test_an_architecture_called_with_values_is_inlined() -> None:
    @ns.program
    def net(x: ns.Vector(n)):
        def body(h):
            return h + block_of_two(h, phi="relu")[0]

        return ns.repeat(L, body, block_of_two(x)[0])

    @ns.program
    def by_hand(x: ns.Vector(n)):
        def body(h):
            inner = ns.map("relu", ns.dense(h, n, name="two.a"))
            return h + ns.dense(inner, n, name="two.b")

        h = ns.map("tanh", ns.dense(x, n, name="two.a"))
        return ns.repeat(L, body, ns.dense(h, n, name="two.b"))

    assert net().block == by_hand().block
    assert [p.name for p in net().parameters][-1] == "body.two.b.b"


def test_an_architecture_keeps_its_name_and_its_docstring() -> None:
    assert programs.axes.name == "axes"
    assert programs.axes.__doc__ == "The operations that no layer above needs."


def test_settings_are_keywords() -> None:
    assert "relu" in str(block_of_two(phi="relu"))
    assert block_of_two(name="z").parameters[0].name == "z.a.w"


# --- annotations as strings ---------------------------------------------------------------------------

FUTURE = """
from __future__ import annotations
from ntksym import language as ns

n = ns.dim("n")

@ns.program
def top(x: ns.Vector(n), t: ns.Tokens('T')):
    return ns.layernorm(x)

def make():
    width = ns.dim("width")

    @ns.program
    def inner(x: ns.Vector(width), *, keep=True):
        return inner.name and x

    return inner

def wrong():
    @ns.program
    def net(x: ns.Vektor(3)):
        return x

def power():
    @ns.program
    def net(x: ns.Vector(n**0.3)):
        return x
"""


def test_string_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "future_annotations.py").write_text(FUTURE)
    monkeypatch.syspath_prepend(tmp_path)
    import future_annotations as module

    assert [str(node.type) for node in module.top().inputs] == ["[n]", "tokens[T]"]
    assert str(module.make()().inputs[0].type) == "[width]"

    @ns.program
    def quoted(x: "ns.Vector(n)"):
        return x

    assert str(quoted().inputs[0].type) == "[n]"
    lines = FUTURE.split("\n")
    at = lines.index("def wrong():") + 2
    with pytest.raises(
        ProgramError, match=rf"future_annotations.py:{at}: the annotation 'ns.Vektor\(3\)' cannot be read"
    ):
        module.wrong()
    at = lines.index("def power():") + 2
    with pytest.raises(ProgramError, match=rf"future_annotations.py:{at}: a dimension was raised to the power 0.3"):
        module.power()


# --- size ---------------------------------------------------------------------------------------------


def test_ten_thousand_operations() -> None:
    @ns.program
    def net(x: ns.Vector(n)):
        for i in range(2000):
            x = x + 0.1 * ns.map("tanh", ns.dense(x, n, name=f"layer{i}"))
        return x

    start = time.perf_counter()
    program = net()
    traced = time.perf_counter() - start
    assert len(program.nodes) > 10_000
    assert traced < 10  # 0.6 s on an idle machine
    start = time.perf_counter()
    assert len(str(program).split("\n")) > 10_000
    assert ns.program_from_json(program.to_json()) == program
    assert program.to_mermaid()
    assert time.perf_counter() - start < 30


def test_deep_loops() -> None:
    @ns.program
    def net(x: ns.Vector(n)):
        def nest(depth: int, h: ns.Value) -> ns.Value:
            if not depth:
                return ns.dense(h, n, name="w", bias=False)
            return ns.repeat(1, lambda h: nest(depth - 1, h), h, name="a")

        return nest(20, x)

    program = net()
    assert program.parameters[0].name == ".".join("a" * 20) + ".w.w"
    weights = ns.draw(program, {"n": 2})
    assert list(weights) == [".".join(["a[0]"] * 20) + ".w.w"]
    assert_allclose(ns.run(program, weights, np.ones(2), {"n": 2}), next(iter(weights.values())).sum(1))
    assert ns.program_from_json(program.to_json()) == program
