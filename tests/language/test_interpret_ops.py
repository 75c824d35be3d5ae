"""Every primitive operation of the interpreter against a direct computation in NumPy."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ntksym import language as ns
from ntksym.errors import ProgramError
from ntksym.language import InputType, Value
from ntksym.language.interpret import structure
from ntksym.language.interpret_rules import rules
from tests.language.programs import PROGRAMS

rng = np.random.default_rng(7)
x6 = rng.standard_normal(6)
x34, y34 = rng.standard_normal((2, 3, 4))
x534 = rng.standard_normal((5, 3, 4))


def evaluate(
    body: Callable[..., Any],
    kinds: list[InputType],
    *arrays: Any,
    weights: dict[str, Any] | None = None,
    **sizes: int,
) -> Any:
    """The output of an architecture with one or two inputs."""
    if len(kinds) == 1:

        @ns.program
        def net(x: kinds[0]):
            return body(x)
    else:

        @ns.program
        def net(x: kinds[0], y: kinds[1]):
            return body(x, y)

    return ns.run(net(), weights or {}, arrays, sizes)


def sequence(body: Callable[[Value], Value], x: Any = x34) -> Any:
    """``body`` of a sequence of 3 vectors of 4 coordinates."""
    return evaluate(body, [ns.Sequence("T", "d")], x, T=3, d=4)


def test_every_operation_has_a_rule_and_a_program() -> None:
    assert set(ns.operations) == set(rules) | set(structure)
    assert not set(rules) & set(structure)
    used = {node.op for program in PROGRAMS.values() for node in program.nodes.values()}
    assert used == set(ns.operations)


def test_a_missing_rule_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(rules, "softmax")
    with pytest.raises(ProgramError, match=r'py:\d+: the interpreter has no rule for .* softmax; .*@rule\("softmax"\)'):
        sequence(lambda x: ns.softmax(x, "T"))


# --- weights ------------------------------------------------------------------------------------------


def test_matmul() -> None:
    w = rng.standard_normal((2, 4))
    assert_allclose(sequence_with(w, lambda w, x: ns.matmul(w, x), 2, 4, x34), x34 @ w.T)
    x32 = rng.standard_normal((3, 2))
    assert_allclose(sequence_with(w, lambda w, x: ns.matmul(w, x, transpose=True), 2, 4, x32), x32 @ w)


def sequence_with(w: Any, body: Callable[..., Value], rows: int, cols: int, x: Any, **keywords: Any) -> Any:
    """``body`` of a weight matrix and a sequence."""
    positions, d = x.shape

    def net(x: Value) -> Value:
        return body(ns.weight(x, "w", rows, cols, **keywords), x)

    return evaluate(net, [ns.Sequence(positions, d)], x, weights={"w": w})


def test_matmul_with_a_matrix_for_each_position() -> None:
    w = rng.standard_normal((3, 2, 4))
    shared = sequence_with(w, ns.matmul, 2, 4, x34, index=ns.Axis("T", ns.Size(3)))
    assert_allclose(shared, [w[t] @ x34[t] for t in range(3)])
    every = sequence_with(w, ns.matmul, 2, 4, y34, index=ns.Axis("expert", ns.Size(3)))
    assert_allclose(every, [[w[e] @ y34[t] for e in range(3)] for t in range(3)])


def test_lookup() -> None:
    table, tokens = rng.standard_normal((4, 5)), np.array([[3, 0, 3], [1, 2, 4]])

    def net(tokens: Value) -> Value:
        return ns.lookup(ns.weight(tokens, "w", 4, 5), tokens)

    kinds = [ns.Tokens("T")]
    assert_array_equal(evaluate(net, kinds, tokens, weights={"w": table}, T=3), table.T[tokens])
    with pytest.raises(ProgramError, match=r"py:\d+: token indices from -1 to 3, but the table has 0 to 4"):
        evaluate(net, kinds, tokens[0] - [0, 1, 0], weights={"w": table}, T=3)


def test_lookup_with_a_table_for_each_position() -> None:
    tables, tokens = rng.standard_normal((3, 4, 5)), np.array([3, 0, 4])

    def net(tokens: Value, *, axis: str) -> Value:
        return ns.lookup(ns.weight(tokens, "w", 4, 5, index=ns.Axis(axis, ns.Size(3))), tokens)

    own = evaluate(lambda t: net(t, axis="T"), [ns.Tokens(3)], tokens, weights={"w": tables})
    assert_array_equal(own, [tables[t][:, tokens[t]] for t in range(3)])
    every = evaluate(lambda t: net(t, axis="expert"), [ns.Tokens(3)], tokens, weights={"w": tables})
    assert_array_equal(every, [[tables[e][:, tokens[t]] for e in range(3)] for t in range(3)])


def test_constant() -> None:
    assert_array_equal(sequence(lambda x: ns.constant(x, 2.5, 4, x.type.positions)), np.full((3, 4), 2.5))
    assert_array_equal(sequence(lambda x: ns.constant(x, ns.fixed("d"), 2)), [4.0, 4.0])


# --- coordinatewise -----------------------------------------------------------------------------------


def test_linear_and_the_arithmetic_of_values() -> None:
    d = ns.fixed("d")
    assert_allclose(sequence(lambda x: ns.linear((3, x), (d**-0.5, x), (-1, x))), 2.5 * x34)
    assert_allclose(sequence(lambda x: 1 - x * 0.1 + x / 4 - (-x)), 1 + 1.15 * x34)
    assert_allclose(sequence(lambda x: sum([x, x, x])), 3 * x34)
    assert_allclose(sequence(lambda x: np.float64(2) * x + np.int64(1)), 2 * x34 + 1)
    assert_allclose(sequence(lambda x: d + x * d), 4 + 4 * x34)
    assert_allclose(sequence(lambda x: x * x + x * (2 * x) + (1 + x) / x), 3 * x34**2 + (1 + x34) / x34)


def test_values_with_different_axes_broadcast() -> None:
    def net(x: Value, y: Value) -> Value:
        return ns.relabel(x, "T", "S") + ns.pool(y, "S") + y

    kinds = [ns.Sequence(3, 4), ns.Sequence(5, 4, name="S")]
    y = rng.standard_normal((5, 4))

    def renamed(x: Value, y: Value) -> Value:
        return ns.relabel(x, "T", "R") + y * ns.pick(x, "T", 0)

    assert_allclose(evaluate(renamed, kinds, x34, y), x34[:, None] + y * x34[0])
    with pytest.raises(ProgramError, match="the position axis S has length 3 in one value and 5 in another"):
        evaluate(net, kinds, x34, y)


def test_map() -> None:
    assert_allclose(sequence(lambda x: ns.map("tanh", x)), np.tanh(x34))
    assert_allclose(sequence(lambda x: ns.map("z*exp(-z**2)", x)), x34 * np.exp(-(x34**2)))
    two = ns.activation("a*sin(b)", ("a", "b"))
    assert_allclose(sequence(lambda x: ns.map(two, x, 2 * x)), x34 * np.sin(2 * x34))
    assert_allclose(sequence(lambda x: two(ns.contract(x, x), x)), (x34**2).sum(1, keepdims=True) * np.sin(x34))


def test_normalise() -> None:
    def rms(x: Any) -> Any:
        return np.sqrt((x**2).mean(-1, keepdims=True))

    centred = x34 - x34.mean(-1, keepdims=True)
    assert_allclose(sequence(ns.normalise), x34 / rms(x34))
    assert_allclose(sequence(lambda x: ns.normalise(x, centre=True)), centred / rms(centred))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_normalise_has_no_scale(scale: float) -> None:
    assert_allclose(sequence(ns.normalise, scale * x34), sequence(ns.normalise))


def test_normalise_of_nothing_is_nothing() -> None:
    assert_array_equal(sequence(ns.normalise, np.zeros((3, 4))), np.zeros((3, 4)))
    equal = np.full((3, 4), [[0.1], [1e9], [3.0]])
    for array in (equal, equal.astype(np.float32)):
        assert_array_equal(sequence(lambda x: ns.normalise(x, centre=True), array), np.zeros((3, 4)))


def test_dropout() -> None:
    @ns.program
    def net(x: ns.Vector(100_000)):
        return ns.dropout(x, 0.2)

    x = np.ones(100_000)
    assert_array_equal(ns.run(net(), {}, x, {}), x)
    dropped = ns.run(net(), {}, x, {}, seed=1)
    assert set(np.unique(dropped)) == {0.0, 1.25}
    assert abs((dropped == 0).mean() - 0.2) < 4 * (0.2 * 0.8 / 100_000) ** 0.5
    assert_array_equal(dropped, ns.run(net(), {}, x, {}, seed=1))
    assert (dropped != ns.run(net(), {}, x, {}, seed=2)).any()


def test_rotate() -> None:
    def turn(t: int, x: Any) -> Any:
        z = (x[0::2] + 1j * x[1::2]) * np.exp(1j * t * 10_000.0 ** (-np.arange(2) / 2))
        return np.ravel([z.real, z.imag], order="F")

    turned = sequence(lambda x: ns.rotate(x, "T"))
    assert_allclose(turned, [turn(t, x34[t]) for t in range(3)])
    assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(x34, axis=1))
    with pytest.raises(ProgramError, match=r"py:\d+: ns.rotate turns pairs of coordinates, .* has 3 of them"):
        evaluate(lambda x: ns.rotate(x, "T"), [ns.Sequence(4, 3)], np.ones((4, 3)))


def test_rotated_products_depend_on_the_distance_only() -> None:
    def logits(x: Value) -> Value:
        same = ns.constant(x, 1, x.type.coord, x.type.positions) * ns.pick(x, "T", 0)
        q = ns.rotate(same, "T")
        return ns.contract(q, ns.relabel(q, "T", "T'"))

    found = sequence(logits)[..., 0]
    assert_allclose(found[0, 1], found[1, 2])
    assert_allclose(found, found.T)


# --- sums over axes -----------------------------------------------------------------------------------


def test_contract() -> None:
    assert_allclose(sequence(lambda x: ns.contract(x, 2 * x)), 2 * (x34**2).sum(1)[:, None])
    gram = sequence(lambda x: ns.contract(x, ns.relabel(x, "T", "S")))
    assert_allclose(gram[..., 0], x34 @ x34.T)


def test_mix() -> None:
    kinds = [ns.Sequence("T", 4), ns.Graph("T")]
    graph = rng.standard_normal((3, 3))

    def net(x: Value, graph: Value) -> Value:
        return ns.mix(graph, ns.relabel(x, "T", "T'"), "T'")

    assert_allclose(evaluate(net, kinds, x34, graph, T=3), graph @ x34)
    assert_allclose(evaluate(lambda x, g: ns.mix(g, x, "T"), kinds, x34, graph, T=3), graph.T @ x34)
    assert_allclose(evaluate(lambda x, g: ns.mix(x, x, "T"), kinds, x34, graph, T=3), (x34**2).sum(0))
    # an axis that one of the two has not
    scalar = sequence(lambda x: ns.mix(ns.pick(x, "T", 0), x, "T"))
    assert_allclose(scalar, x34[0] * x34.sum(0))


def test_pool() -> None:
    image = ns.Image(5, 3, 4)
    assert_allclose(evaluate(ns.pool, [image], x534), x534.mean((0, 1)))
    assert_allclose(evaluate(lambda x: ns.pool(x, "col"), [image], x534), x534.mean(1))
    assert_allclose(evaluate(lambda x: ns.pool(x, "row", mean=False), [image], x534), x534.sum(0))


def test_softmax_and_mask() -> None:
    big = 1000 * x34
    e = np.exp(big - big.max(0))
    assert_allclose(sequence(lambda x: ns.softmax(x, "T"), big), e / e.sum(0))

    def causal(x: Value) -> Value:
        logits = ns.contract(x, ns.relabel(x, "T", "S"))
        return ns.softmax(ns.mask(logits, "T", "S"), "S")

    weights = sequence(causal)[..., 0]
    for t in range(3):
        e = np.exp(x34[: t + 1] @ x34[t])
        assert_allclose(weights[t], [*(e / e.sum()), *[0] * (2 - t)])


def test_softmax_over_nothing_is_nothing() -> None:
    assert_array_equal(sequence(lambda x: ns.softmax(x, "T"), np.full((3, 4), -np.inf)), np.zeros((3, 4)))


def test_top_k() -> None:
    x = np.array([[0.1, 0.3, 0.0, 0.5], [0.5, 0.3, 0.0, 0.5], [0.4, 0.4, 0.0, 0.5]])

    def shares(column: Any) -> Any:
        kept = np.zeros(3)
        for i in sorted(range(3), key=lambda i: (-column[i], i))[:2]:  # of equal ones the first
            kept[i] = column[i]
        return kept / (kept.sum() or 1)

    expected = np.transpose([shares(column) for column in x.T])
    assert_allclose(sequence(lambda x: ns.top_k(x, "T", 2), x), expected)
    assert_allclose(expected[:, 3], [0.5, 0.5, 0])
    with pytest.raises(ProgramError, match="keeps 4 entries, but the axis T has 3"):
        sequence(lambda x: ns.top_k(x, "T", 4))


# --- moving axes --------------------------------------------------------------------------------------


def test_split_and_merge() -> None:
    assert_array_equal(sequence(lambda x: ns.split(x, "part", 2)), x34.reshape(3, 2, 2))
    assert_array_equal(sequence(lambda x: ns.merge(ns.split(x, "part", 2), "part")), x34)
    image = [ns.Image(5, 3, 4)]
    assert_array_equal(evaluate(ns.merge, image, x534), x534.ravel())
    other_way = evaluate(lambda x: ns.merge(x, "col", "row"), image, x534)
    assert_array_equal(other_way, x534.transpose(1, 0, 2).ravel())
    assert_array_equal(evaluate(lambda x: ns.merge(x, "row"), image, x534), x534.swapaxes(0, 1).reshape(3, 20))


def test_uneven_split_at_these_sizes() -> None:
    with pytest.raises(ProgramError, match=r"a number of coordinates is d/2 = 2.5 at these sizes"):
        evaluate(lambda x: ns.split(x, "part", 2), [ns.Vector("d")], np.ones(5), d=5)


def test_as_axis_broadcast_relabel_pick() -> None:
    assert_array_equal(sequence(lambda x: ns.as_axis(x, "c")), x34[..., None])
    assert_array_equal(sequence(lambda x: ns.broadcast(ns.as_axis(x, "c"), 2)), np.stack([x34, x34], -1))
    assert_array_equal(sequence(lambda x: ns.relabel(x, "T", "S")), x34)
    assert_array_equal(sequence(lambda x: ns.pick(x, "T", -1)), x34[-1])
    with pytest.raises(ProgramError, match=r"ns.pick takes position 3, but the axis T has 3 positions"):
        sequence(lambda x: ns.pick(x, "T", 3))


@pytest.mark.parametrize("by", range(-4, 5))
def test_shift(by: int) -> None:
    expected = [x34[t - by] if 0 <= t - by < 3 else np.zeros(4) for t in range(3)]
    assert_array_equal(sequence(lambda x: ns.shift(x, "T", by)), expected)


@pytest.mark.parametrize("by", range(-4, 8))
@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_shift_onto_another_length(by: int, length: int) -> None:
    expected = [x34[t - by] if 0 <= t - by < 3 else np.zeros(4) for t in range(length)]
    assert_array_equal(sequence(lambda x: ns.shift(x, "T", by, length)), expected)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 3),
    st.sampled_from(["same", "valid", "circular"]),
)
def test_patches(shape: tuple[int, int], kernel: tuple[int, int], stride: int, padding: str) -> None:
    if padding == "valid" and any(k > size for k, size in zip(kernel, shape, strict=True)):
        return
    image = np.arange(1.0, shape[0] * shape[1] * 2 + 1).reshape(*shape, 2)

    def at(row: int, col: int) -> Any:
        if padding == "circular":
            return image[row % shape[0], col % shape[1]]
        inside = 0 <= row < shape[0] and 0 <= col < shape[1]
        return image[row, col] if inside else np.zeros(2)

    def body(x: Value) -> Value:
        return ns.patches(x, ("row", "col"), kernel, stride, padding)

    found = evaluate(body, [ns.Image(*shape, 2)], image)
    start = [0 if padding == "valid" else -((k - 1) // 2) for k in kernel]
    for i, j in product(range(found.shape[0]), range(found.shape[1])):
        window = [
            at(i * stride + start[0] + a, j * stride + start[1] + b)
            for a, b in product(range(kernel[0]), range(kernel[1]))
        ]
        assert_array_equal(found[i, j], window)
    last = [size if padding != "valid" else size - k + 1 for size, k in zip(shape, kernel, strict=True)]
    assert found.shape[:2] == tuple(len(range(0, end, stride)) for end in last)


# --- loops --------------------------------------------------------------------------------------------


def test_repeat() -> None:
    def body(x: Value) -> Value:
        first = ns.pick(x, "T", 0)
        return ns.repeat(3, lambda h: 2 * h + first, x)

    assert_allclose(sequence(body), 8 * x34 + 7 * x34[0])
    assert_array_equal(sequence(lambda x: ns.repeat(0, lambda h: 2 * h, x)), x34)


def test_repeat_of_several_values() -> None:
    def body(x: Value) -> Value:
        a, b = ns.repeat(5, lambda a, b: (b, a + b), (0 * x, x))
        return a * 100 + b

    assert_allclose(sequence(body), (100 * 5 + 8) * x34)


def test_a_body_may_return_its_axes_in_another_order() -> None:
    graph = rng.standard_normal((3, 3))

    def body(graph: Value) -> Value:
        def swapped(h: Value) -> Value:
            return ns.relabel(ns.relabel(ns.relabel(h, "T", "x"), "T'", "T"), "x", "T'")

        return ns.repeat(1, swapped, graph)

    assert_array_equal(evaluate(body, [ns.Graph("T")], graph, T=3)[..., 0], graph.T)


def test_scan() -> None:
    def body(x: Value) -> Value:
        return ns.scan(lambda h, x: 0.5 * h + x, ns.constant(x, 1, x.type.coord), x, "T")

    h, expected = np.ones(4), []
    for t in range(3):
        h = h / 2 + x34[t]
        expected.append(h)
    assert_allclose(sequence(body), expected)


def test_scan_along_the_first_of_two_axes_with_two_sequences() -> None:
    def body(x: Value) -> Value:
        start = ns.constant(x, 0, 4, x.type.without("row")), ns.constant(x, 0, 4)
        a, b = ns.scan(lambda a, b, x, y: (a + x, b + y), start, (x, ns.pool(x, "col")), "row")
        return ns.relabel(a, "row", "time") * 10 + ns.relabel(b, "row", "time")

    found = evaluate(body, [ns.Image(5, 3, 4)], x534)
    a, b = np.cumsum(x534, 0).swapaxes(0, 1), np.cumsum(x534.mean(1), 0)
    assert_allclose(found, 10 * a + b)
