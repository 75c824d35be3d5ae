"""Drawing weights, feeding inputs, looking at values: what the interpreter promises and refuses."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ntksym import language as ns
from ntksym.errors import ProgramError
from ntksym.language import Program
from ntksym.language.interpret import copy_name
from tests.language.programs import PROGRAMS, SIZES, inputs_for, sizes_for

n, L = ns.dim("n"), ns.dim("L")


def deep_program() -> Program:
    @ns.program
    def deep(x: ns.Vector("d_in")):
        h = ns.dense(x, n, name="embed")
        h = ns.repeat(L, lambda h: ns.dense(h, n, name="hidden"), h, name="block")
        return ns.readout(h, 3)

    return deep()


deep, SMALL = deep_program(), {"n": 4, "L": 3, "d_in": 2}


# --- draw ---------------------------------------------------------------------------------------------


def test_names_and_shapes() -> None:
    shapes = {name: w.shape for name, w in ns.draw(deep, SMALL).items()}
    assert shapes == {
        **{"embed.w": (4, 2), "embed.b": (4,), "readout.w": (3, 4), "readout.b": (3,)},
        **{f"block[{i}].hidden.w": (4, 4) for i in range(3)},
        **{f"block[{i}].hidden.b": (4,) for i in range(3)},
    }


def test_names_of_nested_copies() -> None:
    names = ns.draw(PROGRAMS["nested"], {"n": 2, "L": 2})
    assert {name for name in names if name.endswith(".w")} == {
        f"outer[{i}].inner[{j}].w.w" for i in range(2) for j in range(2)
    }
    assert copy_name("a.b.c.w", (("a.b", 7), ("a.b.c", 0))) == "a.b[7].c[0].w"


def test_a_layer_inside_a_scan_is_shared() -> None:
    names = ns.draw(PROGRAMS["accumulating"], {"n": 2, "T": 3, "vocab": 4})
    assert set(names) == {"table", "start", "step.w", "step.b"}


def test_one_seed_one_draw() -> None:
    first, again, other = (ns.draw(deep, SMALL, seed) for seed in (1, 1, 2))
    for name in first:
        assert_array_equal(first[name], again[name])
        assert name.endswith(".b") or (first[name] != other[name]).all()
    copies = [first[f"block[{i}].hidden.w"] for i in range(3)]
    assert (copies[0] != copies[1]).all()


def test_other_layers_do_not_change_a_draw() -> None:
    @ns.program
    def wider(x: ns.Vector("d_in")):
        h = ns.dense(ns.dense(x, n, name="embed"), n, name="another")
        return ns.repeat(L, lambda h: ns.dense(h, n, name="hidden"), h, name="block")

    before, after = ns.draw(deep, SMALL), ns.draw(wider(), {**SMALL, "L": 5})
    for name in ("embed.w", *(f"block[{i}].hidden.w" for i in range(3))):
        assert_array_equal(before[name], after[name])


def test_standard_deviations() -> None:
    @ns.program
    def net(tokens: ns.Tokens("T")):
        h, table = ns.embedding(tokens, 200, name="tied")
        h = ns.positional(h, "T", name="position")
        h = ns.dense(h, 300, name="plain", bias=True)
        h = ns.dense(h, 300, name="fixed", sigma_w=0.5, sigma_b=2.0)
        h = ns.dense(h, 200, name="own", sigma_w="sigma_o", init="normal")
        return ns.tied_readout(ns.gain(h, name="gain"), table)

    sizes = {"T": 400, "vocab": 300}
    expected = {
        **{"tied.w": 1.5, "position.w": 1.0, "plain.w": 1.5 / 200**0.5, "plain.b": 0.2},
        **{"fixed.w": 0.5 / 300**0.5, "fixed.b": 2.0, "own.w": 3 / 300**0.5, "own.b": 0.2, "gain": 0.0},
    }
    weights = ns.draw(net(), sizes, sigma_w=1.5, sigma_b=0.2, sigma_o=3.0)
    assert set(weights) == set(expected)
    for name, w in weights.items():
        assert abs(w.std() - expected[name]) <= 5 * expected[name] / (2 * w.size) ** 0.5, name
        assert abs(w.mean() - (name == "gain")) <= 5 * expected[name] / w.size**0.5, name
    default = ns.draw(net(), sizes)
    assert_allclose(default["tied.w"] * 1.5, weights["tied.w"])
    assert not default["plain.b"].any()


def test_a_table_tied_to_a_readout_has_no_fan_in() -> None:
    program = PROGRAMS["transformer"]
    fan_in = {node.name: str(program.fan_in(node)) for node in program.parameters}
    assert fan_in["embed.w"] == "1"
    assert fan_in["block.glu.down.w"] == "m"


def test_dtype() -> None:
    single, double = ns.draw(deep, SMALL, dtype="float32"), ns.draw(deep, SMALL)
    assert {w.dtype for w in single.values()} == {np.dtype("float32")}
    assert_array_equal(single["embed.w"], double["embed.w"].astype("float32"))


def test_relations_and_defaults_of_dimensions() -> None:
    H = ns.dim("H")
    d_head, k = ns.dim("d_head", equals=n / H), ns.fixed("k", 3)

    @ns.program
    def net(x: ns.Vector(k)):
        return ns.dense(x, d_head, name="a")

    assert ns.draw(net(), {"n": 12, "H": 4})["a.w"].shape == (3, 3)
    assert ns.draw(net(), {"n": 12, "H": 4, "d_head": 3, "k": 5})["a.w"].shape == (3, 5)
    with pytest.raises(ProgramError, match="d_head is given as 4, but d_head = n/H = 3"):
        ns.draw(net(), {"n": 12, "H": 4, "d_head": 4})
    with pytest.raises(ProgramError, match=r"a fan-out is d_head = 2\.4 at these sizes"):
        ns.draw(net(), {"n": 12, "H": 5})


@pytest.mark.parametrize(
    ("sizes", "sigmas", "message"),
    [
        ({"n": 4, "L": 3}, {}, "no size is given for the dimension d_in; add it, as in sizes={'d_in': 64}"),
        ({**SMALL, "d_im": 4}, {}, "deep has no dimension d_im; did you mean d_in?"),
        ({**SMALL, "width": 4}, {}, "deep has no dimension width; it has: d_in, n, L"),
        ({**SMALL, "n": 0}, {}, "a fan-out is n = 0 at these sizes; it must be a positive whole number"),
        ({**SMALL, "n": 2.5}, {}, "a fan-out is n = 2.5 at these sizes"),
        ({**SMALL, "L": 0.5}, {}, "block is repeated L = 0.5 times; it must be a whole number"),
        (SMALL, {"sigma_v": 1.0}, "deep has no sigma_v; it has: sigma_b, sigma_w"),
        (SMALL, {"sigma_w": -1.0}, "sigma_w=-1.0 is not a standard deviation"),
        (SMALL, {"sigma_w": float("nan")}, "is not a standard deviation"),
    ],
)
def test_draw_refuses(sizes: dict[str, Any], sigmas: dict[str, float], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        ns.draw(deep, sizes, **sigmas)
    assert message in str(caught.value)


# --- inputs and weights -------------------------------------------------------------------------------


def test_inputs_by_name_by_order_and_shared_by_a_batch() -> None:
    program = PROGRAMS["graph"]
    sizes, batch = sizes_for(program), inputs_for(program, batch=3)
    weights = ns.draw(program, sizes)
    x, adjacency = batch["x"], batch["adjacency"]
    by_name = ns.run(program, weights, {"adjacency": adjacency, "x": x}, sizes)
    assert_array_equal(by_name, ns.run(program, weights, (x, adjacency), sizes))
    one_graph = ns.run(program, weights, (x, adjacency[1]), sizes)
    assert_allclose(one_graph[1], by_name[1])
    one_x = ns.run(program, weights, (x[2], adjacency), sizes)
    assert_allclose(one_x[2], by_name[2])


def test_whole_numbers_are_numbers() -> None:
    weights = ns.draw(deep, SMALL)
    assert_allclose(ns.run(deep, weights, [1, 2], SMALL), ns.run(deep, weights, np.array([1.0, 2.0]), SMALL))


def test_an_output_that_reads_no_input_has_a_batch_axis_too() -> None:
    @ns.program
    def net(x: ns.Vector(2)):
        return ns.constant(x, 3, 4)

    assert ns.run(net(), {}, np.ones((5, 2)), {}).shape == (5, 4)
    assert ns.run(net(), {}, np.ones(2), {}).shape == (4,)


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("mlp", np.ones(4), "the input x: [d_in] has the shape (4,); expected (5,), or (batch, 5)"),
        ("mlp", np.ones((2, 3, 5)), "has the shape (2, 3, 5); expected (5,), or (batch, 5)"),
        ("mlp", (np.ones(5), np.ones(5)), "mlp has the inputs x, but got 2 arrays"),
        ("mlp", {"y": np.ones(5)}, "mlp has the inputs x, but got: y"),
        ("transformer", np.ones(6), "the input tokens holds token indices, which are integers, not float64"),
        ("graph", (np.ones((4, 5)), np.ones((4, 5))), "the input adjacency: [N, N'=N; 1] has the shape (4, 5)"),
        ("graph", (np.ones((2, 4, 5)), np.ones((3, 4, 4))), "has a batch of 3, another one of 2"),
    ],
)
def test_run_refuses_inputs(name: str, inputs: Any, message: str) -> None:
    program = PROGRAMS[name]
    with pytest.raises(ProgramError) as caught:
        ns.run(program, ns.draw(program, sizes_for(program)), inputs, sizes_for(program))
    assert message in str(caught.value)


def test_run_refuses_weights() -> None:
    weights = ns.draw(deep, SMALL)
    with pytest.raises(ProgramError, match=r"the weights lack block\[2\].hidden.b; ns.draw"):
        ns.run(deep, {k: w for k, w in weights.items() if k != "block[2].hidden.b"}, np.ones(2), SMALL)
    with pytest.raises(ProgramError, match=r"the weight embed.w has the shape \(4, 2\); expected \(5, 2\)"):
        ns.run(deep, weights, np.ones(2), {**SMALL, "n": 5})


# --- values -------------------------------------------------------------------------------------------


def test_values_have_the_names_of_the_listing() -> None:
    weights, x = ns.draw(deep, SMALL, sigma_b=1.0), np.array([0.3, -0.2])
    found = ns.values(deep, weights, x, SMALL)
    # embed: v1, v2; the loop v3 carries v4; inside v5, v6; readout: v7, v8
    inside = [f"block[{i}].{name}" for i in range(3) for name in ("v4", "v5", "v6")]
    assert list(found) == ["x", "v1", "v2", *inside, "v3", "v7", "v8"]
    assert_array_equal(found["v1"], weights["embed.w"] @ x)
    assert_array_equal(found["block[1].v4"], found["block[0].v6"])
    assert_array_equal(found["v3"], found["block[2].v6"])
    assert_array_equal(found["v8"], ns.run(deep, weights, x, SMALL))


def test_values_of_loops_in_loops() -> None:
    program = PROGRAMS["nested"]
    found = ns.values(program, ns.draw(program, {"n": 2, "L": 2}), np.ones(2), {"n": 2, "L": 2})
    assert "outer[1].inner[0].v7" in found
    assert {"v2.0", "v2.1"} <= set(found)
    assert "v2" not in found


def test_values_of_a_scan_stand_under_its_steps() -> None:
    @ns.program
    def net(x: ns.Sequence(3, 2)):
        def step(h, x):
            return ns.repeat(2, lambda h: h + x, h, name="twice")

        return ns.scan(step, ns.constant(x, 0, 2), x, "T")

    found = ns.values(net(), {}, np.ones((3, 2)), {})
    (label,) = (name for name, array in found.items() if array.shape == (3, 2) and name != "x")
    steps = [name for name in found if name.startswith(f"{label}[2].twice[1].")]
    assert len(steps) == 2  # carried, and made
    assert_array_equal(found[steps[-1]], [6, 6])
    assert_array_equal(found[label], [[2, 2], [4, 4], [6, 6]])


# --- what a wide network is ---------------------------------------------------------------------------


def test_a_wide_relu_layer_has_the_kernel_of_theory() -> None:
    """Against the arc-cosine kernel of degree one (Cho and Saul 2009), within five standard errors."""
    width, sigma_w, sigma_b, draws = 500, 1.3, 0.4, 40

    @ns.program
    def net(x: ns.Vector(3)):
        h = ns.map("relu", ns.dense(x, n, name="a"))
        return ns.dense(h, n, name="b")

    x = np.array([[1.0, 0.5, -1.0], [0.2, 1.0, 0.3]])
    kernels = []
    for seed in range(draws):
        weights = ns.draw(net(), {"n": width}, seed, sigma_w=sigma_w, sigma_b=sigma_b)
        y = ns.run(net(), weights, x, {"n": width})
        kernels.append(y @ y.T / width)
    first = sigma_w**2 * x @ x.T / 3 + sigma_b**2
    norms = np.sqrt(np.outer(np.diag(first), np.diag(first)))
    angle = np.arccos(np.clip(first / norms, -1, 1))
    dual = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    theory = sigma_w**2 * dual + sigma_b**2
    error = np.std(kernels, axis=0, ddof=1) / draws**0.5
    assert (np.abs(np.mean(kernels, axis=0) - theory) < 5 * error).all()
    assert (error < 0.02 * theory).all()


@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**40))
def test_depth_by_repeat_is_depth_by_hand(width: int, depth: int, seed: int) -> None:
    sizes = {"n": width, "L": depth, "d_in": 2}
    weights, x = ns.draw(deep, sizes, seed, sigma_b=0.5), np.array([0.7, -0.4])
    h = weights["embed.w"] @ x + weights["embed.b"]
    for i in range(depth):
        h = weights[f"block[{i}].hidden.w"] @ h + weights[f"block[{i}].hidden.b"]
    expected = weights["readout.w"] @ h + weights["readout.b"]
    assert_allclose(ns.run(deep, weights, x, sizes), expected, atol=1e-12)


def test_every_size_of_the_programs_is_used() -> None:
    assert set(SIZES) == {name for program in PROGRAMS.values() for name in sizes_for(program)}
